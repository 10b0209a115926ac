/**
 * The page that a browser gets in place of content: what happened, what to do next.
 * @module
 */
import type { ErrorCode } from '../errors.ts'
import { COLORS, escapeHtml, generatedPagePolicy, pageStart } from './html.ts'

/** What a client is told of an error: the members of RFC 9457, and ours. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  /** Path of the site's own page, where a path in it does not exist. */
  readonly site?: string
}

/** What an error means to a person, and what to do next. */
export interface Advice {
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
  E_TOKEN: {
    heading: 'This gateway asks who you are',
    next: 'Log in with the token that its operator gave you.',
  },
  E_DENIED: {
    heading: 'This gateway does not serve that',
    next: 'Its operator has been told not to, or does not want to. A node of your own asks the network itself.',
  },
  E_ROUTE: {
    heading: 'There is nothing here',
    next: 'Keys begin with CHK@, SSK@, USK@, KSK@ or urn:eris: and can be pasted on the start page.',
  },
  E_NOT_FOUND: {
    heading: 'Nobody has this right now',
    next: 'The key itself is well formed. Those who have the content may be switched off: try again later, or ask whoever gave you the key to insert it once more.',
    again: true,
  },
  E_NO_PEERS: {
    heading: 'Not connected to anyone yet',
    next: 'Peers come a few seconds after the start, later behind a strict firewall. What this node inserted itself can be opened meanwhile.',
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
  E_CONDITION: {
    heading: 'There is another version',
    next: 'What is here is not the version that was asked for. Reload without conditions.',
  },
  E_NOT_LOCAL: {
    heading: 'Not on this node',
    next: 'The request allowed no question to the network. Open the address again without that.',
    again: true,
  },
  E_RANGE: { heading: 'That part does not exist', next: 'The content is shorter than that.' },
  E_NO_PATH: {
    heading: 'The site has no such page',
    next: 'The site itself was found. The link may be old or misspelled.',
  },
  E_NAME: {
    heading: 'That cannot be a name',
    next: 'Names have 1 to 255 bytes, no slashes, and do not look like an edition.',
  },
  E_FOLDER: {
    heading: 'This folder cannot be inserted as it is',
    next: 'Nothing of it was kept. Change what is named above, then try again.',
  },
  E_KEY: {
    heading: 'This is not an exported key',
    next: 'Copy the text again, from its first letter to its last.',
  },
  E_NO_KEY: {
    heading: 'There is no such key',
    next: '“shoal key list” shows the keys that this node holds.',
  },
  E_EXISTS: { heading: 'The name is taken', next: 'Take another name, or remove the old key.' },
  E_COLLISION: {
    heading: 'Somebody was here first',
    next: 'What is under this name already cannot be replaced. Take another name, or the next edition.',
  },
  E_FADED: {
    heading: 'Parts of it are gone from the network',
    next: 'Nothing was published. Publish again: this time everything is sent.',
  },
  E_BUSY: { heading: 'Too much at once', next: 'Wait until others are done.', again: true },
  E_CLOSED: { heading: 'The node is stopping', next: 'Start it again, then reload this page.' },
}
const OTHER: Advice = {
  heading: 'That did not work',
  next: 'The node goes on running; its log may say more.',
  again: true,
}

const STYLE = `${COLORS}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}
main{max-width:34rem;border-left:3px solid var(--sea);padding:.25rem 0 .25rem 1.5rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;font-weight:650}
p{margin:0 0 1rem;overflow-wrap:anywhere}
.detail{color:var(--soft)}
nav a{display:inline-block;margin:0 1.25rem .5rem 0;color:var(--sea);font-weight:600}
small{color:var(--soft)}`

/** Content-Security-Policy of the page. */
export const ERROR_PAGE_POLICY = generatedPagePolicy(STYLE)

/** The words for an error. */
export function adviceOf({ code }: Pick<Problem, 'code'>): Advice {
  return ADVICE[code] ?? OTHER
}

/** The whole page, HTML. */
export function errorPage(problem: Problem): string {
  const advice = adviceOf(problem)
  const links = [
    ...(advice.again ? ['<a href="">Try again</a>'] : []),
    ...(problem.site === undefined
      ? []
      : [`<a href="${escapeHtml(problem.site)}">Front page of the site</a>`]),
    '<a href="/">Start page</a>',
  ]
  return `${pageStart(advice.heading, STYLE)}<main>
<h1>${escapeHtml(advice.heading)}</h1>
<p class="detail">${escapeHtml(problem.detail)}</p>
<p>${escapeHtml(advice.next)}</p>
<nav>${links.join('')}</nav>
<small>${problem.status} ${escapeHtml(problem.title)} · ${problem.code}</small>
</main>
</body>
</html>
`
}
