/**
 * The token of a gateway that others can reach: programs send it as a bearer, browsers once, and then a
 * cookie that it has signed. Its length keeps it from being guessed, not a brake on tries: one that the right
 * token passes slows nobody who guesses, and one that it does not pass lets whoever shares an address with
 * others (a proxy's clients, the users of a machine) lock them out.
 * @module
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

import type { Request } from 'express'

import { ShoalError } from '../errors.ts'

/** Least length of a token, characters: 128 bits of base64url. */
const MIN_TOKEN_LENGTH = 22
/** How long a login holds, s: 30 days. */
export const LOGIN_S = 30 * 24 * 3600
const COOKIE = 'shoal-login'
export interface TokenClock {
  /** Milliseconds since 1970. */
  wallNow(): number
}

const realClock: TokenClock = { wallNow: () => Date.now() }

export class TokenGate {
  #secrets: Secrets
  readonly #clock: TokenClock

  /** @throws ShoalError E_OPTION for a token that is too short. */
  constructor(token: string, clock: TokenClock = realClock) {
    this.#secrets = secretsOf(token)
    this.#clock = clock
  }

  /** Asks for another token from now on; all logins with the old one end. @throws as the constructor. */
  replace(token: string): void {
    this.#secrets = secretsOf(token)
  }

  /** Whether the request brings the token or a login. */
  admits({ headers }: Pick<Request, 'headers'>): boolean {
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    if (bearer !== undefined) return this.accepts(bearer)
    return cookiesIn(headers.cookie).some((value) => this.#isLogin(value))
  }

  /** Whether `token` is right. */
  accepts(token: string): boolean {
    return timingSafeEqual(digestOf(token), this.#secrets.digest)
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
