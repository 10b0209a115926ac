/**
 * Debian's Chromium for browser tests: where it is, and how to start it so that it asks nobody anything.
 * @module
 */
import { existsSync } from 'node:fs'

export const executablePath = '/usr/bin/chromium'
/** Reason to skip, or false. */
export const skip = reasonToSkip(existsSync(executablePath), process.env)

/** @throws Error where the run promised a browser: a skip would pass for safe browsing. */
export function reasonToSkip(isThere: boolean, env: NodeJS.ProcessEnv): string | false {
  if (isThere) return false
  const reason = 'no Chromium in /usr/bin: install "chromium"'
  if (env['SHOAL_TEST_BROWSER'] === 'required') throw new Error(reason)
  return reason
}

export const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The path of an address in the origin of a site; the address itself where it is none. */
export function pathInSite(url: string): string {
  const { hostname, pathname } = new URL(url)
  return /^[a-z2-7]{52}\.localhost$/.test(hostname) ? pathname : url
}
