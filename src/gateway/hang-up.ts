/**
 * Clients go away in the middle: what the node does for them must end then.
 * @module
 */
import type { ServerResponse } from 'node:http'

/**
 * Ends an answer in the middle so that it looks broken. Its length, or the chunk that is missing, says so; where the
 * end of the connection is the end of the body (HTTP/1.0), only a reset does.
 */
export function breakOff(response: ServerResponse): void {
  const { socket } = response
  const isEndTold = response.chunkedEncoding || response.hasHeader('Content-Length')
  // TLS has an end of its own, which is missing then
  if (isEndTold || socket === null || 'encrypted' in socket) response.destroy()
  else socket.resetAndDestroy()
}

/** Aborts when the connection closes before the answer is complete. */
export function hangUpSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  if (response.closed) controller.abort()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}
