/**
 * The router: takes one input, says what must be done, in order (spec §9). It joins equal fetches,
 * bounds what is open, and hands each message to the request it belongs to.
 * @module
 */
import type { Address, Block } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import type { Rng } from '../runtime.ts'
import { Context } from './context.ts'
import { Fetch } from './fetch.ts'
import type { FetchTarget } from './fetch.ts'
import type { HeldCopy } from './held-copy.ts'
import { Insert } from './insert.ts'
import { LocalFetch } from './local-fetch.ts'
import { NewestFetch } from './newest-fetch.ts'
import { MAX_CREDIT } from './messages.ts'
import type { BlockMessage, HasMessage, RequestMessage, RequestedMessage } from './messages.ts'
import { MAX_OPEN_PER_PEER } from './peers.ts'
import type { Input, LinkNumber, LocalId, Output, PeerId, RouterStats } from './ports.ts'
import type { Tuning } from './tuning.ts'
import type { FetchAnswer, Waiter } from './wait-list.ts'

/** Fetches open at once in this node, whoever started them; more are answered OVERLOAD. */
const MAX_FETCHES = 8192
/** Fetches that hold this node's own copy while a nearer node is asked, 8 MiB; others answer with it. */
const MAX_HOLDING = 256
/** Inserts open at once; each may hold a block: 2,048 × 32 KiB = 64 MiB at most. */
const MAX_INSERTS = 2048
/** Inserts of one link that wait for their data: what a link may send us unasked-for, 2 MiB. */
const MAX_AWAITED_PER_PEER = 64
/** DATA forgiven for having crossed our giving up; a peer gets no more room by cancelling more. */
const MAX_LATE_PER_PEER = 256

type Inbound =
  | { readonly type: 'fetch'; readonly fetch: Fetch; readonly waiter: Waiter }
  | { readonly type: 'insert'; readonly insert: Insert }

interface InboundLink {
  readonly link: LinkNumber
  /** Requests that are not answered yet, by their id; made with the first one. */
  open: Map<number, Inbound> | undefined
  /** Inserts that wait for their DATA. */
  awaited: number
  /** DATA that may still come although its insert was cancelled or given up; MAX_LATE at most. */
  late: number
}

type OpenLink = InboundLink & { open: Map<number, Inbound> }

export interface RouterOptions {
  /** Own ring position. */
  readonly position: number
  /** Draws credits. */
  readonly rng: Rng
  /** Trial parameters other than what ships. */
  readonly tuning?: Partial<Tuning>
}

export class Router {
  readonly #context: Context
  /** By address, home and freshness: what equal requests join. */
  readonly #fetches = new Map<string, Fetch>()
  /** What peers asked of this node. */
  readonly #inbound = new Map<PeerId, InboundLink>()
  readonly #localFetches = new Map<LocalId, LocalFetch | NewestFetch>()
  readonly #localInserts = new Map<LocalId, Insert>()
  #inserts = 0
  #holding = 0

  constructor(options: RouterOptions) {
    this.#context = new Context(options)
  }

  /** Takes one input at `nowMs`; returns what the driver must now do, in order. */
  handle(input: Input, nowMs: number): Output[] {
    this.#context.nowMs = nowMs
    this.#dispatch(input)
    return this.#context.takeOutputs()
  }

  /** Address of the block that FOUND with this id must carry; undefined: nothing was asked. */
  awaitedBlock(from: PeerId, message: BlockMessage): Address | undefined {
    if (message.type === 'found') return this.#context.askerOf(from, message.id)?.address
    const inbound = this.#inbound.get(from)?.open?.get(message.id)
    return inbound?.type === 'insert' && inbound.insert.awaitsData
      ? inbound.insert.target.address
      : undefined
  }

  /** Positions that this node is responsible for, as far as its peers tell. */
  get range(): { from: number; to: number } {
    return this.#context.peers.rangeAround(this.#context.position)
  }

  /** Everything that is open: all zero when nothing is under way. */
  get load(): { fetches: number; inserts: number; asked: number; timers: number } {
    return {
      fetches: this.#fetches.size,
      inserts: this.#inserts,
      asked: this.#context.openRequests,
      timers: this.#context.openTimers,
    }
  }

  /** What this router did since it was made. */
  stats(): RouterStats {
    return { ...this.#context.counters, overShare: this.#context.peers.overShare }
  }

  #dispatch(input: Input): void {
    switch (input.type) {
      case 'fetch':
        this.#startLocalFetch(input)
        break
      case 'fetch-newest':
        this.#startNewestFetch(input)
        break
      case 'insert':
        this.#startLocalInsert(input)
        break
      case 'abort':
        this.#abort(input.id)
        break
      case 'message':
        this.#message(input)
        break
      case 'timer':
        this.#context.timerFired(input.timer)
        break
      case 'kept':
        this.#context.written(input)
        break
      case 'peer-up':
        this.#peerUp(input)
        break
      case 'peer-down':
        this.#peerDown(input.peer)
        break
      case 'receiving':
        if (input.isArriving) this.#context.peers.receiving(input.peer, this.#context.nowMs)
        else this.#context.peers.received(input.peer)
        break
      case 'peer-rtt':
        this.#context.peers.setRtt(input.peer, input.rttMs)
        break
      case 'neighbors':
        this.#context.peers.setNeighbors(input.peer, input.positions)
        break
    }
  }

  #startLocalFetch(input: Extract<Input, { type: 'fetch' }>): void {
    const { id, address, homes, freshness, trafficClass } = input
    const local = new LocalFetch({
      context: this.#context,
      target: { address, freshness, trafficClass },
      homes,
      start: (target, waiter) => this.#joinFetch(target, waiter),
      finish: (result) => {
        this.#localFetches.delete(id)
        this.#context.emit({ type: 'fetched', id, result })
      },
    })
    this.#localFetches.set(id, local)
    local.begin()
  }

  #startNewestFetch(input: Extract<Input, { type: 'fetch-newest' }>): void {
    const { id, address, homes, trafficClass, held } = input
    const local = new NewestFetch({
      context: this.#context,
      target: { address, freshness: 2, trafficClass },
      homes,
      held,
      start: (target, waiter) => this.#joinFetch(target, waiter),
      finish: (result) => {
        this.#localFetches.delete(id)
        this.#context.emit({ type: 'fetched', id, result })
      },
    })
    this.#localFetches.set(id, local)
    local.begin()
  }

  #startLocalInsert(input: Extract<Input, { type: 'insert' }>): void {
    const { id, address, home, trafficClass, block } = input
    const { peers, rng } = this.#context
    if (peers.size === 0) {
      this.#context.emit({ type: 'inserted', id, copies: 0 })
      return
    }
    const credit = rng.below(2) === 0 ? MAX_CREDIT / 2 : MAX_CREDIT
    const target = {
      address,
      home,
      phase: 'greedy',
      trafficClass,
      credit,
      from: undefined,
    } as const
    this.#context.failedRecently.clear(address)
    const insert = new Insert(this.#context, target, (copies) => {
      this.#inserts--
      this.#localInserts.delete(id)
      this.#context.emit({ type: 'inserted', id, copies })
    })
    this.#inserts++
    this.#localInserts.set(id, insert)
    insert.proceed(block)
  }

  #abort(id: LocalId): void {
    this.#localFetches.get(id)?.abort()
    this.#localFetches.delete(id)
    const insert = this.#localInserts.get(id)
    if (insert === undefined) return
    insert.abort()
    this.#inserts--
    this.#localInserts.delete(id)
  }

  #message(input: Extract<Input, { type: 'message' }>): void {
    const { from, message } = input
    if (!this.#inbound.has(from)) return // the link is gone
    // requests come late, after their look-up: by then another message may be arriving
    if (message.type !== 'fetch' && message.type !== 'insert') this.#context.peers.received(from)
    switch (message.type) {
      case 'fetch':
        this.#fetchFromPeer(from, message, input.held)
        break
      case 'insert':
        this.#insertFromPeer(from, message, input.held?.block)
        break
      case 'data':
        this.#data(from, message)
        break
      case 'cancel':
        this.#cancelled(from, message.id)
        break
      case 'found':
      case 'not-found':
      case 'overload':
      case 'timeout':
      case 'accept':
      case 'have':
      case 'receipt':
        this.#answered(from, message)
        break
      case 'has':
        this.#hint(from, message)
        break
      case 'peers':
      case 'seek':
      case 'neighbors':
        break // not of a request: the driver keeps them
    }
  }

  /** An answer; to an id that is unknown or cancelled it may have crossed our CANCEL. */
  #answered(from: PeerId, message: RequestedMessage): void {
    const asker = this.#context.askerOf(from, message.id)
    if (asker === undefined) return
    this.#context.peers.heard(from, this.#context.nowMs)
    asker.answered(message)
  }

  /** A peer has what it had not: that may be asked for again, also by those who asked here. */
  #hint(from: PeerId, { address }: HasMessage): void {
    const { counters, failedRecently, hints, nowMs } = this.#context
    const verdict = hints.judge(from, nowMs)
    if (verdict === 'ban') this.#context.emit({ type: 'ban', peer: from })
    if (verdict !== 'taken') {
      counters.hintsIgnored++
      return
    }
    failedRecently.clear(address)
    this.#context.tellHere(address, from)
  }

  #fetchFromPeer(from: PeerId, message: RequestMessage, held: HeldCopy | undefined): void {
    const { id, address, home, freshness, trafficClass } = message
    const claimed = this.#claim(from, message)
    if (claimed === undefined) return
    const { open: inbound, link } = claimed
    if (message.phase === 'copy') {
      this.#context.send(from, { type: 'not-found', id }) // the store was looked into: it is not here
      return
    }
    if (held?.area === 'store' && this.#holding >= MAX_HOLDING) {
      this.#context.send(from, { type: 'found', id, block: held.block })
      return
    }
    if (this.#fetches.size >= MAX_FETCHES) {
      this.#context.send(from, { type: 'overload', id })
      return
    }
    const credit = message.phase === 'stem' ? MAX_CREDIT / 2 : message.credit
    const waiter: Waiter = {
      peer: from,
      credit,
      cachedFor: message.phase === 'greedy' ? link : undefined,
      isStem: message.phase === 'stem',
      answer: (answer) => {
        if (inbound.delete(id)) this.#answerPeer(from, message, answer) // else the link is gone
      },
    }
    const fetch = this.#fetchFor({ address, home, freshness, trafficClass })
    inbound.set(id, { type: 'fetch', fetch, waiter })
    fetch.join(waiter, this.#countHeld(fetch, held))
  }

  /** The copy that `fetch` may hold: as long as few do. */
  #countHeld(fetch: Fetch, held: HeldCopy | undefined): HeldCopy | undefined {
    if (held === undefined || fetch.holdsBlock) return held
    if (this.#holding >= MAX_HOLDING) return undefined
    this.#holding++
    return held
  }

  #answerPeer(peer: PeerId, { id, address, phase }: RequestMessage, answer: FetchAnswer): void {
    if (answer.type === 'found') {
      this.#context.send(peer, { type: 'found', id, block: answer.block })
    } else if (answer.type === 'not-found') {
      const { hints, nowMs } = this.#context
      if (phase === 'greedy') hints.missed(address, peer, nowMs)
      this.#context.send(peer, { type: 'not-found', id })
    } else this.#context.send(peer, { type: 'timeout', id })
  }

  #joinFetch(target: FetchTarget, waiter: Waiter): Fetch {
    const fetch = this.#fetchFor(target)
    fetch.join(waiter)
    return fetch
  }

  /** The open fetch that is the same and at least as fresh, or a new one. */
  #fetchFor(target: FetchTarget): Fetch {
    const nameOfAll = `${mapKey(target.address)}${target.home}`
    for (let freshness = target.freshness; freshness <= 2; freshness++) {
      const open = this.#fetches.get(`${nameOfAll}${freshness}`)
      if (open !== undefined) return open
    }
    const name = `${nameOfAll}${target.freshness}`
    const fetch = new Fetch(this.#context, target, () => {
      this.#fetches.delete(name)
      if (fetch.holdsBlock) this.#holding--
    })
    this.#fetches.set(name, fetch)
    return fetch
  }

  #insertFromPeer(from: PeerId, message: RequestMessage, held: Block | undefined): void {
    const { id, address, home, phase, trafficClass } = message
    const link = this.#claim(from, message)
    if (link === undefined) return
    const inbound = link.open
    if (this.#inserts >= MAX_INSERTS || link.awaited >= MAX_AWAITED_PER_PEER) {
      this.#context.send(from, { type: 'overload', id })
      return
    }
    const credit = phase === 'stem' ? MAX_CREDIT / 2 : message.credit
    this.#context.failedRecently.clear(address)
    const sender = { peer: from, link: link.link, id }
    const target = { address, home, phase, trafficClass, credit, from: sender }
    const insert = new Insert(this.#context, target, (copies) => {
      this.#inserts--
      if (insert.awaitsData) {
        link.awaited--
        link.late = Math.min(MAX_LATE_PER_PEER, link.late + 1)
      }
      // not there: it was cancelled, or the link is gone
      if (inbound.delete(id)) this.#context.send(from, { type: 'receipt', id, copies })
    })
    this.#inserts++
    inbound.set(id, { type: 'insert', insert })
    if (held === undefined) link.awaited++
    insert.begin(held)
  }

  /** Each ACCEPT is good for one DATA, which may come late; one more than that costs the link. */
  #data(from: PeerId, message: BlockMessage): void {
    const link = this.#inbound.get(from) as InboundLink
    const request = link.open?.get(message.id)
    if (request?.type === 'insert' && request.insert.awaitsData) {
      link.awaited--
      request.insert.proceed(message.block)
    } else if (link.late > 0) link.late--
    else this.#context.emit({ type: 'ban', peer: from })
  }

  #cancelled(from: PeerId, id: number): void {
    const open = this.#inbound.get(from)?.open
    const request = open?.get(id)
    open?.delete(id) // not there: the answer crossed the CANCEL
    if (request?.type === 'fetch') request.fetch.leave(request.waiter)
    else request?.insert.cancel()
  }

  /** The link, if it may open this request; an id that is open already is a fault. */
  #claim(from: PeerId, { id }: RequestMessage): OpenLink | undefined {
    const link = this.#inbound.get(from) as InboundLink
    const open = (link.open ??= new Map<number, Inbound>())
    if (open.has(id)) {
      this.#context.emit({ type: 'ban', peer: from })
      return undefined
    }
    if (open.size < MAX_OPEN_PER_PEER) return link as OpenLink
    this.#context.send(from, { type: 'overload', id })
    return undefined
  }

  #peerUp(input: Extract<Input, { type: 'peer-up' }>): void {
    this.#context.peerUp(input)
    this.#inbound.set(input.peer, { link: input.link, open: undefined, awaited: 0, late: 0 })
  }

  #peerDown(peer: PeerId): void {
    const open = this.#inbound.get(peer)?.open
    const requests = [...(open?.values() ?? [])]
    open?.clear()
    this.#inbound.delete(peer)
    this.#context.peerDown(peer)
    for (const request of requests) {
      if (request.type === 'fetch') request.fetch.leave(request.waiter)
      else request.insert.senderLost()
    }
  }
}
