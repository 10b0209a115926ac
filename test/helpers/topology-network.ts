/**
 * Many topologies under one simulated clock: dials that take time or fail, refusals that tell of others,
 * SEEK answered by `nearest`. No sockets and no frames: who links with whom is all there is.
 * @module
 */
import { RING, distance } from '../../src/routing/position.ts'
import { Topology } from '../../src/routing/topology.ts'
import type { Candidate, TopologyInput, TopologyOutput } from '../../src/routing/topology.ts'
import type { TopologyTuning } from '../../src/routing/topology.ts'
import { createSeededRng } from './rng.ts'
import type { Rng } from '../../src/runtime.ts'

const DIAL_MS = 300
const ONE_WAY_MS = 50
const DIAL_TIME_OUT_MS = 5000
/** A loss without a goodbye is noticed after this. */
const LOSS_MS = 6000
const RENDEZVOUS_MS = 30_000
const ANSWERED = 5

/** What becomes of a dial to a key that no member has. */
export type Decoy =
  /** Nobody is there: 5 s until that is known, or 20. */
  | { readonly kind: 'dead'; readonly silentMs: number }
  /** Takes the connection and ends it at once. */
  | { readonly kind: 'closing' }
  /** Has no room, and tells of others. */
  | { readonly kind: 'full'; readonly told: readonly Candidate[] }

export interface Member {
  readonly key: string
  readonly position: number
  readonly topology: Topology
  readonly links: Set<string>
  /** Dials under way. */
  readonly dialing: Set<string>
  isAlive: boolean
  readonly startedAtMs: number
  dials: number
  drops: number
  seeks: number
  refusals: number
}

interface Event {
  readonly atMs: number
  readonly run: () => void
}

export class TopologyNetwork {
  readonly rng: Rng
  readonly members = new Map<string, Member>()
  nowMs = 0
  /** Pairs that cannot connect directly. */
  isUnreachable: (a: string, b: string) => boolean = () => false
  /** What somebody answers to SEEK instead of the truth. */
  answer: (by: Member, asker: Member) => Candidate[] | undefined = () => undefined
  /** How a key that no member has behaves. */
  decoy: (key: string, dialer: Member) => Decoy = () => ({
    kind: 'dead',
    silentMs: DIAL_TIME_OUT_MS,
  })
  /** What the rendezvous tells a node. */
  rendezvous: (of: Member) => Candidate[] = (of) => this.some(8, of.key)
  readonly #tuning: Partial<TopologyTuning>
  readonly #events: Event[] = []
  #next = 0

  constructor(seed: number, tuning: Partial<TopologyTuning> = {}) {
    this.rng = createSeededRng(seed)
    this.#tuning = tuning
  }

  get alive(): Member[] {
    return [...this.members.values()].filter((member) => member.isAlive)
  }

  /** Up to `count` members at random. */
  some(count: number, but: string): Member[] {
    const all = this.alive
    const chosen = new Set<Member>()
    for (let each = 0; each < 2 * count && chosen.size < count && all.length > 1; each++) {
      const member = all[this.rng.below(all.length)]
      if (member !== undefined && member.key !== but) chosen.add(member)
    }
    return [...chosen]
  }

  join(position = this.rng.below(RING)): Member {
    const key = `n${this.#next++}`
    const seed = this.rng.below(2 ** 32)
    const member: Member = {
      key,
      position,
      topology: new Topology({ position, rng: createSeededRng(seed), tuning: this.#tuning }),
      links: new Set(),
      dialing: new Set(),
      isAlive: true,
      startedAtMs: this.nowMs,
      dials: 0,
      drops: 0,
      seeks: 0,
      refusals: 0,
    }
    this.members.set(key, member)
    this.give(member, { type: 'started' })
    this.#lookUp(member)
    this.#tick(member)
    return member
  }

  /** Gone without a goodbye. */
  leave(member: Member): void {
    member.isAlive = false
    for (const key of member.links) {
      const other = this.members.get(key) as Member
      this.after(LOSS_MS, () => this.#end(other, member.key, true))
    }
    this.members.delete(member.key)
  }

  after(delayMs: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + delayMs, run })
  }

  run(forMs: number): void {
    const until = this.nowMs + forMs
    for (;;) {
      const event = this.#events[0]
      if (event === undefined || event.atMs > until) break
      this.#pop()
      this.nowMs = event.atMs
      event.run()
    }
    this.nowMs = until
  }

  /** The `count` nearest on each side that are alive and have been for `sinceMs`. */
  trueNeighbors(of: Member, count: number, sinceMs = 0): Member[] {
    const others = this.alive
      .filter((other) => other !== of && this.nowMs - other.startedAtMs >= sinceMs)
      .toSorted((a, b) => steps(of, a) - steps(of, b))
    return [...new Set([...others.slice(0, count), ...others.slice(-count)])]
  }

  /** Share of the true neighbors that are linked. */
  ringShare(of: Member, count = 4, sinceMs = 0): number {
    const neighbors = this.trueNeighbors(of, count, sinceMs)
    return neighbors.filter(({ key }) => of.links.has(key)).length / Math.max(1, neighbors.length)
  }

  /** Hands an input to its topology, and does what that says. */
  give(member: Member, input: TopologyInput): void {
    if (!member.isAlive) return
    for (const output of member.topology.handle(input, this.nowMs)) this.#obey(member, output)
  }

  #obey(member: Member, output: TopologyOutput): void {
    if (output.type === 'dial') {
      member.dials++
      this.#dial(member, output.key, output.through)
    } else if (output.type === 'drop') {
      member.drops++
      member.dialing.delete(output.key) // as a transport ends the dial, too
      const isLinked = member.links.delete(output.key)
      const other = this.members.get(output.key)
      if (!isLinked) return
      this.after(0, () =>
        this.give(member, { type: 'unlinked', key: output.key, wasWanted: false }),
      )
      if (other !== undefined) this.after(ONE_WAY_MS, () => this.#end(other, member.key, true))
    } else {
      member.seeks++
      this.#seek(member, output.via, output.target)
    }
  }

  #dial(from: Member, key: string, through: string | undefined): void {
    const to = this.members.get(key)
    if (to === undefined) return this.#dialDecoy(from, key)
    const isDirect = through === undefined && !this.isUnreachable(from.key, key)
    const relay = through === undefined ? undefined : this.members.get(through)
    const isRelayed = relay?.links.has(key) === true && relay.links.has(from.key)
    if (!isDirect && !isRelayed) {
      this.after(DIAL_TIME_OUT_MS, () => this.give(from, { type: 'dial-failed', key }))
      return
    }
    from.dialing.add(key)
    this.after(DIAL_MS, () => {
      if (from.dialing.delete(key)) this.#connect(from, to)
    })
  }

  #dialDecoy(from: Member, key: string): void {
    const decoy = this.decoy(key, from)
    if (decoy.kind === 'dead') {
      this.after(decoy.silentMs, () => this.give(from, { type: 'dial-failed', key }))
      return
    }
    this.after(DIAL_MS + ONE_WAY_MS, () => {
      if (decoy.kind === 'full') {
        this.give(from, { type: 'found', candidates: decoy.told, source: key })
      }
      this.give(from, { type: 'dial-failed', key, wasRefused: true })
    })
  }

  #connect(from: Member, to: Member): void {
    if (!to.isAlive || !from.isAlive) {
      this.give(from, { type: 'dial-failed', key: to.key })
      return
    }
    if (from.links.has(to.key)) return // both dialed
    if (!to.topology.wouldAccept(from)) {
      from.refusals++
      const candidates = this.#nearest(to, from, from.position)
      this.after(ONE_WAY_MS, () => {
        this.give(from, { type: 'found', candidates, source: to.key })
        this.give(from, { type: 'dial-failed', key: to.key, wasRefused: true })
      })
      return
    }
    this.link(from, to)
  }

  /** `to` takes a link that `from` has dialed, whether or not it has a use for it. */
  link(from: Member, to: Member): void {
    from.links.add(to.key)
    to.links.add(from.key)
    const { key, position } = to
    this.give(to, { type: 'linked', key: from.key, position: from.position, isInbound: true })
    this.give(from, { type: 'linked', key, position, isInbound: false })
  }

  #end(member: Member, key: string, wasWanted: boolean): void {
    if (member.links.delete(key)) this.give(member, { type: 'unlinked', key, wasWanted })
  }

  #nearest(by: Member, asker: Member, target: number): Candidate[] {
    return (
      this.answer(by, asker) ??
      by.topology
        .nearest(target, ANSWERED + 1)
        .filter(({ key }) => key !== asker.key)
        .slice(0, ANSWERED)
    )
  }

  #seek(member: Member, via: string, target: number): void {
    this.after(2 * ONE_WAY_MS, () => {
      const other = this.members.get(via)
      if (other === undefined || !member.links.has(via)) return
      const candidates = this.#nearest(other, member, target)
      this.give(member, { type: 'found', candidates, source: via })
    })
  }

  #lookUp(member: Member): void {
    if (!member.isAlive) return
    const candidates = this.rendezvous(member).map(({ key, position }) => ({ key, position }))
    this.give(member, { type: 'found', candidates, source: 'rendezvous' })
    this.after(RENDEZVOUS_MS, () => this.#lookUp(member))
  }

  #tick(member: Member): void {
    if (!member.isAlive) return
    if (this.nowMs >= member.topology.nextTickMs) this.give(member, { type: 'tick' })
    this.after(Math.max(100, member.topology.nextTickMs - this.nowMs), () => this.#tick(member))
  }

  #push(event: Event): void {
    const heap = this.#events
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((heap[parent] as Event).atMs <= event.atMs) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#events
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      const other = heap[child + 1]
      if (other !== undefined && other.atMs < (heap[child] as Event).atMs) child++
      if ((heap[child] as Event).atMs >= last.atMs) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
  }
}

function steps(from: Member, to: Member): number {
  return (to.position - from.position + RING) % RING
}

/** Largest difference between the spread of `values`, all in [0, 1], and an even one. */
export function kolmogorovSmirnov(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  let largest = 0
  sorted.forEach((value, index) => {
    const below = index / sorted.length
    const upTo = (index + 1) / sorted.length
    largest = Math.max(largest, Math.abs(value - below), Math.abs(value - upTo))
  })
  return largest
}

/** Lengths of links beyond `from`, on a log scale: evenly spread in [0, 1] if they follow 1/d. */
export function logLengths(members: readonly Member[], from: number): number[] {
  return members.flatMap(({ position, topology }) =>
    topology.links
      .map((link) => distance(link.position, position))
      .filter((away) => away >= from)
      .map((away) => Math.log(away / from) / Math.log(RING / 2 / from)),
  )
}
