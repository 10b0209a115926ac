/**
 * Pages that try to reach somebody outside while they are read: one trick a page. Each asks the canary for
 * `/<its name>…`, as far as it asks for anything that has a path.
 * @module
 */

export interface Trick {
  /** Small letters and digits: part of paths. */
  readonly name: string
  /** Decides the type that it is served with. */
  readonly extension: 'html' | 'xhtml' | 'svg' | 'xml'
  /** `url` is an address at the canary, `host` its host and port. */
  readonly page: (url: string, host: string) => string
  /** Browsers keep these to themselves here even where nothing is in their way. */
  readonly isSilent?: true
  /** Visited by itself: it asks for nothing that has a path, or only while somebody looks at it. */
  readonly isAlone?: true
}

type Page = Trick['page']

const SVG = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
const XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'

function html(name: string, page: Page, isSilent?: true): Trick {
  return {
    name,
    extension: 'html',
    page: (url, host) => `<!doctype html><body>${page(url, host)}`,
    ...(isSilent && { isSilent }),
  }
}

function script(name: string, page: Page, isSilent?: true): Trick {
  return html(name, (url, host) => `<script>${page(url, host)}</script>`, isSilent)
}

function alone(trick: Trick): Trick {
  return { ...trick, isAlone: true }
}

function css(name: string, rule: (url: string) => string): Trick {
  return html(name, (url) => `<style>${rule(url)}</style><p id="p">text<ul><li>item</ul>`)
}

function svg(name: string, content: (url: string) => string, isSilent?: true): Trick {
  return {
    name,
    extension: 'svg',
    page: (url) => `<svg ${SVG} width="9" height="9">${content(url)}</svg>`,
    ...(isSilent && { isSilent }),
  }
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
  html('frameset', (url) => `</body><frameset><frame src="${url}"></frameset>`, true),
  html('object', (url) => `<object data="${url}"></object>`),
  html('embed', (url) => `<embed src="${url}">`),
  html('stylesheet', (url) => `<link rel=stylesheet href="${url}">`),
  html('icon', (url) => `<link rel=icon href="${url}">`, true),
  html('manifest', (url) => `<link rel=manifest href="${url}">`, true),
  html('prefetch', (url) => `<link rel=prefetch href="${url}">`),
  html('preload', (url) => `<link rel=preload as=image href="${url}">`),
  html('preloadset', (url) => `<link rel=preload as=image imagesrcset="${url}">`),
  html('modulepreload', (url) => `<link rel=modulepreload href="${url}">`),
  alone(html('preconnect', (url) => `<link rel=preconnect href="${url}">`)),
  html('dnsprefetch', (url) => `<link rel=dns-prefetch href="${url}">`, true),
  html('prerender', (url) => `<link rel=prerender href="${url}">`, true),
  html('refresh', (url) => `<meta http-equiv=refresh content="0;url=${url}">`),
  html(
    'refreshlater',
    (url) => `<noscript><meta http-equiv=refresh content="0;url=${url}"></noscript>`,
    true,
  ),
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
  html('plaintext', (url) => `<select><plaintext></select><img src="${url}">`, true),
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
    name: 'xhtmlimage',
    extension: 'xhtml',
    page: (url) => `<html ${XHTML}><head><title/></head><body><img src="${url}"/></body></html>`,
  },
]

const insert = (markup: string) => `document.body.innerHTML=${JSON.stringify(markup)}`
const hint = (rel: string, url: string) =>
  `const l=document.createElement('link');l.rel='${rel}';l.href='${url}';document.head.append(l)`

/** With scripts: those of a page whose reader allowed them must fail, too. */
export const SCRIPT_TRICKS: readonly Trick[] = [
  script('fetch', (url) => `fetch('${url}',{mode:'no-cors'}).catch(()=>{})`),
  script('fetchlater', (url) => `self.fetchLater?.('${url}',{activateAfter:0})`, true),
  script('request', (url) => `const r=new XMLHttpRequest;r.open('GET','${url}');r.send()`),
  script('beacon', (url) => `navigator.sendBeacon('${url}','x')`),
  script('socket', (_, host) => `new WebSocket('ws://${host}/socket')`),
  script('events', (url) => `new EventSource('${url}')`),
  script(
    'transport',
    (_, host) => `new WebTransport('https://${host}/transport').ready.catch(()=>{})`,
    true,
  ),
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
  script('hintdns', (url) => hint('dns-prefetch', url), true),
  script('hintprefetch', (url) => hint('prefetch', url)),
  script('hintpreload', (url) => `${hint('preload', url)};l.as='fetch'`, true),
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
  script(
    'locationdata',
    (url) => `location=URL.createObjectURL(new Blob(["<img src='${url}'>"],{type:'text/html'}))`,
    true,
  ),
  script('worker', (url) => `new Worker(URL.createObjectURL(new Blob(["fetch('${url}')"])))`),
  script(
    'sharedworker',
    (url) => `new SharedWorker(URL.createObjectURL(new Blob(["fetch('${url}')"])))`,
  ),
  script('module', (url) => `import('${url}').catch(()=>{})`),
  script('audioobject', (url) => `new Audio('${url}').play().catch(()=>{})`),
  script('fontface', (url) => `new FontFace('f','url(${url})').load().catch(()=>{})`),
  script('worklet', (url) => `CSS.paintWorklet?.addModule('${url}').catch(()=>{})`, true),
  script(
    'reporting',
    (url) =>
      `document.cookie='a=b';new ReportingObserver(()=>{}).observe();fetch('/x?${url}').catch(()=>{})`,
    true,
  ),
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
