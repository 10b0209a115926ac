/**
 * Clients go away in the middle: what the node does for them must end then.
 * @module
 */
import type { ServerResponse } from 'node:http'

/** Aborts when the connection closes before the answer is complete. */
export function hangUpSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  if (response.closed) controller.abort()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}
