/**
 * Answers that send a client to another spelling of what it asked for. Every target is a key of ours
 * after one slash, so it never leads to another host.
 * @module
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

import type { ShoalUri } from '../keys/uri.ts'
import { formatUri } from '../keys/uri.ts'

/** The path of a key, from the gateway's root. */
export function pathOf(uri: ShoalUri): string {
  return `/${formatUri(uri)}`
}

/** The same content with the slash that makes it a folder. */
export function withSlash<Uri extends ShoalUri>(uri: Uri): Uri {
  return { ...uri, path: [...uri.path, ''] }
}

/** Sends on to `location`, which must begin with one slash. */
export function sendRedirect(
  response: ServerResponse,
  status: 301 | 303 | 307,
  headers: OutgoingHttpHeaders & { readonly Location: string },
): void {
  response.writeHead(status, { ...headers, 'Content-Length': 0 })
  response.end()
}
