/**
 * `/outside?to=…`: where links out of the network lead. It shows the address as text and goes nowhere by
 * itself: whoever follows it does so knowing that the other side will see them.
 * @module
 */
import type { RequestHandler } from 'express'

import { parseUri } from '../../keys/uri.ts'
import { COLORS, escapeHtml, generatedPagePolicy, pageStart } from '../html.ts'
import { methodError } from '../problem.ts'
import { pathOf } from '../redirect.ts'
import { badQuery, queryOf, rawPath, textOf } from '../target.ts'
import { isKeyAttempt } from './key-path.ts'
import { OUTSIDE_PATH } from './link-rules.ts'
import type { Sites } from './sites.ts'

const STYLE = `${COLORS}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}
main{max-width:40rem;border-left:3px solid var(--warn);padding:.25rem 0 .25rem 1.5rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;font-weight:650}
p{margin:0 0 1rem}
code{display:block;margin:0 0 1rem;padding:.75rem 1rem;border:1px solid var(--line);background:var(--card);overflow-wrap:anywhere;user-select:all}
a{color:var(--sea);font-weight:600}`
const POLICY = generatedPagePolicy(STYLE)

/** Serves the page; passes on all other paths. */
export function createOutsideRoute(sites: Sites): RequestHandler {
  return (request, response, next) => {
    if (rawPath(request) !== OUTSIDE_PATH) {
      next()
      return
    }
    if (!['GET', 'HEAD'].includes(request.method)) throw methodError(response, 'GET, HEAD')
    const to = textOf(queryOf(request), 'to')
    if (to === undefined) throw badQuery('to', 'is an address')
    const page = isKeyAttempt(to)
      ? siteCrossing(`${sites.mainOrigin(request)}${pathOf(parseUri(to.slice(1)))}`, to)
      : warning(to)
    const body = Buffer.from(page)
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': body.length,
      'Content-Security-Policy': POLICY,
      'Cache-Control': 'no-store',
    })
    response.end(body)
  }
}

function warning(to: string): string {
  return pageOf(
    'This link leads outside',
    `<p>The page you came from links to an address outside of the network:</p>
<code>${escapeHtml(to)}</code>
<p>Nothing was fetched. Whoever is there sees your network address, and may learn which page you read. To go there all the same, copy the address into another browser.</p>`,
  )
}

function siteCrossing(link: string, to: string): string {
  return pageOf(
    'This link leads to another site',
    `<p>The page you came from runs scripts, and may have chosen this key to tell something by it:</p>
<code>${escapeHtml(to)}</code>
<p><a href="${escapeHtml(link)}">Open the other site</a></p>`,
  )
}

function pageOf(heading: string, content: string): string {
  return `${pageStart(heading, STYLE)}<main>
<h1>${heading}</h1>
${content}
</main>
</body>
</html>
`
}
