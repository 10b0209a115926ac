/**
 * The token of a gateway that others can reach: programs send it as a bearer, browsers once, and then a
 * cookie that it has signed. Wrong tokens are braked for each client.
 * @module
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

import type { Request } from 'express'

import { ShoalError } from '../errors.ts'
import { systemClock, type Clock } from '../runtime.ts'
import { clientOf, ClientTable } from './client-table.ts'

/** Least length of a token, characters: 128 bits of base64url. */
const MIN_TOKEN_LENGTH = 22
/** How long a login holds, s: 30 days. */
export const LOGIN_S = 30 * 24 * 3600
const COOKIE = 'shoal-login'
/** Wrong tokens that cost nothing: people mistype. */
const FREE_TRIES = 5
/** Wait after the first one beyond them, ms; it doubles, up to the most. */
const FIRST_WAIT_MS = 1000
const MOST_WAIT_MS = 15 * 60_000

interface Wrong {
  readonly tries: number
  readonly untilMs: number
}

export interface TokenClock extends Pick<Clock, 'now'> {
  /** Milliseconds since 1970. */
  wallNow(): number
}

const realClock: TokenClock = { now: () => systemClock.now(), wallNow: () => Date.now() }

export class TokenGate {
  #secrets: Secrets
  readonly #clock: TokenClock
  readonly #wrong = new ClientTable<Wrong>()

  /** @throws ShoalError E_OPTION for a token that is too short. */
  constructor(token: string, clock: TokenClock = realClock) {
    this.#secrets = secretsOf(token)
    this.#clock = clock
  }

  /** Asks for another token from now on; all logins with the old one end. @throws as the constructor. */
  replace(token: string): void {
    this.#secrets = secretsOf(token)
  }

  /**
   * Whether the request brings the token or a login. A wrong bearer counts as a try.
   * @throws ShoalError E_BUSY where the client has tried too often.
   */
  admits(request: Request): boolean {
    const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (bearer !== undefined) return this.accepts(bearer, request)
    const values = cookiesIn(request.headers.cookie)
    return values.some((value) => this.#isLogin(value))
  }

  /** Whether `token` is right. @throws ShoalError E_BUSY where the client has tried too often. */
  accepts(token: string, request: Request): boolean {
    const client = clientOf(request)
    const wrong = this.#wrong.get(client) ?? { tries: 0, untilMs: 0 }
    const nowMs = this.#clock.now()
    if (nowMs < wrong.untilMs) {
      const seconds = Math.ceil((wrong.untilMs - nowMs) / 1000)
      throw new ShoalError('E_BUSY', `Too many wrong tokens: wait ${seconds} s.`)
    }
    if (timingSafeEqual(digestOf(token), this.#secrets.digest)) {
      this.#wrong.delete(client)
      return true
    }
    const tries = wrong.tries + 1
    const over = tries - FREE_TRIES
    const waitMs = over < 0 ? 0 : Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** over)
    this.#wrong.set(client, { tries, untilMs: nowMs + waitMs })
    return false
  }

  /** `Set-Cookie` of a new login. */
  cookie({ isSecure }: { readonly isSecure: boolean }): string {
    const end = Math.floor(this.#clock.wallNow() / 1000) + LOGIN_S
    const value = `${end}.${this.#signature(end)}`
    const secure = isSecure ? '; Secure' : ''
    return `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${LOGIN_S}${secure}`
  }

  #isLogin(value: string): boolean {
    const [, end = '', signature = ''] = /^(\d{1,12})\.([\w-]{43})$/.exec(value) ?? []
    if (end === '') return false
    const isSigned = timingSafeEqual(digestOf(signature), digestOf(this.#signature(Number(end))))
    return isSigned && Number(end) * 1000 > this.#clock.wallNow()
  }

  #signature(end: number): string {
    return createHmac('sha256', this.#secrets.signingKey).update(String(end)).digest('base64url')
  }
}

interface Secrets {
  readonly digest: Buffer
  /** Of the token, so that logins live through a restart, and end when it changes. */
  readonly signingKey: Buffer
}

function secretsOf(token: string): Secrets {
  if (token.length < MIN_TOKEN_LENGTH) {
    throw new ShoalError('E_OPTION', `token: it needs ${MIN_TOKEN_LENGTH} characters or more`)
  }
  const signingKey = createHmac('sha256', token).update('shoal/login/1').digest()
  return { digest: digestOf(token), signingKey }
}

/** Of equal length whatever the text, so that comparing takes the same time. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function cookiesIn(header: string | undefined): readonly string[] {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim())
  return pairs.flatMap((pair) =>
    pair.startsWith(`${COOKIE}=`) ? [pair.slice(COOKIE.length + 1)] : [],
  )
}
