/**
 * A folder without an `index.html`, as a page for people and as JSON for programs. Both are made line
 * by line while the entries come: a folder of 100,000 files is never whole in memory. The names are
 * anybody's: they are text and nothing else.
 * @module
 */
import type { Path } from '../keys/uri.ts'
import type { FolderEntry } from '../node.ts'
import { COLORS, escapeHtml, generatedPagePolicy, pageStart } from './html.ts'

/** Which folder is listed. */
export interface ListedFolder {
  /** What people call the document. */
  readonly title: string
  /** From the document to the folder, with the slash at its end. */
  readonly path: Path
  /** It lies under a word that anyone may write to. */
  readonly isWord: boolean
}

const STYLE = `${COLORS}
body{max-width:60rem;margin:0 auto;padding:clamp(1rem,4vw,2.5rem) clamp(1rem,4vw,2rem);background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}
a{color:var(--sea)}
a:focus-visible{outline:2px solid var(--sea);outline-offset:2px}
nav{margin-bottom:.4rem;color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}
nav ol{display:flex;flex-wrap:wrap;gap:.1rem .4rem;margin:0;padding:0;list-style:none}
nav li+li::before{content:"/";margin-right:.4rem}
h1{margin:0 0 1.25rem;font-size:1.6rem;line-height:1.25;font-weight:650;letter-spacing:-.02em;overflow-wrap:anywhere}
table{width:100%;table-layout:fixed;border-collapse:collapse;border:1px solid var(--line);background:var(--card)}
th,td{padding:.45rem .9rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline;overflow-wrap:anywhere}
thead th{color:var(--soft);font-size:.8rem;font-weight:600}
tbody th{font-weight:400}
tbody tr:hover{background:var(--paper)}
tbody a{text-decoration:none}
tbody a:hover{text-decoration:underline}
.folder a{font-weight:600}
.size{width:7.5rem;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.size,tfoot td{color:var(--soft)}
tfoot td{border:0;font-size:.9rem}
.warning{margin:0 0 1.25rem;padding:.1rem 0 .1rem .9rem;border-left:3px solid var(--warn)}
@media(max-width:30rem){th,td{padding:.45rem .6rem}.size{width:6.75rem}}`

/** Content-Security-Policy of the page. */
export const LISTING_POLICY = generatedPagePolicy(STYLE)
/** Part of the pages' tags: raised when they change, so that old ones are fetched again. */
export const LISTING_VERSION = 1

/** Kept: making one a line would take most of the time of a large folder. */
const NUMBERS = new Intl.NumberFormat('en')
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** The page, in pieces. Throws what `entries` throws. */
export async function* listingPage(
  folder: ListedFolder,
  entries: AsyncIterable<FolderEntry>,
): AsyncGenerator<string, void> {
  yield pageHead(folder)
  const count = { file: 0, folder: 0, bytes: 0 }
  for await (const entry of entries) {
    count[entry.type]++
    count.bytes += entry.size
    yield pageRow(entry)
  }
  yield pageFoot(count)
}

/** `{"name":…,"entries":[…]}`, one entry a line. Throws what `entries` throws. */
export async function* listingJson(
  folder: ListedFolder,
  entries: AsyncIterable<FolderEntry>,
): AsyncGenerator<string, void> {
  yield `{"name":${JSON.stringify(nameOf(folder))},"entries":[`
  let separator = '\n'
  for await (const { name, type, size } of entries) {
    yield separator + JSON.stringify({ name, type, size })
    separator = ',\n'
  }
  yield '\n]}\n'
}

/** A size as people read it: three digits at most, binary units. */
export function sizeText(bytes: number): string {
  if (bytes === 1) return '1 byte'
  let unit = 0
  let value = bytes
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`
}

function pageHead(folder: ListedFolder): string {
  const name = escapeHtml(nameOf(folder))
  const warning = folder.isWord
    ? '<p class="warning"><strong>Anyone may write to this word.</strong> What is listed here may come from somebody else than you think.</p>\n'
    : ''
  const parent = folder.path.length > 1 ? row('folder', '../', 'Parent folder', '') : ''
  return `${pageStart(nameOf(folder), STYLE)}<nav aria-label="Path"><ol>${crumbs(folder)}</ol></nav>
<main>
<h1><bdi>${name}</bdi></h1>
${warning}<table>
<thead><tr><th scope="col">Name</th><th scope="col" class="size">Size</th></tr></thead>
<tbody>
${parent}`
}

/** From the start page down to the folder above this one. */
function crumbs({ title, path }: ListedFolder): string {
  const names = [title, ...path.slice(0, -1)]
  const above = names.slice(0, -1).map((name, i) => {
    const up = '../'.repeat(names.length - 1 - i)
    return `<li><a href="${up}"><bdi>${escapeHtml(name)}</bdi></a></li>`
  })
  const here = `<li aria-current="page"><bdi>${escapeHtml(names.at(-1) ?? '')}</bdi></li>`
  return ['<li><a href="/">shoal</a></li>', ...above, here].join('')
}

function pageRow({ name, type, size }: FolderEntry): string {
  const slash = type === 'folder' ? '/' : ''
  const exact = `${NUMBERS.format(size)} byte${size === 1 ? '' : 's'}`
  const shown = `<data value="${size}" title="${exact}">${sizeText(size)}</data>`
  const text = `<bdi>${escapeHtml(name)}</bdi>${slash}`
  return row(type, `${encodeURIComponent(name)}${slash}`, text, shown)
}

/** `href` and `text` are markup already. */
function row(type: FolderEntry['type'], href: string, text: string, size: string): string {
  const kind = type === 'folder' ? ' class="folder"' : ''
  return `<tr${kind}><th scope="row"><a href="${escapeHtml(href)}">${text}</a></th><td class="size">${size}</td></tr>\n`
}

function pageFoot(count: { file: number; folder: number; bytes: number }): string {
  const parts = [
    ...(count.folder > 0 ? [counted(count.folder, 'folder')] : []),
    ...(count.file > 0 || count.folder === 0 ? [counted(count.file, 'file')] : []),
  ]
  return `</tbody>
<tfoot><tr><td>${parts.join(', ')}</td><td class="size">${sizeText(count.bytes)}</td></tr></tfoot>
</table>
</main>
</body>
</html>
`
}

function counted(count: number, noun: string): string {
  return `${NUMBERS.format(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** The folder's own name. */
function nameOf({ title, path }: ListedFolder): string {
  return path.at(-2) ?? title
}
