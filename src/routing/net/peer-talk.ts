/**
 * Carries what this node and its peers tell each other of other nodes, SEEK and PEERS and NEIGHBORS, by
 * the rules of `PeerExchange` (spec §8.5, §9.9).
 * @module
 */
import type { Clock } from '../../runtime.ts'
import type { Verdict } from '../allowance.ts'
import { MAX_RECORD_PROOF_BYTES } from '../exchange.ts'
import type { PeerRecord } from '../exchange.ts'
import type { ExchangeMessage } from '../messages.ts'
import { PeerExchange } from '../peer-exchange.ts'
import type { PeerKey } from '../topology.ts'

/** Own links are looked at so long after a change, ms: several often change together. */
const SETTLE_MS = 250
/** And again after this, as long as somebody has an old list, ms. */
const AGAIN_MS = 1_000

export interface PeerTalkOptions {
  readonly clock: Clock
  /** Where this node's links lead now; another array whenever that has changed. */
  readonly positions: () => readonly number[]
  readonly send: (to: PeerKey, message: ExchangeMessage) => void
  /** Who is nearest to `target`, the asker left out. */
  readonly answer: (asker: PeerKey, target: number) => readonly PeerRecord[]
  readonly ontold: (teller: PeerKey, records: readonly PeerRecord[]) => void
  /** What a peer says of its own links. */
  readonly onneighbors: (of: PeerKey, positions: readonly number[]) => void
  /** Something came too often, or answers nothing. */
  readonly onignored: () => void
}

interface Talk {
  readonly exchange: PeerExchange
  /** The list of positions that it was sent last. */
  sent: readonly number[] | undefined
}

export class PeerTalk {
  readonly #options: PeerTalkOptions
  readonly #talks = new Map<PeerKey, Talk>()
  #lastTold: readonly number[] = []
  #stopTelling: (() => void) | undefined

  constructor(options: PeerTalkOptions) {
    this.#options = options
  }

  /** A link is up: it is told where the others lead. */
  opened(key: PeerKey): void {
    const talk = { exchange: new PeerExchange(), sent: undefined }
    this.#talks.set(key, talk)
    this.#tell(key, talk)
  }

  closed(key: PeerKey): void {
    this.#talks.delete(key)
  }

  close(): void {
    this.#stopTelling?.()
  }

  /** Asks who is nearest to `target`; the answer comes by `ontold`. */
  seek(via: PeerKey, target: number): void {
    const { clock, send } = this.#options
    const id = this.#talks.get(via)?.exchange.openSeek(clock.now())
    if (id !== undefined) send(via, { type: 'seek', id, target })
  }

  /** Tells everybody where the links lead, when that has changed and it is time. */
  changed(): void {
    const isTelling = this.#stopTelling !== undefined
    if (!isTelling && this.#options.positions() !== this.#lastTold) this.#tellLater(SETTLE_MS)
  }

  /** False: so much that it costs the link. */
  received(from: PeerKey, message: ExchangeMessage): boolean {
    const exchange = this.#talks.get(from)?.exchange
    if (exchange === undefined) return true
    const verdict = this.#judge(exchange, message)
    if (verdict === 'taken') this.#take(from, message)
    else this.#options.onignored()
    return verdict !== 'ban'
  }

  #judge(exchange: PeerExchange, message: ExchangeMessage): Verdict {
    const nowMs = this.#options.clock.now()
    switch (message.type) {
      case 'seek':
        return exchange.takeSeek(nowMs)
      case 'neighbors':
        return exchange.takeNeighbors(nowMs)
      case 'peers':
        return exchange.takePeers(message.id, nowMs)
    }
  }

  #take(from: PeerKey, message: ExchangeMessage): void {
    const { answer, send, ontold, onneighbors } = this.#options
    switch (message.type) {
      case 'seek': {
        const records = answer(from, message.target).filter(
          ({ proof }) => proof.length <= MAX_RECORD_PROOF_BYTES,
        )
        send(from, { type: 'peers', id: message.id, records })
        break
      }
      case 'neighbors':
        onneighbors(from, message.positions)
        break
      case 'peers':
        ontold(from, message.records)
        break
    }
  }

  #tellLater(delayMs: number): void {
    this.#stopTelling = this.#options.clock.after(delayMs, () => {
      this.#stopTelling = undefined
      this.#lastTold = this.#options.positions()
      let isBehind = false
      for (const [key, talk] of this.#talks) isBehind = !this.#tell(key, talk) || isBehind
      if (isBehind) this.#tellLater(AGAIN_MS)
    })
  }

  /** False: it has an old list, and must wait for this one. */
  #tell(key: PeerKey, talk: Talk): boolean {
    const { clock, positions, send } = this.#options
    const now = positions()
    if (talk.sent === now) return true
    const toSend = talk.exchange.neighborsToSend(now, clock.now())
    if (toSend === undefined) return false
    talk.sent = now
    send(key, { type: 'neighbors', positions: toSend })
    return true
  }
}
