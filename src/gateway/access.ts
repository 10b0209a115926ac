/**
 * Who may ask: programs and pages of this machine. A page of the web could otherwise reach the gateway
 * by a name that its owner points at 127.0.0.1 (DNS rebinding: the Host check), or by a plain request
 * across sites (the Origin and Sec-Fetch-Site checks, on the API).
 * @module
 */
import type { Request, RequestHandler } from 'express'

import { ShoalError } from '../errors.ts'
import { isPartOfPage } from './locality.ts'
import { labelOfHost } from './safe/site-label.ts'

/** What this machine is called everywhere. */
export const LOCAL_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]']
const HOST = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i

/**
 * Lets through requests for this machine's own names, for `hosts`, and, where there are any, for names of
 * sites; with any port.
 */
export function createHostCheck(
  hosts: readonly string[],
  { hasSites }: { readonly hasSites: boolean },
): RequestHandler {
  const names = new Set([...LOCAL_NAMES, ...hosts.map((host) => bracketed(host).toLowerCase())])
  return (request, _response, next) => {
    const { host } = request.headers
    const name = hostNameIn(host) ?? ''
    const isOfSite = hasSites && labelOfHost(host) !== undefined
    if (!names.has(name) && !isOfSite) {
      throw new ShoalError(
        'E_ACCESS',
        'This gateway answers only under the names localhost, 127.0.0.1 and [::1], and those it was given.',
      )
    }
    next()
  }
}

/** Refuses what a page of another origin sends, and what markup loads or leads to. @throws ShoalError E_ACCESS */
export const checkOrigin: RequestHandler = (request, _response, next) => {
  const isOwn = isOwnOrigin(request) && isOwnSite(request.headers['sec-fetch-site'])
  if (!isOwn || isOfMarkup(request)) {
    throw new ShoalError('E_ACCESS', 'The API answers only to programs and to its own pages.')
  }
  next()
}

/** The name in a `Host` header, without the port, in lower case; undefined where it is none. */
export function hostNameIn(host: string | undefined): string | undefined {
  return HOST.exec(host ?? '')?.[1]?.toLowerCase()
}

/** A host as it stands in a URL: IPv6 addresses in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

/**
 * Our own pages ask by script, a person by the address bar. Pages from the network have no script, but with a
 * login the origin of the gateway, and then pictures, frames and links in it.
 */
function isOfMarkup({ method, headers }: Request): boolean {
  const { 'sec-fetch-mode': mode, 'sec-fetch-site': site } = headers
  // of a link to save, too, which has no destination
  const isLink = mode === 'navigate' && site === 'same-origin' && ['GET', 'HEAD'].includes(method)
  return isLink || isPartOfPage(headers)
}

function isOwnOrigin(request: Request): boolean {
  const { origin, host } = request.headers
  // under a name that it was given the TLS may be that of a proxy
  const mayBeProxied = !LOCAL_NAMES.includes(hostNameIn(host) ?? '')
  const schemes = request.secure ? ['https'] : mayBeProxied ? ['http', 'https'] : ['http']
  return origin === undefined || schemes.some((scheme) => origin === `${scheme}://${host}`)
}

function isOwnSite(site: string | string[] | undefined): boolean {
  return site === undefined || site === 'same-origin' || site === 'none'
}
