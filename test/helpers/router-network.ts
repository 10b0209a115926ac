/**
 * Routers only, in simulated time: a discrete-event network for tests of routing itself. Each node is
 * a router and a Map; messages take a latency, may be lost, and are watched by the test.
 * @module
 */
import type { Address, Block, Home } from '../../src/keys/block.ts'
import { BLOCK_BYTES, contentAddress, signedAddress, supersedes } from '../../src/keys/block.ts'
import { equals, mapKey } from '../../src/keys/bytes.ts'
import { roleInFetch, settlesInsert } from '../../src/routing/held-copy.ts'
import type { HeldCopy } from '../../src/routing/held-copy.ts'
import type { Message, RequestMessage } from '../../src/routing/messages.ts'
import type { FetchResult, Input, Output } from '../../src/routing/ports.ts'
import { RING, distance } from '../../src/routing/position.ts'
import { Router } from '../../src/routing/router.ts'
import type { Tuning } from '../../src/routing/tuning.ts'
import type { Rng } from '../../src/runtime.ts'

export interface SimNode {
  readonly index: number
  readonly position: number
  readonly router: Router
  readonly links: Set<number>
  readonly store: Map<string, Block>
  readonly cache: Map<string, Block>
  /** Takes requests and never answers. */
  isDropper: boolean
  /** Answers every FETCH with not-found and every INSERT with a receipt, at once. */
  isLiar: boolean
  isDown: boolean
}

interface Event {
  readonly atMs: number
  readonly order: number
  run(): void
}

export interface Sent {
  readonly from: number
  readonly to: number
  readonly message: Message
}

export class RouterNetwork {
  readonly nodes: SimNode[] = []
  readonly sent: Sent[] = []
  readonly #rng: Rng
  readonly #latencyMs: number
  readonly #longestMs: number
  readonly #tuning: Partial<Tuning>
  /** Whether what passes by is kept. */
  hasCaches = true
  /** Share of messages that are lost from now on, in [0, 1). */
  lossRate: number
  readonly #timers = new Map<string, () => void>()
  readonly #fetched = new Map<string, (result: FetchResult) => void>()
  readonly #inserted = new Map<string, (copies: number) => void>()
  #events: Event[] = []
  #order = 0
  #nextLocal = 1
  readonly #asked = new Map<string, (answer: Message) => void>()
  nowMs = 0
  /** When the last fetch, or `ask`, had its answer. */
  answeredMs = 0

  /** `latencyMs` to `longestMs`: one way; each pair has one between, drawn by its numbers. */
  constructor(options: {
    rng: Rng
    latencyMs?: number
    longestMs?: number
    lossRate?: number
    tuning?: Partial<Tuning>
  }) {
    this.#rng = options.rng
    this.#latencyMs = options.latencyMs ?? 20
    this.#longestMs = options.longestMs ?? this.#latencyMs
    this.#tuning = options.tuning ?? {}
    this.lossRate = options.lossRate ?? 0
  }

  /** `count` nodes at random positions, each linked to 3 on each side and `long` at 1/d distances. */
  addRing(count: number, long = 10): void {
    for (let index = 0; index < count; index++) this.addNode(this.#rng.below(RING))
    const order = this.nodes.toSorted((a, b) => a.position - b.position)
    order.forEach((node, place) => {
      for (let step = 1; step <= 3; step++)
        this.link(node, order[(place + step) % count] as SimNode)
      for (let slot = 0; slot < long; slot++) {
        const away = Math.floor(count ** ((slot + 1) / (long + 1)))
        this.link(node, order[(place + Math.max(4, away)) % count] as SimNode)
      }
    })
  }

  addNode(position: number): SimNode {
    const node: SimNode = {
      index: this.nodes.length + 1,
      position,
      router: new Router({ position, rng: this.#rng, tuning: this.#tuning }),
      links: new Set(),
      store: new Map(),
      cache: new Map(),
      isDropper: false,
      isLiar: false,
      isDown: false,
    }
    this.nodes.push(node)
    return node
  }

  link(a: SimNode, b: SimNode): void {
    if (a === b || a.links.has(b.index)) return
    a.links.add(b.index)
    b.links.add(a.index)
    const rttMs = 2 * this.#latency(a.index, b.index)
    this.#input(a, { type: 'peer-up', peer: b.index, link: b.index, position: b.position, rttMs })
    this.#input(b, { type: 'peer-up', peer: a.index, link: a.index, position: a.position, rttMs })
  }

  /** Every node tells its peers the positions of its links. */
  tellNeighbors(): void {
    for (const node of this.nodes) {
      const positions = [...node.links].map((index) => this.#node(index).position)
      for (const index of node.links) {
        this.#input(this.#node(index), { type: 'neighbors', peer: node.index, positions })
      }
    }
  }

  /** The node is gone: its links drop. */
  takeDown(node: SimNode): void {
    node.isDown = true
    for (const index of node.links) {
      const peer = this.#node(index)
      peer.links.delete(node.index)
      this.#input(peer, { type: 'peer-down', peer: node.index })
    }
    node.links.clear()
  }

  /** A block of random bytes. */
  randomBlock(): { address: Address; block: Block } {
    const block = new Uint8Array(BLOCK_BYTES) as Block
    for (let i = 0; i < 6; i++) block[i] = this.#rng.below(256)
    return { address: contentAddress(block), block }
  }

  fetch(node: SimNode, address: Address, homes: readonly Home[] = [0, 1]): Promise<FetchResult> {
    const held = node.store.get(mapKey(address)) ?? node.cache.get(mapKey(address))
    if (held !== undefined) return Promise.resolve({ type: 'found', block: held })
    const id = this.#nextLocal++
    return new Promise((resolve) => {
      this.#fetched.set(`${node.index}/${id}`, resolve)
      const rest = { address, homes, freshness: 0, trafficClass: 'realtime' } as const
      this.#input(node, { type: 'fetch', id, ...rest })
    })
  }

  /** The newest signed block of an address; `abort` takes the fetch back, and it never resolves. */
  fetchNewest(
    node: SimNode,
    address: Address,
    homes: readonly Home[] = [0, 1, 2],
  ): Promise<FetchResult> & { abort(): void } {
    const id = this.#nextLocal++
    const fetched = new Promise<FetchResult>((resolve) => {
      this.#fetched.set(`${node.index}/${id}`, resolve)
      const rest = {
        address,
        homes,
        trafficClass: 'realtime',
        held: heldBy(node, address),
      } as const
      this.#input(node, { type: 'fetch-newest', id, ...rest })
    })
    return Object.assign(fetched, { abort: () => this.#input(node, { type: 'abort', id }) })
  }

  /** Has `from` send a request of its own making to a peer; resolves to the answer. */
  ask(from: SimNode, to: SimNode, request: RequestMessage): Promise<Message> {
    return new Promise((resolve) => {
      this.#asked.set(`${from.index}/${to.index}/${request.id}`, resolve)
      this.#send(from, to.index, request)
    })
  }

  insert(node: SimNode, address: Address, block: Block, home: Home): Promise<number> {
    const id = this.#nextLocal++
    return new Promise((resolve) => {
      this.#inserted.set(`${node.index}/${id}`, resolve)
      this.#input(node, { type: 'insert', id, address, block, home, trafficClass: 'bulk' })
    })
  }

  /** Runs until nothing is left to happen. Throws after `limitMs` of simulated time: livelock. */
  async run(limitMs = 600_000): Promise<void> {
    const endMs = this.nowMs + limitMs
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      if (event.atMs > endMs) throw new Error('the network does not come to rest')
      this.nowMs = event.atMs
      event.run()
    }
    await Promise.resolve()
  }

  /** Requests, timers and answers that any node still holds. */
  get openTotal(): number {
    return this.nodes
      .filter((node) => !node.isDown)
      .map(({ router: { load } }) => load.fetches + load.inserts + load.asked + load.timers)
      .reduce((a, b) => a + b, 0)
  }

  #node(index: number): SimNode {
    return this.nodes[index - 1] as SimNode
  }

  #input(node: SimNode, input: Input): void {
    if (node.isDown) return
    for (const output of node.router.handle(input, this.nowMs)) this.#output(node, output)
  }

  #output(node: SimNode, output: Output): void {
    switch (output.type) {
      case 'send':
        this.#send(node, output.to, output.message)
        break
      case 'start-timer': {
        const { timer } = output
        const name = `${node.index}/${timer}`
        const stop = this.#after(output.delayMs, () => {
          this.#timers.delete(name)
          this.#input(node, { type: 'timer', timer })
        })
        this.#timers.set(name, stop)
        break
      }
      case 'stop-timer':
        this.#timers.get(`${node.index}/${output.timer}`)?.()
        break
      case 'keep': {
        const block = output.area === 'cache' && !this.hasCaches ? output.block : keep(node, output)
        const { ticket } = output
        if (ticket !== undefined)
          this.#after(0, () => this.#input(node, { type: 'kept', ticket, isKept: true, block }))
        break
      }
      case 'fetched':
        this.answeredMs = this.nowMs
        this.#fetched.get(`${node.index}/${output.id}`)?.(output.result)
        break
      case 'inserted':
        this.#inserted.get(`${node.index}/${output.id}`)?.(output.copies)
        break
      case 'ban':
        throw new Error(`node ${node.index} bans node ${output.peer}`)
    }
  }

  #send(from: SimNode, to: number, message: Message): void {
    this.sent.push({ from: from.index, to, message })
    const isLost = this.lossRate > 0 && this.#rng.below(1_000_000) < this.lossRate * 1_000_000
    if (isLost) return
    this.#after(this.#latency(from.index, to), () => {
      this.#arrive(from, this.#node(to), message)
    })
  }

  #arrive(from: SimNode, node: SimNode, message: Message): void {
    if (node.isDown || !node.links.has(from.index) || node.isDropper) return
    this.#answerAsk(from, node, message)
    if (message.type === 'fetch' || message.type === 'insert') this.#request(from, node, message)
    else this.#input(node, { type: 'message', from: from.index, message })
  }

  #answerAsk(from: SimNode, node: SimNode, message: Message): void {
    if (message.type !== 'found' && message.type !== 'not-found') return
    const asked = this.#asked.get(`${node.index}/${from.index}/${message.id}`)
    if (asked === undefined) return
    this.answeredMs = this.nowMs
    asked(message)
  }

  #request(from: SimNode, node: SimNode, message: RequestMessage): void {
    const { id, address, type } = message
    if (type === 'fetch' && node.isLiar) {
      this.#send(node, from.index, { type: 'not-found', id })
      return
    }
    const held = heldBy(node, address)
    const role = held === undefined ? 'none' : roleIn(message, held)
    if (held !== undefined && role === 'answer') {
      this.#send(node, from.index, { type: 'found', id, block: held.block })
    } else {
      const rival = role === 'rival' ? held : undefined
      this.#input(node, { type: 'message', from: from.index, message, held: rival })
    }
  }

  #latency(a: number, b: number): number {
    const spread = this.#longestMs - this.#latencyMs
    const draw = (Math.imul(Math.min(a, b) * 7919 + Math.max(a, b), 0x9e3779b1) >>> 0) / 2 ** 32
    return this.#latencyMs + Math.floor(draw * (spread + 1))
  }

  #after(delayMs: number, run: () => void): () => void {
    let isStopped = false
    const event = {
      atMs: this.nowMs + delayMs,
      order: this.#order++,
      run: () => {
        if (!isStopped) run()
      },
    }
    this.#push(event)
    return () => {
      isStopped = true
    }
  }

  #push(event: Event): void {
    const events = this.#events
    let at = events.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(events[parent] as Event, event)) break
      events[at] = events[parent] as Event
      at = parent
    }
    events[at] = event
  }

  #pop(): Event | undefined {
    const events = this.#events
    const top = events[0]
    const last = events.pop()
    if (top === undefined || last === undefined || events.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= events.length) break
      const right = events[child + 1]
      if (right !== undefined && isBefore(right, events[child] as Event)) child++
      if (isBefore(last, events[child] as Event)) break
      events[at] = events[child] as Event
      at = child
    }
    events[at] = last
    return top
  }
}

/** Nodes by distance to `position`, the nearest first. */
export function byDistance(nodes: readonly SimNode[], position: number): SimNode[] {
  return nodes.toSorted((a, b) => distance(a.position, position) - distance(b.position, position))
}

/** What a node holds of an address. */
export function heldBy({ store, cache }: SimNode, address: Address): HeldCopy | undefined {
  const name = mapKey(address)
  const [stored, cached] = [store.get(name), cache.get(name)]
  if (stored !== undefined) return { block: stored, area: 'store' }
  return cached && { block: cached, area: 'cache' }
}

/** As the driver does with its store: `held` of an INSERT makes it needless, or is nothing to it. */
function roleIn(request: RequestMessage, held: HeldCopy): 'answer' | 'rival' | 'none' {
  if (request.type === 'fetch') return roleInFetch(request, held)
  return settlesInsert(request, held.block) ? 'rival' : 'none'
}

/** One block an address, as in a block store; returns the one that has the place. */
function keep(node: SimNode, output: Extract<Output, { type: 'keep' }>): Block {
  const name = mapKey(output.address)
  const held = heldBy(node, output.address)?.block
  const isSigned = equals(signedAddress(output.block.subarray(0, 32)), output.address)
  const isKept = held === undefined || !isSigned || !supersedes(held, output.block)
  const block = isKept ? output.block : held
  node[output.area].set(name, block)
  for (const area of [node.store, node.cache]) if (area.has(name)) area.set(name, block)
  return block
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
