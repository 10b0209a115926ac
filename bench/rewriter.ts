/**
 * Pages written anew for a browser: an ordinary one, and hostile ones of the same size.
 * `npm run bench:rewriter -- [MB] [rounds]`
 *
 * `MBps` is by the clock, `perCpuSecond` by the processor time of this process, which other programs on
 * the machine disturb less.
 * @module
 */
import { rewriteContent } from '../src/gateway/safe/rewrite-content.ts'
import { median, report } from './processes.ts'

const MB = 1e6
const bytes = Number(process.argv[2] ?? 30) * MB
const rounds = Number(process.argv[3] ?? 5)
const PIECE_BYTES = 32 * 1024

const ARTICLE = `<div class="post" id="p1" data-x="y"><h2><a href="articles/1.html?x=1&amp;y=2" title="Article">Article</a></h2>
<p>It follows an old model, and repairs what others got wrong: slow &amp; all-or-nothing downloads, content that vanishes
when nobody reads it, <em>readers</em> who can be told from relays, poisoned files and <code>indexes</code>, floods.</p>
<img src="../pictures/1.jpg" alt="A picture" width=320 height=200><ul><li>one</li><li>two <b>bold</b></li></ul></div>
`
const PAGES: { readonly [name: string]: Buffer } = {
  ordinary: repeated('<!doctype html><title>t</title>', ARTICLE),
  'nested elements': repeated('', '<div>'),
  'nested drawings': repeated('', '<svg><g>'),
  'many attributes': repeated('<p ', 'a=b '),
  'one attribute': repeated('<p title="', 'a'),
  'one comment': repeated('<!--', 'a'),
  entities: repeated('', '&amp;&lt;&nbsp;'),
  'no tags': repeated('', '<'),
}

function repeated(start: string, unit: string): Buffer {
  return Buffer.concat([Buffer.from(start), Buffer.alloc(bytes, unit)])
}

async function* pieces(page: Buffer): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < page.length; at += PIECE_BYTES) yield page.subarray(at, at + PIECE_BYTES)
}

interface Measured {
  readonly MBps: number
  readonly perCpuSecond: number
  /** Share of the page that was read when the first output came; undefined: there was none. */
  readonly readBeforeOutput: number | undefined
}

async function measure(page: Buffer): Promise<Measured> {
  let readBytes = 0
  let firstAtBytes: number | undefined
  async function* counted(): AsyncGenerator<Uint8Array, void> {
    for await (const piece of pieces(page)) {
      readBytes += piece.length
      yield piece
    }
  }
  const startMs = performance.now()
  const startCpu = process.cpuUsage()
  const options = { syntax: 'html', areScriptsAllowed: false, contentType: 'text/html' } as const
  for await (const text of rewriteContent({ ...options, bytes: counted() })) {
    if (text !== '') firstAtBytes ??= readBytes
  }
  const { user, system } = process.cpuUsage(startCpu)
  return {
    MBps: page.length / 1e3 / (performance.now() - startMs),
    perCpuSecond: page.length / (user + system),
    readBeforeOutput: firstAtBytes === undefined ? undefined : firstAtBytes / page.length,
  }
}

await measure(PAGES['ordinary'] ?? Buffer.alloc(0))
for (const [page, content] of Object.entries(PAGES)) {
  const measured: Measured[] = []
  for (let round = 0; round < rounds; round++) measured.push(await measure(content))
  report({
    bench: 'rewriter',
    page,
    bytes: content.length,
    MBps: median(measured.map(({ MBps }) => MBps)),
    perCpuSecond: median(measured.map(({ perCpuSecond }) => perCpuSecond)),
    readBeforeOutput: measured[0]?.readBeforeOutput,
    rssBytes: process.memoryUsage().rss,
    ...(page === 'ordinary' && { target: 30 }),
  })
}
