/**
 * WHATWG stream to socket: the hot path of every download. The stream is read only as fast as the
 * client takes the bytes; beyond one piece and the socket's own buffer nothing is held.
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'

import { SOURCE_STALL_MS, StallGuard } from './stall.ts'

/** Short lines are sent together; what is smaller than this is known to its end before its head leaves. */
const TEXT_PIECE_CHARACTERS = 16_384

export interface ResponseHead {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  /** Bytes that `Content-Length` promises; a stream of another length is an error. */
  readonly length: number
  /** How long the stream may give nothing, ms; default SOURCE_STALL_MS. */
  readonly stallMs?: number | undefined
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
  let guard: StallGuard | undefined
  try {
    let piece = await reader.read()
    response.writeHead(head.status, head.headers)
    guard = new StallGuard(response, head.stallMs ?? SOURCE_STALL_MS)
    while (!piece.done && !response.closed && left >= piece.value.length) {
      left -= piece.value.length
      if (!response.write(piece.value)) await drained()
      guard.isWaiting = true
      piece = await reader.read()
      guard.isWaiting = false
    }
    if (left !== 0 || !piece.done)
      throw new Error('the stream has another length than its head says')
  } finally {
    guard?.end()
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
  { headers, stallMs = SOURCE_STALL_MS }: Pick<ResponseHead, 'headers' | 'stallMs'>,
  texts: AsyncIterable<string>,
): Promise<void> {
  const drained = createDrainGate(response, () => {})
  let held = ''
  const send = async (): Promise<void> => {
    if (!response.headersSent) response.writeHead(200, headers)
    if (!response.write(held)) await drained()
    held = ''
  }
  let guard: StallGuard | undefined
  try {
    for await (const text of texts) {
      if (response.closed) return
      guard ??= new StallGuard(response, stallMs)
      guard.isWaiting = false
      held += text
      if (held.length >= TEXT_PIECE_CHARACTERS) await send()
      guard.isWaiting = true
    }
  } finally {
    guard?.end()
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
