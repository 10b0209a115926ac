/**
 * The headers that keep pages from the network away from the node and from its other pages: they are
 * hostile, all of them (threat model §4). Every response gets the strict policy of our own pages;
 * responses with network bytes replace it by the policy of their type.
 * @module
 */
import type { RequestHandler } from 'express'

import { isInert } from './media-type.ts'

/** Our own pages: their own modules and styles, nothing inline, in nobody's frame. */
const OWN_PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Without `sandbox`: a sandboxed media document may not fetch its own ranges, so no film would play. */
const INERT_POLICY =
  "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'"

/** No script, no form, an origin of its own; images and styles of the gateway and of the page. */
const SANDBOX_POLICY = [
  "sandbox; default-src 'self' data: blob:",
  "style-src 'self' 'unsafe-inline'",
  "form-action 'none'",
  "base-uri 'none'",
].join('; ')

/** First of all handlers: headers that every response starts with, errors included. */
export const setOwnPageHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader('Content-Security-Policy', OWN_PAGE_POLICY)
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.setHeader('X-DNS-Prefetch-Control', 'off') // links of hostile pages: no policy stops that
  next()
}

/** Content-Security-Policy of network bytes served as `contentType`. */
export function contentPolicy(contentType: string): string {
  return isInert(contentType) ? INERT_POLICY : SANDBOX_POLICY
}
