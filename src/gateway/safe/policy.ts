/**
 * How network bytes are served, by their type: shown as they are, written anew, as plain text, or as a
 * file to save. What a browser could execute, or could take for something else than we do, is never
 * shown as it came (threat model §4.6).
 * @module
 */
import { isInert } from '../media-type.ts'
import type { Syntax } from './markup-reader.ts'

export interface Serving {
  readonly contentType: string
  readonly disposition: 'inline' | 'attachment'
  /** Content-Security-Policy. */
  readonly policy: string
  /** A browser gets it written anew, as HTML or SVG; what `contentType` says then is the source. */
  readonly rewrite: Syntax | undefined
}

/** Without `sandbox`: a sandboxed media document may not fetch its own ranges, so no film would play. */
const INERT_POLICY =
  "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'"

/**
 * No script, no form, an origin of its own; images and styles of the gateway and of the page. A click on a
 * link may save a file.
 */
const SANDBOX_POLICY = [
  "sandbox allow-downloads; default-src 'self' data: blob:",
  "style-src 'self' 'unsafe-inline'",
  "form-action 'none'",
  "base-uri 'none'",
].join('; ')

/**
 * For readers who have logged in: the login goes only with what a page of the gateway's own origin loads.
 * So these have it, and two rules instead of one against scripts; the API and the control pages refuse
 * what markup loads.
 */
export const LOGIN_POLICY = [
  SANDBOX_POLICY.replace('sandbox', 'sandbox allow-same-origin'),
  "script-src 'none'",
  "worker-src 'none'",
  "connect-src 'none'",
  "object-src 'none'",
].join('; ')

/**
 * Scripts in an opaque origin: they have no storage, and read nothing of other pages. No worker, which
 * would outlive the page and could answer for it. What a policy of this kind cannot stop (navigation,
 * peer connections, hints) the header beside it does, see `SEAL`.
 */
export const SCRIPT_POLICY = [
  "sandbox allow-scripts; default-src 'self' data: blob:",
  "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "frame-src 'self'",
  "worker-src 'none'",
  "object-src 'none'",
  "form-action 'none'",
  "base-uri 'none'",
].join('; ')

/** Connection-Allowlist: nothing is connected to but the origin of the page, by whatever means. */
export const SEAL = '(response-origin)'

/** What Chromium 156 knows by these names; it complains of all others. */
const DENIED = `
  accelerometer browsing-topics camera captured-surface-control clipboard-read clipboard-write
  compute-pressure digital-credentials-create digital-credentials-get display-capture
  encrypted-media gamepad geolocation gyroscope hid identity-credentials-get idle-detection
  interest-cohort keyboard-map language-detector language-model local-fonts magnetometer microphone
  midi on-device-speech-recognition otp-credentials payment private-state-token-issuance
  private-state-token-redemption publickey-credentials-create publickey-credentials-get
  screen-wake-lock serial speaker-selection storage-access summarizer translator usb
  window-management xr-spatial-tracking`

/** Permissions-Policy of all that the origin of a site answers: a page gets to play sound and film, and full screen. */
export const PERMISSIONS = DENIED.trim()
  .split(/\s+/)
  .map((feature) => `${feature}=()`)
  .join(', ')

const REWRITTEN: ReadonlyMap<string, Syntax> = new Map([
  ['text/html', 'html'],
  ['application/xhtml+xml', 'xhtml'],
  ['application/vnd.wap.xhtml+xml', 'xhtml'],
  ['image/svg+xml', 'svg'],
])
/** Browsers do with these only what a page asks for, and show them as text. */
const TEXT = /^(?:text\/.*|application\/(?:.*\+)?json|application\/(?:java|ecma)script)$/
/** What a plug-in would take for something else. */
const NO_TEXT = new Set(['text/pdf', 'text/rtf'])
const MARKUP =
  /^(?:text\/(?:xml|xsl|x-component|x-server-parsed-html)|application\/(?:xml|xslt|xsl|xml-dtd)|.*\+xml)/

/** The table. `contentType` is what the manifest or the name says, checked for its form. */
export function servingOf(contentType: string): Serving {
  const essence = (contentType.split(';')[0] ?? '').trim().toLowerCase()
  const rewrite = REWRITTEN.get(essence)
  const serving = {
    contentType,
    disposition: 'inline',
    policy: SANDBOX_POLICY,
    rewrite,
  } as const
  if (isInert(contentType)) return { ...serving, policy: INERT_POLICY }
  if (rewrite !== undefined) return serving
  if (MARKUP.test(essence)) return { ...serving, contentType: 'text/plain; charset=utf-8' }
  if (TEXT.test(essence) && !NO_TEXT.has(essence)) return serving
  return { ...serving, disposition: 'attachment' }
}

/** What the rewritten page is. */
export function rewrittenType(syntax: Syntax): string {
  return `${syntax === 'svg' ? 'image/svg+xml' : 'text/html'}; charset=utf-8`
}
