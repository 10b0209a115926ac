/**
 * Who may learn what is on this node. A page from the network that could tell whether some content is here
 * would know what its reader has read, or what the node holds for others.
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http'

const SITE_HOST = /\.localhost(?::\d+)?$/i

/** Programs, the address bar, and our own pages: those never run on the host of a site. */
export function mayLearnLocality(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'none') return true
  return site === 'same-origin' && !isSiteHost(headers) && !isPartOfPage(headers)
}

/** True for what markup loads: a picture, a frame, a style. Scripts ask without a destination. */
export function isPartOfPage({ 'sec-fetch-dest': destination }: IncomingHttpHeaders): boolean {
  return destination !== undefined && destination !== 'empty' && destination !== 'document'
}

/** True where the request came to the origin of a site. */
export function isSiteHost({ host }: IncomingHttpHeaders): boolean {
  return SITE_HOST.test(host ?? '')
}
