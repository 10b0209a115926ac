/**
 * WHATWG stream to socket: the hot path of every download. The stream is read only as fast as the
 * client takes the bytes; beyond one piece and the socket's own buffer nothing is held.
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** Short lines are sent together; what is smaller than this is known to its end before its head leaves. */
const TEXT_PIECE_CHARACTERS = 16_384

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

/** Headers of a body whose length nobody knows before its end; said aloud so that HEAD says it too. */
export function unknownLength(request: IncomingMessage): OutgoingHttpHeaders {
  return request.httpVersion === '1.0' ? {} : { 'Transfer-Encoding': 'chunked' }
}

/**
 * Sends text of unknown length, and resolves when its end was handed to the socket. As with `sendBody`
 * the head waits for the first piece, and errors after it must destroy the response.
 */
export async function sendText(
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
  texts: AsyncIterable<string>,
): Promise<void> {
  const drained = createDrainGate(response, () => {})
  let held = ''
  for await (const text of texts) {
    if (response.closed) return
    held += text
    if (held.length < TEXT_PIECE_CHARACTERS) continue
    if (!response.headersSent) response.writeHead(200, headers)
    if (!response.write(held)) await drained()
    held = ''
  }
  if (!response.headersSent) response.writeHead(200, headers)
  response.end(held)
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
