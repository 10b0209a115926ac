/**
 * Clients that cost little: on two cores what the client does is taken from the server that is measured.
 * @module
 */
import { once } from 'node:events'
import { connect } from 'node:net'

/** Room for what one read of a socket gives. */
const READ_BUFFER_BYTES = 64 * 1024
const HEAD_END = '\r\n\r\n'

/** Requests a second of `paths`, in turn, over `connections` that stay open. */
export async function requestsPerSecond(
  url: string,
  paths: readonly string[],
  { requests, connections }: { requests: number; connections: number },
): Promise<number> {
  const startMs = performance.now()
  let next = 0
  const take = (): string | undefined =>
    next < requests ? paths[next++ % paths.length] : undefined
  await Promise.all(Array.from({ length: connections }, () => keepAsking(url, take)))
  return (requests * 1000) / (performance.now() - startMs)
}

/** One request after the other on one connection, until `take` gives none. */
async function keepAsking(url: string, take: () => string | undefined): Promise<void> {
  const { hostname, port } = new URL(url)
  let head = ''
  let left = 0
  const ask = (): void => {
    const path = take()
    if (path === undefined) socket.end()
    else socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`)
  }
  const received = (length: number, buffer: Uint8Array): boolean => {
    let body = length
    if (left === 0) {
      head += Buffer.from(buffer.subarray(0, length)).toString('latin1')
      const end = head.indexOf(HEAD_END)
      if (end < 0) return true
      if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(head.split('\r\n')[0])
      body = head.length - end - HEAD_END.length
      left = Number(/^content-length: (\d+)/im.exec(head)?.[1])
      head = ''
    }
    left -= body
    if (left === 0) ask()
    return true
  }
  const buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES)
  const socket = connect({
    host: hostname,
    port: Number(port),
    onread: { buffer, callback: received },
  })
  ask()
  await once(socket, 'close')
}

/** Opens `count` downloads of `path` at once; each is cut after `bytesEach`. Resolves to bytes a second. */
export async function parallelDownloads(
  url: string,
  path: string,
  { count, bytesEach }: { count: number; bytesEach: number },
): Promise<number> {
  const startMs = performance.now()
  const { hostname, port } = new URL(url)
  const buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES) // nobody looks at the bytes
  const downloads = Array.from({ length: count }, async () => {
    let bytes = 0
    const callback = (length: number): boolean => {
      bytes += length
      if (bytes >= bytesEach) socket.destroy()
      return true
    }
    const socket = connect({ host: hostname, port: Number(port), onread: { buffer, callback } })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`)
    await once(socket, 'close')
    if (bytes < bytesEach) throw new Error(`a download ended after ${bytes} bytes`)
  })
  await Promise.all(downloads)
  return (count * bytesEach * 1000) / (performance.now() - startMs)
}
