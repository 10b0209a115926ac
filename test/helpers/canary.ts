/**
 * A server that nobody should talk to: it counts every connection and datagram, and knows the pages
 * that caused them by the paths that it is asked for.
 * @module
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface Canary {
  /** `127.0.0.1:12345`, for TCP and UDP alike. */
  readonly host: string
  /** First lines of what came in, or the protocol where nothing readable did. */
  readonly heard: string[]
  close(): Promise<void>
}

export async function startCanary(): Promise<Canary> {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    heard.push('connection')
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      heard.push(bytes.toString('latin1').split('\r\n')[0] ?? '')
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const datagrams = createSocket('udp4', () => heard.push('datagram'))
  datagrams.bind(port, '127.0.0.1')
  await once(datagrams, 'listening')
  return {
    host: `127.0.0.1:${port}`,
    heard,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      datagrams.close()
      server.close()
      await once(server, 'close')
    },
  }
}
