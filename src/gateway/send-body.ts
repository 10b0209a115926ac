/**
 * WHATWG stream to socket: the hot path of every download. The stream is read only as fast as the
 * client takes the bytes; beyond one piece and the socket's own buffer nothing is held.
 * @module
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

export interface ResponseHead {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  /** Bytes that `Content-Length` promises; a stream of another length is an error. */
  readonly length: number
}

/**
 * Sends head and stream, and resolves when the last byte was handed to the socket. The head goes out
 * with the first piece: until then an error of the stream can still become an answer of its own. Later
 * ones reject too, with `response.headersSent`, and whoever catches them must destroy the response.
 */
export async function sendBody(
  response: ServerResponse,
  head: ResponseHead,
  stream: ReadableStream<Uint8Array>,
): Promise<void> {
  const reader = stream.getReader()
  const cancel = (): void => {
    reader.cancel().catch(() => {}) // it broke by itself: what `read` says is what counts
  }
  const drained = createDrainGate(response, cancel)
  let left = head.length
  try {
    let piece = await reader.read()
    response.writeHead(head.status, head.headers)
    while (!piece.done && !response.closed && left >= piece.value.length) {
      left -= piece.value.length
      if (!response.write(piece.value)) await drained()
      piece = await reader.read()
    }
    if (left !== 0 || !piece.done)
      throw new Error('the stream has another length than its head says')
  } finally {
    cancel()
  }
  response.end()
}

/** One listener for the whole body: a promise is made only when there is something to wait for. */
function createDrainGate(
  response: ServerResponse,
  onClose: () => void,
): () => Promise<void> | undefined {
  let open: (() => void) | undefined
  const release = (): void => {
    open?.()
    open = undefined
  }
  response.on('drain', release)
  response.once('close', () => {
    release()
    onClose()
  })
  return () => {
    if (response.closed || !response.writableNeedDrain) return undefined
    return new Promise((resolve) => {
      open = resolve
    })
  }
}
