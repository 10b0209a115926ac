/**
 * Markup as it comes and as it is written anew: what it is about, the one, the other.
 * @module
 */
import type { Syntax } from '../../src/gateway/safe/markup-reader.ts'

/** An address outside of the network. */
export const EVIL = 'http://evil.example/x'
const OUTSIDE = '/outside?to=http%3A%2F%2Fevil.example%2Fx'

/** Pages in HTML. */
export const HTML: readonly (readonly [string, string, string])[] = [
  ['ordinary markup stays', '<p class="a">x <b>y</b><br/></p>', '<p class="a">x <b>y</b><br></p>'],
  ['the standard doctype stays', '<!DOCTYPE html><p>', '<!doctype html><p>'],
  ['an old doctype goes', '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2//EN"><p>', '<p>'],
  ['so does one that is like a known one', '<!DOCTYPE html 4.01><!doctype htmlxhtml 1.><p>', '<p>'],
  [
    'doctypes that mean the same stay',
    '<!doctype\nhtml ><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"\n "x"><p>',
    '<!doctype html><!doctype html><p>',
  ],
  ['comments go', 'a<!-- <img src=x> -->b<!--->c<!-->d<!-- --!>e<?php x ?>f', 'abcdef'],
  ['text is escaped', 'a < b &amp; c &lt;p> "d"', 'a &lt; b &amp; c &lt;p&gt; &quot;d&quot;'],
  ['entities without their semicolon are read', '&amp &lt;&copy', '&amp; &lt;©'],
  ['NUL and control characters go', 'a\0b\x01c\x0cd', 'abcd'],
  ['scripts go with what they hold', 'a<script>if (1<2) "<b>"</script>b', 'ab'],
  ['a script that does not end is left out', 'a<script>b<p>c', 'a'],
  ['handlers go', '<p onclick="x" OnLoad=x onfoo>', '<p>'],
  ['attributes that nobody knows go', '<p nonce=x is=y attributionsrc=z part=a>', '<p>'],
  [
    'a paint may name a part of the page, by every spelling but one that hides something',
    `<svg><g fill=" url( #a ) red" stroke='url("#a" )' mask="url('#a)" filter="url(#a')" clip-path="url(#a)url(b)"/></svg>`,
    `<svg><g fill=" url( #a ) red" stroke="url(&quot;#a&quot; )"></g></svg>`,
  ],
  [
    'no key follows two slashes, whichever way they lean',
    '<iframe src="http://localhost/\\\\KSK@evil.example/x"></iframe><img src="http://127.0.0.1:1//KSK@evil.example/x">',
    '<iframe></iframe><img>',
  ],
  [
    'a field does not judge what is typed in it, so that styles cannot tell',
    '<input type=email pattern=a required><input type=" Text " minlength=2 maxlength=3><input type=range min=1 max=2 step=1><textarea required rows=3></textarea><select required><meter max=3>',
    '<input><input type=" Text "><input type="range"><textarea rows="3"></textarea><select><meter max="3">',
  ],
  ['of two attributes the first counts', '<a href=a.html HREF="//evil">', '<a href="a.html">'],
  [
    'quotes in values are escaped',
    `<p title='"><img src=x>'>`,
    '<p title="&quot;&gt;&lt;img src=x&gt;">',
  ],
  ['a tag within a tag is none', '<p title=<img src=x>', '<p title="&lt;img">'],
  ['elements that nobody knows are kept bare', '<x-y src=a id=b>c</x-y>', '<x-y id="b">c</x-y>'],
  ['names with strange characters are no tags', '<o:p>a</o:p><p\0>b', 'ab'],

  ['links inside stay', '<a href="../b.html?c#d">', '<a href="../b.html?c#d">'],
  ['a link to a key stays', '<a href="/USK@a/b/1/">', '<a href="/USK@a/b/1/">'],
  [
    'a link of the old kind leads to the key',
    '<a href="freenet:KSK@a">',
    '<a href="/freenet:KSK@a">',
  ],
  [
    'a link to an old gateway leads here',
    '<a href="http://127.0.0.1:8888/KSK@a">',
    '<a href="/KSK@a">',
  ],
  ['a URN is a key', '<a href="urn:eris:AAA">', '<a href="/urn:eris:AAA">'],
  [
    'our own pages are outside',
    '<a href="http://localhost:8888/api/v1">',
    '<a href="/outside?to=http%3A%2F%2Flocalhost%3A8888%2Fapi%2Fv1">',
  ],
  ['a link outside leads to our warning', `<a href="${EVIL}">`, `<a href="${OUTSIDE}">`],
  [
    'its ping and target go',
    `<a href="${EVIL}" ping="${EVIL}" target=_blank rel=opener download>`,
    `<a href="${OUTSIDE}">`,
  ],
  ['a map leads to it too', `<area href="${EVIL}">`, `<area href="${OUTSIDE}">`],
  [
    'two slashes lead outside',
    '<a href="//evil.example">',
    '<a href="/outside?to=%2F%2Fevil.example">',
  ],
  [
    'backslashes are slashes',
    '<a href="\\/evil"><a href="/\\evil">',
    '<a href="/outside?to=%5C%2Fevil"><a href="/outside?to=%2F%5Cevil">',
  ],
  ['a scheme is one in any letters', '<a href="HtTp:evil">', '<a href="/outside?to=HtTp%3Aevil">'],
  [
    'what browsers skip hides no scheme',
    '<a href="\x01 ht\ntp://evil"><img src="/\t/evil">',
    '<a href="/outside?to=http%3A%2F%2Fevil"><img>',
  ],
  [
    'control characters hide no scheme',
    '<img src="/&#1;/evil"><img src="h\x02ttp://evil"><img srcset="/\x03/evil 1x"><img src="&#x7f;//a">',
    '<img><img><img><img src="\x7f//a">',
  ],
  [
    'entities hide no scheme',
    '<img src="http&colon;&sol;&sol;evil"><img src="&#104ttp://evil">',
    '<img><img>',
  ],
  [
    'programs are no links',
    '<a href="javascript:a"><a href=" JaVa\nscript:a"><a href=vbscript:a><a href=data:text/html,a><a href=blob:a>',
    '<a><a><a><a><a>',
  ],
  [
    'other schemes are shown',
    '<a href="magnet:?xt=a">',
    '<a href="/outside?to=magnet%3A%3Fxt%3Da">',
  ],

  ['pictures inside stay', '<img src="a.png" alt="b">', '<img src="a.png" alt="b">'],
  [
    'pictures outside go',
    `<img src="${EVIL}" alt="b"><image src="${EVIL}" href="${EVIL}">`,
    '<img alt="b"><image>',
  ],
  [
    'pictures in the page stay',
    '<img src="data:image/png;base64,AA">',
    '<img src="data:image/png;base64,AA">',
  ],
  ['other data is no picture', '<img src="data:text/html,x">', '<img>'],
  [
    'sets of pictures stay inside',
    '<img srcset="a.png 1x, b.png 2x">',
    '<img srcset="a.png 1x, b.png 2x">',
  ],
  [
    'one outside is too many',
    '<img srcset="a.png 1x, //evil 2x"><source srcset="a,http://evil 2x">',
    '<img><source>',
  ],
  [
    'old attributes with pictures too',
    `<body background="${EVIL}"><td background="a.png">`,
    '<body><td background="a.png">',
  ],
  [
    'lesser known sources go',
    `<img lowsrc="${EVIL}" dynsrc="${EVIL}" longdesc="${EVIL}">`,
    '<img>',
  ],
  [
    'films and posters',
    `<video src="${EVIL}" poster="${EVIL}" controls><track src="${EVIL}">`,
    '<video controls=""><track>',
  ],
  [
    'an image that is a button loads nothing',
    `<input type=image src="${EVIL}">`,
    '<input type="image">',
  ],
  ['sound behind the page', `<bgsound src="${EVIL}">`, ''],

  [
    'style sheets of the site stay',
    '<link rel="stylesheet" href="a.css">',
    '<link rel="stylesheet" href="a.css">',
  ],
  ['those outside do not', `<link rel=stylesheet href="${EVIL}">`, '<link rel="stylesheet">'],
  ...[
    'preconnect',
    'dns-prefetch',
    'prefetch',
    'preload',
    'modulepreload',
    'prerender',
    'manifest',
    'import',
    'pingback',
    'expect',
    'compression-dictionary',
    'stylesheet preconnect',
    'PreConnect',
  ].map((rel) => [`"${rel}" goes`, `<link rel="${rel}" href="a">`, ''] as const),
  [
    'statements to the browser go',
    '<meta http-equiv=refresh content="0;url=a"><meta charset=koi8-r><meta name=referrer content=unsafe-url><meta http-equiv=x name=viewport>',
    '',
  ],
  [
    'harmless ones stay',
    '<meta name=viewport content="width=device-width">',
    '<meta name="viewport" content="width=device-width">',
  ],
  ['a base goes', '<base href="http://evil"><base target=x>', ''],
  [
    'forms lead nowhere',
    `<form action="${EVIL}"><button formaction="${EVIL}">a</button></form>`,
    '<form><button>a</button></form>',
  ],
  [
    'inner pages of the site stay',
    '<iframe src="a.html" srcdoc="x" name=b>c</iframe>d',
    '<iframe src="a.html" name="b"></iframe>d',
  ],
  [
    'those outside do not',
    `<iframe src="${EVIL}"></iframe><frame src="${EVIL}"><portal src="${EVIL}">`,
    '<iframe></iframe>',
  ],
  [
    'plug-ins go, what stands for them stays',
    `<object data="${EVIL}"><p>a</p></object><embed src="${EVIL}"><applet code=x>`,
    '<p>a</p>',
  ],
  ['what is for browsers without scripts is shown', '<noscript><p>a</p></noscript>', '<p>a</p>'],
  [
    'raw text without end becomes ordinary',
    '<xmp><b></xmp><plaintext><i>',
    '<pre>&lt;b&gt;</pre><pre>&lt;i&gt;',
  ],
  ['raw text that is not shown goes', '<noembed><p></noembed><noframes><p></noframes>a', 'a'],
  [
    'text fields hold text',
    '<textarea><p>&lt;</textarea><title><b></title>',
    '<textarea>&lt;p&gt;&lt;</textarea><title>&lt;b&gt;</title>',
  ],
  [
    'templates have no shadows',
    '<template shadowrootmode=open><p></template>',
    '<template><p></template>',
  ],

  [
    'styles stay',
    '<style>a > b { c: url(d) } @media (e <= 1px) {}</style>',
    '<style>a > b { c: url(d) } @media (e <= 1px) {}</style>',
  ],
  ['a style holds no tag', '<style>a<b></style x>c', '<style>a\\3c b></style>c'],
  ['a style that old browsers did not see', '<style><!-- a --></style>', '<style>  a  </style>'],

  [
    'drawings stay',
    '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>',
    '<svg viewbox="0 0 1 1"><path d="M0 0"></path></svg>',
  ],
  [
    'their pictures obey',
    `<svg><image href="${EVIL}" xlink:href="${EVIL}"/><feImage href="//e"/></svg>`,
    '<svg><image></image><feimage></feimage></svg>',
  ],
  [
    'their references stay',
    '<svg><use href="#a"/><use xlink:href="b.svg#c"/><use href="//e#a"/></svg>',
    '<svg><use href="#a"></use><use xlink:href="b.svg#c"></use><use></use></svg>',
  ],
  [
    'their links obey',
    `<svg><a xlink:href="${EVIL}">a</a></svg>`,
    `<svg><a xlink:href="${OUTSIDE}">a</a></svg>`,
  ],
  [
    'paint comes from the document',
    '<svg><g fill="url(#a)" stroke="url(//e)" mask="\\75rl(//e)" filter="url( \'#b\' )"/></svg>',
    `<svg><g fill="url(#a)" filter="url( '#b' )"></g></svg>`,
  ],
  [
    'links are not animated',
    `<svg><animate attributeName="href" to="${EVIL}"/><set attributeName=xlink:href to="#a"></set><animate attributeName=x to=1 /></svg>`,
    '<svg><animate attributename="x" to="1"></animate></svg>',
  ],
  [
    'control characters hide no animation and no paint',
    '<svg><set attributeName="hr&#1;ef" to=a /><g fill="u\x01rl(//e)"/><g style="a\x0cb"/></svg>',
    '<svg><g></g><g style="a b"></g></svg>',
  ],
  [
    'nothing is animated to what lies outside',
    `<svg><animate attributeName=fill values="red;url(${EVIL})"/></svg>`,
    '<svg><animate attributename="fill"></animate></svg>',
  ],
  [
    'CDATA in drawings is text',
    '<svg><text><![CDATA[<a>]]></text></svg>',
    '<svg><text>&lt;a&gt;</text></svg>',
  ],
  [
    'formulas have no links',
    `<math href="${EVIL}"><mi xlink:href="${EVIL}" mathvariant=bold>x</mi></math>`,
    '<math><mi mathvariant="bold">x</mi></math>',
  ],
]

/** Documents in XML. */
export const XML: readonly (readonly [string, Syntax, string, string])[] = [
  [
    'a drawing stays',
    'svg',
    '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><linearGradient id="a"/></svg>',
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><linearGradient id="a"></linearGradient></svg>',
  ],
  ['style sheets by instruction go', 'svg', '<?xml-stylesheet href="http://evil"?><g/>', '<g></g>'],
  ['a DTD goes', 'svg', '<!DOCTYPE svg [<!ENTITY a "b">]><g>c</g>', '<g>c</g>'],
  [
    'prefixes hide nothing',
    'svg',
    '<g><h:script xmlns:h="http://www.w3.org/1999/xhtml">a</h:script><x:g href="//e"/></g>',
    '<g>a</g>',
  ],
  [
    'HTML inside obeys',
    'svg',
    '<g><link xmlns="http://www.w3.org/1999/xhtml" rel="preconnect" href="//e"></link><iframe src="//e">a<b/></iframe></g>',
    '<g><iframe></iframe></g>',
  ],
  [
    'letter case hides nothing',
    'svg',
    '<g><link REL="stylesheet" rel="preconnect" href="//e"/></g>',
    '<g><link REL="stylesheet"></link></g>',
  ],
  [
    'scripts go with the elements in them',
    'svg',
    '<g><script><g><script>a</script></g>b</script>c</g>',
    '<g>c</g>',
  ],
  ['styles are text', 'svg', '<style>a<![CDATA[<b>]]></style>', '<style>a&lt;b&gt;</style>'],
  [
    'XHTML becomes HTML',
    'xhtml',
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><p/><br/><title/></html>',
    '<!doctype html>\n<html xmlns="http://www.w3.org/1999/xhtml"><p></p><br><title></title></html>',
  ],
  [
    'its styles too',
    'xhtml',
    '<style>a<![CDATA[</style><b>]]></style>',
    '<!doctype html>\n<style>a\\3c /style>\\3c b></style>',
  ],
  ['empty scripts are empty', 'xhtml', '<p><script src="a"/>b</p>', '<!doctype html>\n<p>b</p>'],
]
