/**
 * Which origin a request came to, and what it may have there: the main origin has the control pages, the
 * API and keys for programs; an origin of a site has that site, and what a page of it may show of others.
 * @module
 */
import { randomBytes } from 'node:crypto'

import type { Request, RequestHandler } from 'express'

import { ShoalError } from '../../errors.ts'
import type { ShoalUri } from '../../keys/uri.ts'
import { parseUri } from '../../keys/uri.ts'
import { bracketed } from '../access.ts'
import { isLoopback } from '../client-table.ts'
import { isInert, servedType } from '../media-type.ts'
import { methodError } from '../problem.ts'
import { sendRedirect } from '../redirect.ts'
import { rawPath, rawQuery } from '../target.ts'
import { isKeyAttempt } from './key-path.ts'
import { OUTSIDE_PATH } from './link-rules.ts'
import { OpenEditions } from './open-editions.ts'
import { PERMISSIONS } from './policy.ts'
import { ScriptPermissions } from './script-permission.ts'
import { labelOfHost, siteLabel } from './site-label.ts'

/** What a page may show of another site: what a browser takes for these it does not run or read. */
const SHOWN = new Set(['image', 'audio', 'video', 'font', 'style', 'track'])
const FRAMES = new Set(['iframe', 'frame', 'object', 'embed', 'fencedframe'])
const CHROMIUM = /"Chromium";\s*v="(\d{1,4})"/
/** The first version in which the seal around scripts was tried and holds. */
export const SEALING_CHROMIUM = 156
const SECRET_BYTES = 32

export interface SitesOptions {
  /** Where the gateway listens: only this machine's own names resolve to an origin for each site. */
  readonly host: string
  /**
   * It has a token, TLS or names of its own: logins, certificates and readers of other machines do not get
   * as far as the names of sites. Default: false.
   */
  readonly isShared?: boolean
  /** Browsers show a login with every request. Default: false. */
  readonly hasLogin?: boolean
}

/** The origins of one gateway. The secret behind them lives as long: an old one leads to the new one. */
export class Sites {
  /** Which of them may run scripts, by label. */
  readonly scripts = new ScriptPermissions()
  readonly #editions = new OpenEditions()
  readonly #secret = randomBytes(SECRET_BYTES)
  readonly #host: string
  readonly #isShared: boolean
  readonly #hasLogin: boolean

  constructor({ host, isShared = false, hasLogin = false }: SitesOptions) {
    this.#host = host
    this.#isShared = isShared
    this.#hasLogin = hasLogin
  }

  /** False where others than this machine's people may come: then all sites share its origin, in a sandbox. */
  get areApart(): boolean {
    return isLoopback(this.#host) && !this.#isShared
  }

  /** First name of the site's origin; what permissions go by. */
  labelOf(uri: ShoalUri): string {
    return siteLabel(this.#secret, uri)
  }

  /** `http://127.0.0.1:8888`, by the port that the request came to; empty where there is no other origin. */
  mainOrigin(request: Request): string {
    if (!this.areApart) return ''
    return `http://${bracketed(this.#host)}${portOf(request)}`
  }

  /** `http://<label>.localhost:8888`. */
  originOf(uri: ShoalUri, request: Request): string {
    return `http://${this.labelOf(uri)}.localhost${portOf(request)}`
  }

  /** True where the reader allowed scripts to the site of this origin, in a browser that seals them off. */
  areScriptsAllowed(request: Request): boolean {
    const label = labelOfHost(request.headers.host)
    return label !== undefined && this.scripts.isAllowed(label) && doesSeal(request)
  }

  /**
   * True where the pictures of a page need its login. Only for browsers that tell what asks, so that the API can
   * refuse what is no script of ours: they do so over TLS and on this machine.
   */
  needsLogin(request: Request): boolean {
    return this.#hasLogin && request.headers['sec-fetch-dest'] !== undefined
  }

  /** The reader is sent on to `uri`, and no script has chosen it: it is open to those of its site. */
  leadTo(uri: ShoalUri): void {
    if (uri.type === 'usk') this.#editions.add(this.labelOf(uri), uri.edition)
  }

  /**
   * Comes before all routes but `/outside`. Sends navigations to the origin of their site, and lets
   * nothing else through there but the site. @throws ShoalError E_ACCESS, E_ROUTE, E_URI
   */
  get guard(): RequestHandler {
    return (request, response, next) => {
      const label = labelOfHost(request.headers.host)
      const path = rawPath(request)
      if (label !== undefined) response.setHeader('Permissions-Policy', PERMISSIONS)
      if (!this.areApart || (label === undefined && !isKeyAttempt(path))) {
        next()
        return
      }
      const target =
        label === undefined ? this.#awayFromMain(request) : this.#awayFrom(label, request)
      if (target === undefined) {
        // fonts, and what scripts read of their own site, are asked for by an origin that is opaque
        if (label !== undefined) response.setHeader('Access-Control-Allow-Origin', 'null')
        next()
        return
      }
      if (!['GET', 'HEAD'].includes(request.method)) throw methodError(response, 'GET, HEAD')
      sendRedirect(response, 307, { Location: target, 'Cache-Control': 'no-store' })
    }
  }

  /** Where a navigation to a key goes; sound, film and pictures play where they were asked for. */
  #awayFromMain(request: Request): string | undefined {
    if (!isNavigation(request)) return undefined
    const uri = parseUri(rawPath(request).slice(1))
    if (uri.type === 'chk' && uri.kind !== 'folder' && isInert(servedType(undefined, uri.name))) {
      return undefined
    }
    return this.#ownAddress(uri, request)
  }

  #awayFrom(label: string, request: Request): string | undefined {
    const path = rawPath(request)
    if (!isKeyAttempt(path)) {
      if (path === '/' && isNavigation(request)) return `${this.mainOrigin(request)}/`
      throw new ShoalError('E_ROUTE', 'The address of a site has this site and nothing else.')
    }
    if (request.headers['service-worker'] !== undefined) throw refused()
    const uri = parseUri(path.slice(1))
    if (this.labelOf(uri) === label && this.#isOpen(uri, request)) return undefined
    const { 'sec-fetch-dest': destination } = request.headers
    const mayRunScripts = this.scripts.wasAllowed(label)
    if (destination === undefined || destination === 'document') {
      // a script could tell whom it likes what it knows by the keys that it has the node look for
      return mayRunScripts
        ? `${OUTSIDE_PATH}?to=${encodeURIComponent(path)}`
        : this.#ownAddress(uri, request)
    }
    if (mayRunScripts || !SHOWN.has(destination)) throw refused()
    return undefined
  }

  /** The number of an edition could hold anything: scripts get those that they did not choose. */
  #isOpen(uri: ShoalUri, request: Request): boolean {
    if (uri.type !== 'usk') return true
    const label = this.labelOf(uri)
    if (this.scripts.wasAllowed(label) && !isByHand(request)) {
      return this.#editions.has(label, uri.edition)
    }
    if (isNavigation(request)) this.leadTo(uri)
    return true
  }

  #ownAddress(uri: ShoalUri, request: Request): string {
    this.leadTo(uri)
    return `${this.originOf(uri, request)}${rawPath(request)}${rawQuery(request)}`
  }
}

/** True for browsers, as far as a request tells: they must not get markup as it came. */
export function isBrowser(request: Request): boolean {
  const { 'sec-fetch-dest': destination, accept = '' } = request.headers
  return destination !== undefined || accept.includes('text/html')
}

/** True where the answer is shown inside of a page. */
export function isFrame(request: Request): boolean {
  return FRAMES.has(request.headers['sec-fetch-dest'] ?? '')
}

/** Browsers say so; programs, and browsers that do not know such names, stay where they are. */
function isNavigation(request: Request): boolean {
  const { 'sec-fetch-dest': destination, 'sec-fetch-mode': mode } = request.headers
  return destination === 'document' && mode === 'navigate'
}

/** True for programs, and for the address bar: no page can ask so. */
function isByHand(request: Request): boolean {
  const { 'sec-fetch-site': site = 'none' } = request.headers
  return site === 'none'
}

/** True for a browser that is known to keep scripts sealed. */
export function doesSeal(request: Request): boolean {
  const version = CHROMIUM.exec(String(request.headers['sec-ch-ua'] ?? ''))?.[1]
  return Number(version ?? 0) >= SEALING_CHROMIUM
}

function portOf(request: Request): string {
  return /:\d{1,5}$/.exec(request.headers.host ?? '')?.[0] ?? ''
}

function refused(): ShoalError {
  return new ShoalError('E_ACCESS', 'A page of one site may not read another.')
}
