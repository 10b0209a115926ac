/**
 * A gateway that listens, and what tests of its connections do to it.
 * @module
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'

import type { GatewayOptions } from '../../src/gateway/server.ts'
import { startGateway } from '../../src/gateway/server.ts'
import type { Logger } from '../../src/runtime.ts'
import { createFakeNode } from './fake-node.ts'

/** A gateway before a node that has what it is given, and what it logs. */
export async function openGateway(t: TestContext, options: Partial<GatewayOptions> = {}) {
  const node = createFakeNode()
  const lines: string[] = []
  const logger: Logger = { info: (line) => lines.push(line), warn: (line) => lines.push(line) }
  const server = await startGateway({ node, logger, port: 0, ...options })
  t.after(() => server.close())
  return { node, server, lines }
}

/** A connection on which a test writes what it likes, `text` first. */
export function dial(t: TestContext, port: number, text = ''): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  socket.write(text)
  return socket
}

/** A whole request. `headers`: lines with their ends. */
export function get(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}Connection: close\r\n\r\n`
}

export async function readToEnd(socket: Socket): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString('latin1')
}

/** Content of a node: `size` zeros, made as they are read. */
export function endless(size: number) {
  const piece = new Uint8Array(32_768)
  return { size, read: (_first: number, length: number) => piece.subarray(0, length) }
}

/** Lets the event loop turn until it holds: what is awaited has no event of its own here. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200_000; turn++) {
    if (holds()) return
    await new Promise((next) => setImmediate(next))
  }
  throw new Error(`never: ${what}`)
}
