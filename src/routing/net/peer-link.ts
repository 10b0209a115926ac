/**
 * One link, seen from the driver: frames become checked messages, requests are looked up in the
 * store, and answers leave as fast as the link takes them. Each queue here is bounded.
 * @module
 */
import { isShoalError } from '../../errors.ts'
import type { BlockStore } from '../../datastore/store.ts'
import { verify } from '../../keys/block.ts'
import type { Address } from '../../keys/block.ts'
import { lookedUp } from '../held-copy.ts'
import type { HeldCopy } from '../held-copy.ts'
import { decodeMessage, encodeHeader } from '../messages.ts'
import type {
  BlockMessage,
  ExchangeMessage,
  HasMessage,
  Message,
  RequestMessage,
  RequestedMessage,
} from '../messages.ts'
import { MAX_OPEN_PER_PEER } from '../peers.ts'
import type { LinkNumber } from '../ports.ts'
import type { DriverCounters } from './counters.ts'
import type { Link } from './transport.ts'

/**
 * Requests of one link that are looked up or whose block waits to leave, 1 MiB: enough to keep a disk
 * and a link busy, and no more than that for a peer that reads slowly.
 */
const MAX_LOOKUPS = 32
/** Small frames queued on one link, 1 MiB; a peer that lets more pile up does not read, and is cut. */
const MAX_QUEUED_SMALL = 4096
/** Blocks queued on one link, 4 MiB; a further FOUND leaves as OVERLOAD, a further DATA as CANCEL. */
const MAX_QUEUED_BLOCKS = 128
const NOTHING = Promise.resolve(undefined)

export class PeerLink {
  readonly #link: Link
  readonly #number: LinkNumber
  readonly #store: BlockStore
  readonly #counters: DriverCounters
  readonly #awaitedBlock: (message: BlockMessage) => Address | undefined
  readonly #handle: (message: RequestedMessage | HasMessage, held?: HeldCopy) => void
  readonly #exchange: (message: ExchangeMessage) => void
  readonly #ban: () => void
  /** Requests that wait for their look-up, oldest first; by id, so that CANCEL takes one out. */
  readonly #requests = new Map<number, RequestMessage>()
  /** Requests being looked up; a cancelled one is taken out. */
  readonly #lookups = new Set<RequestMessage>()
  #running = 0
  /** Small frames go first: an answer that is a word must not wait behind megabytes. */
  readonly #small: Uint8Array[] = []
  readonly #blocks: BlockMessage[] = []
  #isDrained = true
  #isClosed = false

  constructor(options: {
    number: LinkNumber
    link: Link
    store: BlockStore
    counters: DriverCounters
    awaitedBlock: (message: BlockMessage) => Address | undefined
    handle: (message: RequestedMessage | HasMessage, held?: HeldCopy) => void
    /** What it says of other nodes. */
    exchange: (message: ExchangeMessage) => void
    /** Ends the link and refuses its key for a while. */
    ban: () => void
  }) {
    this.#link = options.link
    this.#number = options.number
    this.#store = options.store
    this.#counters = options.counters
    this.#awaitedBlock = options.awaitedBlock
    this.#handle = options.handle
    this.#exchange = options.exchange
    this.#ban = options.ban
  }

  receive(frame: Uint8Array): void {
    if (this.#isClosed) return
    let message: Message | undefined
    try {
      message = decodeMessage(frame)
    } catch (error) {
      if (!isShoalError(error)) throw error
      this.#counters.malformedFrames++
      this.ban()
      return
    }
    if (message === undefined) this.#counters.unknownTypes++
    else this.#received(message)
  }

  send(message: Message): void {
    if (this.#isClosed) return
    if (message.type !== 'found' && message.type !== 'data') {
      this.#queueSmall(message)
    } else if (this.#blocks.length < MAX_QUEUED_BLOCKS) this.#blocks.push(message)
    else {
      const type = message.type === 'found' ? 'overload' : 'cancel'
      this.#queueSmall({ type, id: message.id })
    }
    if (this.#isDrained) this.#pump()
  }

  #queueSmall(message: Message): void {
    if (this.#small.length >= MAX_QUEUED_SMALL) this.#link.close()
    else this.#small.push(encodeHeader(message))
  }

  drained(): void {
    this.#isDrained = true
    this.#pump()
  }

  /** The peer broke the protocol. */
  ban(): void {
    this.#ban()
  }

  closed(): void {
    this.#isClosed = true
    this.#requests.clear()
    this.#lookups.clear()
    this.#small.length = 0
    this.#blocks.length = 0
  }

  #pump(): void {
    while (this.#isDrained && !this.#isClosed) {
      const small = this.#small.shift()
      if (small !== undefined) this.#isDrained = this.#link.send(small)
      else {
        const message = this.#blocks.shift()
        if (message === undefined) return
        this.#lookUpNext()
        this.#isDrained = this.#link.send(encodeHeader(message), message.block)
      }
    }
  }

  #received(message: Message): void {
    switch (message.type) {
      case 'fetch':
      case 'insert':
        this.#counters.received[message.type]++
        this.#queueRequest(message)
        break
      case 'found':
      case 'data':
        this.#receiveBlock(message)
        break
      case 'cancel':
        this.#cancel(message.id)
        break
      case 'not-found':
      case 'overload':
      case 'timeout':
      case 'accept':
      case 'have':
      case 'receipt':
      case 'has':
        this.#handle(message)
        break
      case 'peers':
      case 'seek':
      case 'neighbors':
        this.#exchange(message)
        break
    }
  }

  /** No block goes on that was not asked for and does not fit its address. */
  #receiveBlock(message: BlockMessage): void {
    const address = this.#awaitedBlock(message)
    if (address !== undefined && verify(address, message.block) === 'invalid') {
      this.#counters.invalidBlocks++
      this.ban()
      return
    }
    this.#handle(message)
  }

  #cancel(id: number): void {
    if (this.#requests.delete(id)) return
    for (const request of this.#lookups) {
      if (request.id === id) {
        this.#lookups.delete(request)
        return
      }
    }
    this.#handle({ type: 'cancel', id })
  }

  #queueRequest(request: RequestMessage): void {
    if (this.#requests.has(request.id)) {
      this.ban()
      return
    }
    if (this.#requests.size >= MAX_OPEN_PER_PEER) {
      this.send({ type: 'overload', id: request.id })
      return
    }
    this.#requests.set(request.id, request)
    this.#lookUpNext()
  }

  /** Takes requests only as their answers leave: a peer that reads slowly is served slowly. */
  #lookUpNext(): void {
    while (this.#running + this.#blocks.length < MAX_LOOKUPS && !this.#isClosed) {
      const next = this.#requests.values().next()
      if (next.done === true) return
      this.#requests.delete(next.value.id)
      this.#lookups.add(next.value)
      this.#running++
      const request = next.value
      const done = (held?: HeldCopy): void => {
        this.#running--
        this.#lookedUp(request, held)
        this.#lookUpNext()
      }
      // a failing store holds nothing; plain callbacks, as this is once for every request
      this.#held(request).then(done, () => done())
    }
  }

  #lookedUp(request: RequestMessage, held: HeldCopy | undefined): void {
    if (!this.#lookups.delete(request) || this.#isClosed) return // cancelled meanwhile
    const { answer, known } = lookedUp(request, held)
    if (answer === undefined) this.#handle(request, known)
    else this.send({ type: 'found', id: request.id, block: answer })
  }

  /** The copy that is here of what `request` names. */
  #held(request: RequestMessage): Promise<HeldCopy | undefined> {
    if (request.phase === 'stem') return NOTHING // a stem hop consults no store
    // who offers a block shows no interest in it: only a FETCH counts as a read
    const read = request.type === 'fetch' ? { link: this.#number } : {}
    return this.#store.get(request.address, read)
  }
}
