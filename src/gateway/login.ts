/**
 * The door of a gateway with a token: who brings neither token nor login gets a page to log in on, or
 * as a program a 401. The token goes over in the body of a POST, never in an address.
 * @module
 */
import type { Request, RequestHandler, Response } from 'express'

import { ShoalError } from '../errors.ts'
import { checkOrigin } from './access.ts'
import { COLORS, escapeHtml, generatedPagePolicy, pageStart } from './html.ts'
import { methodError } from './problem.ts'
import { sendRedirect } from './redirect.ts'
import { shortText } from './short-text.ts'
import { rawPath } from './target.ts'
import type { TokenGate } from './token.ts'

const LOGIN_PATH = '/login'
/** Longest body of a login, bytes: a token, and where the browser wanted to go. */
const MAX_BODY_BYTES = 32_768

const STYLE = `${COLORS}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}
main{width:100%;max-width:26rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25}
label,input,button{display:block;width:100%;font:inherit}
input,button{margin:.35rem 0 1rem;padding:.55rem .7rem;border:1px solid var(--line);border-radius:.3rem;background:var(--card);color:var(--ink)}
button{border-color:var(--sea);background:var(--sea);color:var(--paper);font-weight:600;cursor:pointer}
.warning{color:var(--warn)}`

/** The page may send its form to this gateway, and do nothing else. */
const POLICY = generatedPagePolicy(STYLE).replace("form-action 'none'", "form-action 'self'")

/** Lets through what brings the token or a login. @throws ShoalError E_TOKEN */
export function createDoor(gate: TokenGate): RequestHandler {
  return async (request, response, next) => {
    const isLogin = rawPath(request) === LOGIN_PATH
    if (isLogin && request.method === 'POST') {
      checkOrigin(request, response, () => {})
      await logIn(gate, request, response)
    } else if (isLogin && !['GET', 'HEAD'].includes(request.method)) {
      throw methodError(response, 'GET, HEAD, POST')
    } else if (isLogin) {
      sendPage(response, { status: 200, next: '/', isWrong: false })
    } else if (gate.admits(request)) {
      next()
    } else if (wantsPage(request)) {
      sendPage(response, { status: 401, next: request.originalUrl, isWrong: false })
    } else {
      response.setHeader('WWW-Authenticate', 'Bearer realm="shoal"')
      throw new ShoalError('E_TOKEN', 'This gateway asks for its token.')
    }
  }
}

async function logIn(gate: TokenGate, request: Request, response: Response): Promise<void> {
  const tooLong = new ShoalError('E_REQUEST', 'This is too long for a login.')
  const form = new URLSearchParams(await shortText(request, { maxBytes: MAX_BODY_BYTES, tooLong }))
  const next = pathIn(form.get('next') ?? '')
  if (!gate.accepts((form.get('token') ?? '').trim())) {
    sendPage(response, { status: 401, next, isWrong: true })
    return
  }
  // the TLS may be that of a proxy
  const isSecure = request.secure || request.headers.origin?.startsWith('https:') === true
  response.setHeader('Set-Cookie', gate.cookie({ isSecure }))
  sendRedirect(response, 303, { Location: next, 'Cache-Control': 'no-store' })
}

/** A path of this gateway: browsers read `//host` and `/\host` as another one. */
function pathIn(next: string): string {
  return /^\/(?![/\\])[\u0021-\u007e]*$/.test(next) && !next.includes('\\') ? next : '/'
}

function wantsPage(request: Request): boolean {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const isApi = request.originalUrl.startsWith('/api/')
  return isRead && !isApi && (request.headers.accept ?? '').includes('text/html')
}

function sendPage(
  response: Response,
  { status, next, isWrong }: { status: number; next: string; isWrong: boolean },
): void {
  const warning = isWrong ? '<p class="warning" role="alert">That was not the token.</p>\n' : ''
  // the title names no key: it stays in the history
  const body = Buffer.from(`${pageStart('Log in', STYLE)}<main>
<h1>Log in to this gateway</h1>
${warning}<form method="post" action="${LOGIN_PATH}">
<input type="hidden" name="next" value="${escapeHtml(pathIn(next))}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
</form>
<p>The operator of the gateway has the token. A login holds for 30 days.</p>
</main>
</body>
</html>
`)
  response.writeHead(status, {
    'Content-Security-Policy': POLICY,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    // without a referrer the form would come from the origin null
    'Referrer-Policy': 'same-origin',
    ...(status === 401 && { 'WWW-Authenticate': 'Bearer realm="shoal"' }),
  })
  response.end(body)
}
