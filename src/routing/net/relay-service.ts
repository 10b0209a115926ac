/**
 * Passes bytes between two linked peers that cannot reach each other (spec §7.4): a blind relay, which
 * pairs their UDX streams and sees ciphertext. For this node's own links only, and few.
 * @module
 */
import { Server } from 'blind-relay'

import { createGuardedStream } from './frame-guard.ts'
import type { RelaySession } from 'blind-relay'
import type DHT from 'hyperdht'
import type { NoiseStream } from 'hyperdht'

/** Name of its protomux channel. */
export const RELAY_CHANNEL = 'blind-relay'
/** Clients at once; each relayed link takes two. */
const MAX_SESSIONS = 32
/** Messages in the life of a client: it needs two a link, and each may cost a table entry. */
const MAX_MESSAGES = 32
/** Links passed on at once. */
const MAX_PAIRINGS = 8

export class RelayService {
  readonly #server: Server
  #sessions = 0

  constructor(dht: DHT) {
    this.#server = new Server({
      createStream: (options) => dht.createRawStream({ ...options, framed: true }),
    })
  }

  /** Serves the peer behind `stream`, whose first message was `message`; ends the stream when full. */
  accept(stream: NoiseStream, message: Uint8Array): void {
    if (this.#sessions >= MAX_SESSIONS) {
      stream.destroy()
      return
    }
    this.#sessions++
    stream.on('close', () => this.#sessions--)
    const guarded = createGuardedStream(stream, { maxMessages: MAX_MESSAGES })
    const session = this.#server.accept(guarded, { id: stream.remotePublicKey })
    session.on('error', () => {}) // of a raw stream: it ends that one
    session.on('close', () => stream.destroy())
    session.on('pair', () => this.#paired(session))
    guarded.receive(message)
  }

  #paired(session: RelaySession): void {
    if (this.#server.stats.pairings.active > MAX_PAIRINGS) session.destroy()
  }
}
