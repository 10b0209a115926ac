/**
 * The page that a browser gets in place of content: what happened, what to do next. It needs no other
 * file, and nothing of the request is repeated in it.
 * @module
 */
import { createHash } from 'node:crypto'

import type { ErrorCode } from '../errors.ts'

/** What a client is told of an error: the members of RFC 9457, and our code. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
}

interface Advice {
  readonly heading: string
  readonly next: string
  /** Whether to offer the same address again. */
  readonly again?: true
}

const ADVICE: { readonly [code in Problem['code']]?: Advice } = {
  E_URI: {
    heading: 'This key is not complete',
    next: 'Copy the key again, from its first letter to its last. Nothing was asked of the network.',
  },
  E_QUERY: {
    heading: 'This address has a wrong part',
    next: 'Change the part after the question mark, or leave it out.',
  },
  E_ACCESS: {
    heading: 'Not from here',
    next: 'Open the gateway by its own address, http://127.0.0.1 and its port.',
  },
  E_ROUTE: {
    heading: 'There is nothing here',
    next: 'Keys begin with CHK@ or urn:eris: and can be pasted on the start page.',
  },
  E_NOT_FOUND: {
    heading: 'Nobody has this right now',
    next: 'The key itself is well formed. Those who have the content may be switched off: try again later, or ask whoever gave you the key to insert it once more.',
    again: true,
  },
  E_NO_PEERS: {
    heading: 'Not connected to anyone yet',
    next: 'The node is looking for peers. That takes a few seconds after the start, longer behind a strict firewall.',
    again: true,
  },
  E_TIMEOUT: {
    heading: 'It did not come in time',
    next: 'Someone may still have it. Try again: each try takes other paths. To wait longer, add ?timeout=60 to the address.',
    again: true,
  },
  E_DECODE: {
    heading: 'This content is damaged',
    next: 'What the network has under this key cannot be opened with it. Nothing was let through; another key is needed.',
  },
  E_RANGE: { heading: 'That part does not exist', next: 'The content is shorter than that.' },
  E_NOT_IMPLEMENTED: {
    heading: 'Not yet',
    next: 'Keys that begin with CHK@ and urn:eris: work today.',
  },
  E_BUSY: { heading: 'Too much at once', next: 'Wait until others are done.', again: true },
  E_CLOSED: { heading: 'The node is stopping', next: 'Start it again, then reload this page.' },
}
const OTHER: Advice = {
  heading: 'That did not work',
  next: 'The node goes on running; its log may say more.',
  again: true,
}

const STYLE = `:root{color-scheme:light dark;--paper:#f6f8f9;--ink:#16232c;--soft:#566873;--line:#d5dde1;--sea:#0b6477}
@media(prefers-color-scheme:dark){:root{--paper:#0f171c;--ink:#e4ecef;--soft:#97a8b1;--line:#2a3841;--sea:#6cc5d6}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}
main{max-width:34rem;border-left:3px solid var(--sea);padding:.25rem 0 .25rem 1.5rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;font-weight:650}
p{margin:0 0 1rem;overflow-wrap:anywhere}
.detail{color:var(--soft)}
nav a{display:inline-block;margin:0 1.25rem .5rem 0;color:var(--sea);font-weight:600}
small{color:var(--soft)}`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/** Content-Security-Policy of the page: its own style, by hash, and nothing else. */
export const ERROR_PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The whole page, HTML. */
export function errorPage(problem: Problem): string {
  const advice = ADVICE[problem.code] ?? OTHER
  const again = advice.again ? '<a href="">Try again</a>' : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(advice.heading)} – shoal</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(advice.heading)}</h1>
<p class="detail">${escapeHtml(problem.detail)}</p>
<p>${escapeHtml(advice.next)}</p>
<nav>${again}<a href="/">Start page</a></nav>
<small>${problem.status} ${escapeHtml(problem.title)} · ${problem.code}</small>
</main>
</body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
