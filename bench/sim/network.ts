/**
 * The production router, many times, in simulated time: each node is a router and what it holds, each
 * message an object that arrives after the latency of its pair. Does with requests, blocks and stores
 * what `net/driver.ts` and `net/peer-link.ts` do.
 * @module
 */
import { verify } from '../../src/keys/block.ts'
import type { Address, Block, Home } from '../../src/keys/block.ts'
import { lookedUp } from '../../src/routing/held-copy.ts'
import type { Message, RequestMessage } from '../../src/routing/messages.ts'
import type { Input, Output, PeerId } from '../../src/routing/ports.ts'
import { Router } from '../../src/routing/router.ts'
import type { Tuning } from '../../src/routing/tuning.ts'
import type { Rng } from '../../src/runtime.ts'
import { createSeededRng } from '../../test/helpers/rng.ts'
import { EventQueue } from './event-queue.ts'
import { POISON, faultyAnswer, isFairToRequests } from './faults.ts'
import { Invariants } from './invariants.ts'
import { pairLatencyMs } from './latency.ts'
import type { LatencyRange } from './latency.ts'
import type { SimNode } from './sim-node.ts'
import type { Trial } from './trial.ts'

/** Peer numbers: the other node's index + 1, plus this much for each link that came before it. */
const LINK_STEP = 2 ** 20

export interface NetworkOptions {
  readonly seed: number
  readonly latency: LatencyRange
  readonly tuning?: Partial<Tuning>
  /** Time that a block keeps its sender's line busy, ms; 0: none. */
  readonly blockMs?: number
}

/** What an event is: a message, a write that is done, an action; undefined: a timer of the router. */
type Happening =
  | Message
  | { readonly type: 'kept'; readonly block: Block }
  | { readonly type: 'receiving' }
  | (() => void)
  | undefined

export class SimNetwork {
  readonly nodes: SimNode[] = []
  readonly rng: Rng
  readonly invariants: Invariants
  nowMs = 0
  /** Links that were ended for a block that does not verify. */
  bans = 0
  /** Blocks that do not verify: sent in all, and come when the link had ended or nobody waited any more. */
  readonly poison = { sent: 0, late: 0 }
  /** Checksum of all that happened: when, at which node, by whom or which timer. */
  trace = 0
  /** Called when a link of a live node has ended. */
  onunlinked: ((node: SimNode, other: SimNode) => void) | undefined
  readonly #options: NetworkOptions
  readonly #queue = new EventQueue<Happening>()
  readonly #trials: Trial[] = []
  readonly #trialOf = new Map<Address, Trial>()
  readonly #inserting = new Map<number, Trial>()
  readonly #busyUntilMs: number[] = []
  /** Extra latency of links through a third node, by the numbers of the pair. */
  readonly #detours = new Map<string, number>()
  #nextLink = 0
  #nextInsert = 2 ** 40

  constructor(options: NetworkOptions) {
    this.#options = options
    this.rng = createSeededRng(options.seed)
    this.invariants = new Invariants(this.nodes)
  }

  addNode(position: number): SimNode {
    const { rng } = this
    const tuning = this.#options.tuning ?? {}
    const node: SimNode = {
      index: this.nodes.length,
      position,
      router: new Router({ position, rng, tuning }),
      links: new Map(),
      fault: undefined,
      isDown: false,
    }
    this.nodes.push(node)
    return node
  }

  /** One way between two nodes, ms. */
  latencyMs(a: SimNode, b: SimNode): number {
    const { latency, seed } = this.#options
    const direct = pairLatencyMs(a.index, b.index, { ...latency, seed })
    return direct + (this.#detours.size === 0 ? 0 : (this.#detours.get(pairName(a, b)) ?? 0))
  }

  /** A link; `isAgain`: the two may have had one before. `through`: by way of a common peer. */
  link(a: SimNode, b: SimNode, options: { isAgain?: boolean; through?: SimNode } = {}): void {
    const { through } = options
    if (through !== undefined) {
      const legs = this.latencyMs(a, through) + this.latencyMs(through, b)
      this.#detours.set(pairName(a, b), legs - this.latencyMs(a, b))
    }
    const offset = options.isAgain === true ? ++this.#nextLink * LINK_STEP : 0
    const rttMs = 2 * this.latencyMs(a, b)
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const peer = offset + other.index + 1
      node.links.set(other.index, peer)
      const { position, index } = other
      this.#input(node, { type: 'peer-up', peer, link: index + 1, position, rttMs })
    }
  }

  unlink(a: SimNode, b: SimNode): void {
    if (this.#detours.size > 0) this.#detours.delete(pairName(a, b))
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const peer = node.links.get(other.index)
      if (peer === undefined) continue
      node.links.delete(other.index)
      if (node.isDown) continue
      this.#input(node, { type: 'peer-down', peer })
      this.onunlinked?.(node, other)
    }
  }

  /** The node is gone at once: its links drop. */
  remove(node: SimNode): void {
    node.isDown = true
    for (const index of node.links.keys()) this.unlink(node, this.nodes[index] as SimNode)
  }

  /** Tells `to` the positions of the links of `from`; the array is not copied. */
  tellNeighbors(from: SimNode, to: SimNode, positions: readonly number[] | Float64Array): void {
    const peer = to.links.get(from.index)
    if (peer !== undefined) this.#input(to, { type: 'neighbors', peer, positions })
  }

  /** Calls `run` after `delayMs`. */
  after(delayMs: number, run: () => void): void {
    this.#queue.push(this.nowMs + delayMs, 0, 0, run)
  }

  /** Makes the trial known; its insert and fetch come later. */
  addTrial(trial: Trial): void {
    trial.id = this.#trials.push(trial) - 1
    this.#trialOf.set(trial.address, trial)
  }

  /** Inserts the trial's block at one of its homes. */
  insert(node: SimNode, trial: Trial, home: Home): void {
    const id = this.#nextInsert++
    this.#inserting.set(id, trial)
    const { address, block } = trial
    this.#input(node, { type: 'insert', id, address, home, block, trafficClass: 'bulk' })
  }

  /** Fetches the trial's block; `node` does not hold it. */
  fetch(node: SimNode, trial: Trial): void {
    trial.requester = node.index
    trial.startMs = this.nowMs
    const { id, address, homes } = trial
    const rest = { freshness: 0, trafficClass: 'realtime' } as const
    this.#input(node, { type: 'fetch', id, address, homes, ...rest })
  }

  /** Lets everything happen that is due before `untilMs`, or all there is. */
  run(untilMs = Infinity): void {
    const queue = this.#queue
    while (queue.pop(untilMs)) {
      this.nowMs = queue.atMs
      const { what, value } = queue
      this.#traced(queue.node, value)
      if (typeof what === 'function') what()
      else this.#happen(this.nodes[queue.node] as SimNode, value, what)
    }
    if (untilMs !== Infinity) this.nowMs = untilMs
  }

  /** FNV-1a over whole numbers: two runs that differ anywhere differ here but for chance. */
  #traced(node: number, value: number): void {
    for (const number of [this.nowMs * 1000, node, value]) {
      this.trace = Math.imul(this.trace ^ (number | 0), 0x01000193)
    }
  }

  #happen(node: SimNode, value: number, what: Exclude<Happening, () => void>): void {
    if (node.isDown) return
    if (what === undefined) this.#input(node, { type: 'timer', timer: value })
    else if (what.type === 'kept') {
      this.#input(node, { type: 'kept', ticket: value, isKept: true, block: what.block })
    } else if (what.type === 'receiving')
      this.#input(node, { type: 'receiving', peer: value, isArriving: true })
    else this.#arrive(node, value, what)
  }

  #arrive(node: SimNode, from: PeerId, message: Message): void {
    const sender = indexOf(from)
    if (node.links.get(sender) !== from) {
      if (isPoison(message)) this.poison.late++
      return // that link has ended
    }
    switch (message.type) {
      case 'fetch':
      case 'insert':
        this.#requestArrived(node, from, message)
        break
      case 'found':
      case 'data': {
        const address = node.router.awaitedBlock(from, message)
        const trial = address === undefined ? undefined : this.#trial(address)
        if (trial === undefined && isPoison(message)) this.poison.late++
        if (trial !== undefined && !isRight(trial, message.block)) {
          this.#ban(node, from)
          break
        }
        if (trial !== undefined && message.type === 'found') {
          trial.links.set(node.index, (trial.links.get(sender) ?? 0) + 1)
        }
        this.#input(node, { type: 'message', from, message })
        break
      }
      case 'not-found':
      case 'overload':
      case 'timeout':
      case 'accept':
      case 'have':
      case 'receipt':
      case 'cancel':
      case 'has':
        this.#input(node, { type: 'message', from, message })
        break
      case 'peers':
      case 'seek':
      case 'neighbors':
        break // the topologies talk without messages here
    }
  }

  #requestArrived(node: SimNode, from: PeerId, message: RequestMessage): void {
    const isFetch = message.type === 'fetch'
    if (isFetch && node.fault !== undefined && !isFairToRequests(node.fault)) {
      const answer = faultyAnswer(node.fault, message)
      if (answer !== undefined) this.#send(node, from, answer)
      return
    }
    const trial = this.#trial(message.address)
    const isHeld = trial.holders.has(node.index)
    const held = isHeld ? ({ block: trial.block, area: 'store' } as const) : undefined
    const { answer, known } = lookedUp(message, held)
    if (answer === undefined) {
      this.#input(node, { type: 'message', from, message, held: known })
      return
    }
    trial.links.set(node.index, 0)
    this.#send(node, from, { type: 'found', id: message.id, block: answer })
  }

  #ban(node: SimNode, peer: PeerId): void {
    const other = this.nodes[indexOf(peer)] as SimNode
    this.invariants.banned(node, other)
    this.bans++
    this.unlink(node, other)
  }

  #input(node: SimNode, input: Input): void {
    const outputs = node.router.handle(input, this.nowMs)
    for (const output of outputs) this.#output(node, output)
  }

  #output(node: SimNode, output: Output): void {
    switch (output.type) {
      case 'send':
        this.#send(node, output.to, output.message)
        break
      case 'start-timer':
        this.#queue.push(this.nowMs + output.delayMs, node.index, output.timer, undefined)
        break
      case 'stop-timer':
        break // it fires, and the router does not know it any more
      case 'keep':
        this.#keep(node, output)
        break
      case 'fetched':
        this.#fetched(node, output)
        break
      case 'inserted': {
        const trial = this.#inserting.get(output.id)
        if (trial !== undefined) trial.copies += output.copies
        this.#inserting.delete(output.id)
        break
      }
      case 'ban':
        this.#ban(node, output.peer)
        break
    }
  }

  /** Only stores are simulated: a block nobody reads is in no cache. */
  #keep(node: SimNode, output: Extract<Output, { type: 'keep' }>): void {
    const { address, block, area, ticket } = output
    this.invariants.kept(this.#trial(address), block)
    if (area === 'store') this.#trial(address).holders.add(node.index)
    if (ticket !== undefined)
      this.#queue.push(this.nowMs, node.index, ticket, { type: 'kept', block })
  }

  #fetched(node: SimNode, { id, result }: Extract<Output, { type: 'fetched' }>): void {
    const trial = this.#trials[id] as Trial
    this.invariants.fetched(trial, result)
    trial.result = result.type
    trial.endMs = this.nowMs
    trial.hops = trial.links.get(node.index) ?? 0
    trial.links.clear()
  }

  #send(node: SimNode, to: PeerId, message: Message): void {
    const other = this.nodes[indexOf(to)] as SimNode
    if (message.type === 'fetch' || message.type === 'insert') {
      const trial = this.#trial(message.address)
      this.invariants.asked(node, other, { request: message, trial })
      if (message.type === 'fetch') {
        trial.messages[message.home]++
        if (node.index === trial.requester) trial.firstHop ??= other.index
      }
    }
    if (isPoison(message)) {
      this.invariants.sentPoison(node)
      this.poison.sent++
    }
    if (node.links.get(other.index) !== to) {
      if (isPoison(message)) this.poison.late++
      return
    }
    // the other end knows the same link by this node's index
    const peer = to - other.index + node.index
    const [beginsMs, leavesMs] = this.#onLine(node, message)
    const latencyMs = this.latencyMs(node, other)
    if (beginsMs < leavesMs) {
      this.#queue.push(beginsMs + latencyMs, other.index, peer, { type: 'receiving' })
    }
    const atMs = leavesMs + latencyMs
    this.#queue.push(atMs, other.index, peer, message)
  }

  /** When the first and the last byte are on the line: blocks of one node leave one after another. */
  #onLine(node: SimNode, message: Message): [beginsMs: number, leavesMs: number] {
    const { blockMs = 0 } = this.#options
    if (blockMs === 0 || (message.type !== 'found' && message.type !== 'data')) {
      return [this.nowMs, this.nowMs]
    }
    const beginsMs = Math.max(this.nowMs, this.#busyUntilMs[node.index] ?? 0)
    this.#busyUntilMs[node.index] = beginsMs + blockMs
    return [beginsMs, beginsMs + blockMs]
  }

  #trial(address: Address): Trial {
    const trial = this.#trialOf.get(address)
    if (trial === undefined) throw new Error('a message names an address that nobody inserted')
    return trial
  }
}

function indexOf(peer: PeerId): number {
  return (peer % LINK_STEP) - 1
}

function pairName(a: SimNode, b: SimNode): string {
  return a.index < b.index ? `${a.index} ${b.index}` : `${b.index} ${a.index}`
}

function isPoison(message: Message): boolean {
  return message.type === 'found' && message.block === POISON
}

/** Verifies as a node does; the very object that was inserted needs no second look. */
function isRight(trial: Trial, block: Block): boolean {
  return block === trial.block || verify(trial.address, block) !== 'invalid'
}
