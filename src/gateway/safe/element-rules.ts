/**
 * What may stay of a page from the network: the tables. An attribute that is in none of them goes. All
 * names are in small letters; HTML, SVG and MathML share the tables, since a browser may see an element
 * in another of the three than we do.
 * @module
 */
import type { LinkKind } from './link-rules.ts'

/**
 * `keep`: with the attributes that may stay. `unwrap`: the tags go, what they hold stays. `omit`: goes
 * with all that it holds. The others have rules of their own in `rewrite-markup.ts`.
 */
export type ElementRule =
  'keep' | 'unwrap' | 'omit' | 'script' | 'style' | 'noscript' | 'preformatted' | 'frame' | 'hint'

const ELEMENTS: { readonly [name: string]: ElementRule } = {
  // what an inner page shows is sandboxed as its own page; what stands between its tags is for old browsers
  iframe: 'frame',
  script: 'script',
  style: 'style',
  noscript: 'noscript',
  // a browser reads what follows these as text, without end: their text goes into an ordinary element
  xmp: 'preformatted',
  listing: 'preformatted',
  plaintext: 'preformatted',
  // kept or not by their attributes
  link: 'hint',
  meta: 'hint',
  animate: 'hint',
  animatecolor: 'hint',
  animatemotion: 'hint',
  animatetransform: 'hint',
  set: 'hint',
  noembed: 'omit',
  noframes: 'omit',
  handler: 'omit',
  listener: 'omit',
  base: 'unwrap',
  object: 'unwrap',
  embed: 'unwrap',
  applet: 'unwrap',
  param: 'unwrap',
  frameset: 'unwrap',
  frame: 'unwrap',
  portal: 'unwrap',
  fencedframe: 'unwrap',
  webview: 'unwrap',
  bgsound: 'unwrap',
}

/** What is done with an element; one that we do not know is kept, for it does nothing by itself. */
export function elementRule(name: string): ElementRule {
  return Object.hasOwn(ELEMENTS, name) ? (ELEMENTS[name] ?? 'keep') : 'keep'
}

type Links = ReadonlyMap<string, LinkKind>

const NO_LINKS: Links = new Map()
const PICTURE: Links = new Map([
  ['src', 'picture'],
  ['srcset', 'pictures'],
  ['href', 'picture'],
  ['xlink:href', 'picture'],
])
const PAGE = hrefs('page')
const LOCAL = hrefs('local')
const BACKGROUND: Links = new Map([['background', 'picture']])

/** Attributes that lead somewhere, by element. */
const LINKS: ReadonlyMap<string, Links> = new Map([
  ...named('a area', PAGE),
  ...named('img image feimage', PICTURE),
  ...named('use', hrefs('resource')),
  ...named(
    'lineargradient radialgradient pattern textpath mpath filter mask marker clippath',
    LOCAL,
  ),
  ...named('body table thead tbody tfoot tr td th', BACKGROUND),
  ...named('audio track', new Map([['src', 'media']])),
  ...named('iframe script', new Map([['src', 'resource']])),
  ...named('link', new Map([['href', 'resource']])),
  ...named(
    'video',
    new Map([
      ['src', 'media'],
      ['poster', 'picture'],
    ]),
  ),
  ...named(
    'source',
    new Map([
      ['src', 'media'],
      ['srcset', 'pictures'],
    ]),
  ),
])

/** The attributes of an element that lead somewhere, and how. */
export function linksOf(element: string): Links {
  return LINKS.get(element) ?? NO_LINKS
}

/** Attributes that load nothing and do nothing in any element, but for HTML's own of one letter case. */
const INERT = words(`
  abbr align alt autoplay axis bgcolor border cellpadding cellspacing char charoff checked class clear
  color cols colspan compact content-visibility controls coords datetime default dir disabled face for
  frame headers height hidden high hspace id itemprop kind label lang list loading loop low max maxlength
  media min multiple muted name noshade nowrap open optimum pattern placeholder playsinline preload
  readonly required reversed role rows rowspan rules scope selected shape size sizes span spellcheck
  srclang start step style summary tabindex text link alink vlink title translate type usemap valign
  value vspace width wrap xml:lang xml:space`)

/** Of SVG and MathML; some may hold `url(…)`, which must stay in the document. */
const DRAWING = words(`
  accent accentunder accent-height accumulate additive alignment-baseline amplitude attributename
  attributetype azimuth basefrequency baseline-shift begin bias by calcmode clip clip-path clippathunits
  clip-rule color-interpolation color-interpolation-filters columnalign columnlines columnspacing
  columnspan cx cy d depth diffuseconstant direction display displaystyle divisor dominant-baseline dur dx
  dy edgemode elevation end equalcolumns equalrows exponent fence fill fill-opacity fill-rule filter
  filterunits flood-color flood-opacity font-family font-size font-size-adjust font-stretch font-style
  font-variant font-weight form framespacing from fx fy gradienttransform gradientunits in in2 intercept
  k1 k2 k3 k4 kernelmatrix kernelunitlength keypoints keysplines keytimes largeop lengthadjust
  letter-spacing lighting-color limitingconeangle linethickness lspace marker-end marker-mid marker-start
  markerheight markerunits markerwidth mask maskcontentunits maskunits mathbackground mathcolor mathsize
  mathvariant maxsize minsize mode movablelimits notation numoctaves offset opacity operator order orient
  origin overflow paint-order path pathlength patterncontentunits patterntransform patternunits points
  pointsatx pointsaty pointsatz preservealpha preserveaspectratio primitiveunits r radius refx refy
  repeatcount repeatdur restart result rotate rowalign rowlines rowspacing rspace rx ry scale
  scriptlevel seed separator shape-rendering slope specularconstant specularexponent spreadmethod
  startoffset stddeviation stitchtiles stop-color stop-opacity stretchy stroke stroke-dasharray
  stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width
  surfacescale symmetric systemlanguage tablevalues targetx targety text-anchor text-decoration
  text-rendering textlength to transform transform-origin unicode-bidi values vector-effect version
  viewbox visibility voffset word-spacing writing-mode x x1 x2 xchannelselector y y1 y2
  ychannelselector z zoomandpan`)

const ARIA = /^aria-[a-z]+$/
/** In each of them a browser reads CSS, escapes included. */
const LOCAL_PAINT = /^\s*url\(\s*(?:#[^"'()\\]*|"#[^"'()\\]*"\s*|'#[^"'()\\]*'\s*)\)[^(\\]*$/i
const MAY_LEAD_AWAY = /\\|url|src|image/i

/** A browser fills in what it has kept for the gateway, and styles can tell by `:valid` what that is. */
const PASSWORD = /^\s*password\s*$/i

/** Where readers type or choose. */
const FIELDS = words('input textarea select')
const JUDGES = words('max maxlength min minlength pattern required step')
/** In these anything that is typed is `:valid`. */
const UNJUDGED_TYPES = words(
  'button checkbox hidden image radio range reset search submit tel text',
)

/** True where styles could tell by the attribute what was typed: whether it fits decides what they load. */
export function judgesTyping(element: string, name: string, value: string): boolean {
  if (!FIELDS.has(element)) return false
  return JUDGES.has(name) || (name === 'type' && !UNJUDGED_TYPES.has(value.trim().toLowerCase()))
}

/** True where an attribute that leads nowhere may stay. */
export function isHarmless(name: string, value: string): boolean {
  if (name === 'type' && PASSWORD.test(value)) return false
  if (INERT.has(name) || ARIA.test(name)) return true
  return DRAWING.has(name) && (!MAY_LEAD_AWAY.test(value) || LOCAL_PAINT.test(value))
}

/** Elements without content and without a closing tag, in HTML. */
export const VOID_ELEMENTS = words(
  'area base br col embed hr img input link meta param source track wbr',
)

function hrefs(kind: LinkKind): Links {
  return new Map([
    ['href', kind],
    ['xlink:href', kind],
  ])
}

function named(elements: string, links: Map<string, LinkKind> | Links): [string, Links][] {
  return elements.split(' ').map((element) => [element, links])
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/))
}
