/**
 * The page that a browser gets while content is on its way: it lives by its script, which follows the wait,
 * and without scripts by asking again.
 * @module
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { COLORS, escapeHtml, hashSource, pageStart } from '../html.ts'
import { findStaticDir } from '../start-page.ts'
import type { WaitView } from './wait-view.ts'

/** How often a browser without scripts asks again, s. */
const REFRESH_S = 3

const STYLE = `${COLORS}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}
main{width:100%;max-width:34rem;border-left:3px solid var(--sea);padding:.25rem 0 .25rem 1.5rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;font-weight:650}
p{margin:0 0 1rem;overflow-wrap:anywhere}
progress{display:block;width:100%;height:.5rem;margin:0 0 1rem;border:0;border-radius:.25rem;overflow:hidden;background:var(--line);appearance:none}
progress::-webkit-progress-bar{background:var(--line)}
progress::-webkit-progress-value{background:var(--sea)}
progress::-moz-progress-bar{background:var(--sea)}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:0 0 1.25rem}
dt{color:var(--soft);font-size:.8rem}
dd{margin:0;min-width:4.5rem;font-variant-numeric:tabular-nums}
button{margin:0 .75rem .75rem 0;padding:.5rem 1rem;border:1px solid var(--line);border-radius:.5rem;background:var(--card);color:var(--sea);font:inherit;font-weight:600;cursor:pointer}
button:hover{border-color:var(--sea)}
:focus-visible{outline:2px solid var(--sea);outline-offset:2px}
[hidden]{display:none}
a{color:var(--sea);font-weight:600}
.soft{color:var(--soft);font-size:.9rem}`

/** In the page, as the origins of sites have no other files of ours. */
const SCRIPT = readFileSync(join(findStaticDir(), 'waiting.js'), 'utf8')

/** Content-Security-Policy of the page: its own style and script, by hash, and the events of its gateway. */
export const WAITING_PAGE_POLICY = [
  "default-src 'none'",
  `style-src ${hashSource(STYLE)}`,
  `script-src ${hashSource(SCRIPT)}`,
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const REFRESH = `<noscript><meta http-equiv="refresh" content="${REFRESH_S}"></noscript>\n`

/** The whole page, HTML, as the wait stands. */
export function waitingPage(id: string, view: WaitView): string {
  const { heading, detail, facts, elapsedMs, leftMs, isKept } = view
  const rows = facts.map(
    ([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  )
  return `${pageStart(heading, STYLE, REFRESH)}<main data-wait="${escapeHtml(id)}">
<h1>${escapeHtml(heading)}</h1>
<p id="detail" role="status">${escapeHtml(detail)}</p>
<progress max="${elapsedMs + leftMs}" value="${elapsedMs}" aria-label="Time used"></progress>
<dl>${rows.join('')}</dl>
<p id="kept" class="soft"${isKept ? '' : ' hidden'}>You may close this page: the node goes on for up to 24 hours, and its start page tells.</p>
<p id="actions" hidden><button id="keep" type="button">Keep trying in the background</button><button id="stop" type="button">Stop</button><button id="again" type="button" hidden>Try again</button></p>
<noscript><p class="soft">This page asks again every ${REFRESH_S} seconds, and is replaced when it is here.</p></noscript>
<p id="trouble" class="soft" role="alert"></p>
<a href="/">Start page</a>
</main>
<script type="module">${SCRIPT}</script>
</body>
</html>
`
}
