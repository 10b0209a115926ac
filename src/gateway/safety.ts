/**
 * The headers that every response starts with: the strict policy of our own pages. Responses with network
 * bytes, all of them hostile (threat model §4), replace it by the policy of their type (`safe/policy.ts`).
 * @module
 */
import type { RequestHandler } from 'express'

/** Our own pages: their own modules and styles, nothing inline, in nobody's frame. */
const OWN_PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  // a pasted key leads on to the origin of its site, and browsers hold the answer to this list, too
  "form-action 'self' http://*.localhost:*",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** First of all handlers: headers that every response starts with, errors included. */
export const setOwnPageHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader('Content-Security-Policy', OWN_PAGE_POLICY)
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.setHeader('X-DNS-Prefetch-Control', 'off') // links of hostile pages: no policy stops that
  next()
}
