/**
 * How the client reaches a gateway: one request, one answer that is read as it comes. The usual way is
 * `fetch`; a program with other wishes brings a way of its own.
 * @module
 */

/** What is sent: text, bytes, or bytes as they come. */
export type Body = string | Uint8Array | AsyncIterable<Uint8Array>

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly gateway: URL
  /** Path and query, from the gateway's root, as they go over the wire. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Body | undefined
  readonly signal?: AbortSignal | undefined
}

export interface TransportResponse {
  readonly status: number
  /** The words after the status; often empty. */
  readonly statusText: string
  /** A header by its name, in any case; undefined where it is missing. */
  header(name: string): string | undefined
  /** The body as it comes. Whoever does not read it to its end returns the iterator. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Resolves when an answer begins. Rejects where there is none, with the signal's reason where that aborted. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>

/** `fetch` of the platform. In Node it gives up on an upload whose answer has not begun after 5 minutes. */
export const fetchTransport: Transport = async ({ gateway, path, ...request }) => {
  const { method, headers, body, signal } = request
  const isStream = body !== undefined && typeof body !== 'string' && Symbol.asyncIterator in body
  const sent = isStream ? streamOf(body) : (body as RequestInit['body'])
  const response = await fetch(new URL(path, gateway), {
    method,
    headers,
    redirect: 'error', // the API never redirects: something else is at that address
    ...(sent !== undefined && { body: sent }),
    ...(isStream && { duplex: 'half' }),
    ...(signal !== undefined && { signal }),
  })
  return {
    status: response.status,
    statusText: response.statusText,
    header: (name) => response.headers.get(name) ?? undefined,
    body: piecesOf(response),
  }
}

function streamOf(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const step = await pieces.next()
      if (step.done === true) controller.close()
      else controller.enqueue(step.value)
    },
    async cancel() {
      await pieces.return?.()
    },
  })
}

async function* piecesOf({ body }: Response): AsyncGenerator<Uint8Array, void> {
  if (body === null) return
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value as Uint8Array
    }
  } finally {
    await reader.cancel()
  }
}
