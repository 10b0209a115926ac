/**
 * The links of a node by what each is for (spec §9.9): the nearest 4 on each side, one long link a
 * slot, and spares. Says which link would be welcome and which is the first to go.
 * @module
 */
import type { Rng } from '../runtime.ts'
import { RING, distance } from './position.ts'
import { estimateSize, estimateSpacing } from './ring-size.ts'
import {
  RING_NEIGHBORS,
  clockwise,
  drawFraction,
  placeOf,
  positionInSlot,
  slotBoundaries,
} from './ring-slots.ts'
import type { SlotBoundaries } from './ring-slots.ts'
import type { LinkRole, PeerKey, TopologyLink, TopologyTuning } from './topology-ports.ts'

/** A younger link goes only where there are too many. */
const SETTLED_LINK_MS = 60_000
/** Spacing taken where nobody is known yet: any will do. */
const FIRST_SPACING = 2 ** 44
/** The slots stay where they are while the estimated spacing changes by less than this factor. */
const SPACING_TOLERANCE = 1.25

export interface HeldLink extends TopologyLink {
  /** Steps clockwise from this node. */
  readonly after: number
  readonly sinceMs: number
  role: LinkRole
  slot: number | undefined
  /** How far into its slot, [0, 1]. */
  fraction: number
}

export class LinkTable {
  readonly #position: number
  readonly #tuning: TopologyTuning
  readonly #rng: Rng
  /** By steps clockwise: the nearest after this node first, the nearest before it last. */
  #links: HeldLink[] = []
  #spacing = FIRST_SPACING
  #boundaries: SlotBoundaries
  /** Where in each slot the link should be, [0, 1): the one that comes nearest holds the slot. */
  readonly #aims: Float64Array
  #positions: readonly number[] | undefined

  constructor(options: { position: number; rng: Rng; tuning: TopologyTuning }) {
    this.#position = options.position
    this.#rng = options.rng
    this.#tuning = options.tuning
    this.#boundaries = slotBoundaries(FIRST_SPACING, options.tuning.slotsPerSide)
    this.#aims = new Float64Array(2 * options.tuning.slotsPerSide)
    for (let slot = 0; slot < this.#aims.length; slot++) this.redrawAim(slot)
  }

  get all(): readonly HeldLink[] {
    return this.#links
  }

  get size(): number {
    return this.#links.length
  }

  get slots(): number {
    return this.#aims.length
  }

  /** Where the slots begin and end now: another object whenever that has changed. */
  get boundaries(): SlotBoundaries {
    return this.#boundaries
  }

  get positions(): readonly number[] {
    this.#positions ??= this.#links.map((link) => link.position)
    return this.#positions
  }

  get estimatedSize(): number | undefined {
    return estimateSize(this.#links.map((link) => link.after))
  }

  get(key: PeerKey): HeldLink | undefined {
    return this.#links.find((link) => link.key === key)
  }

  add(of: { key: PeerKey; position: number; isInbound: boolean }, nowMs: number): HeldLink {
    const after = clockwise(this.#position, of.position)
    const { key, position, isInbound } = of
    const link: HeldLink = {
      key,
      position,
      isInbound,
      after,
      sinceMs: nowMs,
      role: 'spare',
      slot: undefined,
      fraction: 0,
    }
    this.#place(link)
    const at = this.#links.findIndex((other) => other.after > after)
    this.#links.splice(at === -1 ? this.#links.length : at, 0, link)
    this.#changed()
    return link
  }

  remove(key: PeerKey): HeldLink | undefined {
    const at = this.#links.findIndex((link) => link.key === key)
    if (at === -1) return undefined
    const [link] = this.#links.splice(at, 1)
    this.#changed()
    return link
  }

  /** Whether a peer there would be among the nearest 4 on a side. */
  wouldBeRing(position: number): boolean {
    const after = clockwise(this.#position, position)
    const fourthAfter = this.#links[RING_NEIGHBORS - 1]
    const fourthBefore = this.#links[this.#links.length - RING_NEIGHBORS]
    return (
      fourthAfter === undefined ||
      fourthBefore === undefined ||
      after < fourthAfter.after ||
      after > fourthBefore.after
    )
  }

  /** Distance of the farther one of the 4th neighbors; Infinity as long as there are fewer. */
  get ringReach(): number {
    const fourthAfter = this.#links[RING_NEIGHBORS - 1]
    const fourthBefore = this.#links[this.#links.length - RING_NEIGHBORS]
    if (fourthAfter === undefined || fourthBefore === undefined) return Infinity
    return Math.max(fourthAfter.after, RING - fourthBefore.after)
  }

  /** The ring neighbors of one side, nearest first. */
  ringSide(side: 'after' | 'before'): HeldLink[] {
    const near =
      side === 'after'
        ? this.#links.slice(0, RING_NEIGHBORS)
        : this.#links.slice(-RING_NEIGHBORS).reverse()
    return near
  }

  /** Whether a peer there has a slot that is free, or comes nearer to its aim than who holds it. */
  wouldHoldSlot(position: number): boolean {
    const place = placeOf(this.#position, position, this.#boundaries)
    if (place === undefined) return false
    const holder = this.#holderOf(place.slot)
    return holder === undefined || this.#offAim(place) < this.#offAim(holder)
  }

  slotOf(position: number): number | undefined {
    return placeOf(this.#position, position, this.#boundaries)?.slot
  }

  /** By slot: 1 where no link holds it. */
  freeSlots(): Uint8Array {
    const free = new Uint8Array(this.#aims.length).fill(1)
    for (const { role, slot } of this.#links) {
      if (role === 'long' && slot !== undefined) free[slot] = 0
    }
    return free
  }

  /** Links that lie in `slot`; undefined: nearer than the slots begin. */
  countIn(slot: number | undefined): number {
    let count = 0
    for (const link of this.#links) if (link.role !== 'ring' && link.slot === slot) count++
    return count
  }

  /** Position that the link of `slot` should be near. */
  aimOf(slot: number): number {
    return positionInSlot(this.#position, slot, this.#aims[slot] as number, this.#boundaries)
  }

  redrawAim(slot: number): void {
    this.#aims[slot] = drawFraction(this.#rng)
  }

  /** The link nearest to `target`; `rank` 1: the next nearest, and so on, the last at most. */
  nearestTo(target: number, rank = 0): HeldLink | undefined {
    const sorted = this.#links.toSorted(
      (a, b) => distance(a.position, target) - distance(b.position, target),
    )
    return sorted[Math.min(rank, sorted.length - 1)]
  }

  /** Who goes when there are too many: the youngest spare, else the youngest that is no neighbor. */
  get tooMany(): HeldLink | undefined {
    if (this.#links.length <= this.#tuning.mostLinks) return undefined
    const youngest = (links: HeldLink[]): HeldLink | undefined =>
      links.reduce<HeldLink | undefined>(
        (best, link) => (best === undefined || link.sinceMs >= best.sinceMs ? link : best),
        undefined,
      )
    return (
      youngest(this.#links.filter((link) => link.role === 'spare')) ??
      youngest(this.#links.filter((link) => link.role === 'long')) ??
      youngest(this.#links)
    )
  }

  /** The spare to give up while there are more links than are kept: the one farthest from its aim. */
  surplus(nowMs: number): HeldLink | undefined {
    if (this.#links.length <= this.#tuning.keptLinks) return undefined
    let worst: HeldLink | undefined
    for (const link of this.#links) {
      if (link.role !== 'spare' || nowMs - link.sinceMs < SETTLED_LINK_MS) continue
      if (worst === undefined || this.#offAim(link) > this.#offAim(worst)) worst = link
    }
    return worst
  }

  #offAim(place: { slot: number | undefined; fraction: number }): number {
    if (place.slot === undefined) return 0
    return Math.abs(place.fraction - (this.#aims[place.slot] as number))
  }

  #holderOf(slot: number): HeldLink | undefined {
    return this.#links.find((link) => link.role === 'long' && link.slot === slot)
  }

  #place(link: HeldLink): void {
    const place = placeOf(this.#position, link.position, this.#boundaries)
    link.slot = place?.slot
    link.fraction = place?.fraction ?? 0
  }

  #changed(): void {
    this.#positions = undefined
    this.#moveSlots()
    const holders = new Map<number, HeldLink>()
    this.#links.forEach((link, index) => {
      const isRing = index < RING_NEIGHBORS || index >= this.#links.length - RING_NEIGHBORS
      link.role = isRing ? 'ring' : 'spare'
      if (isRing || link.slot === undefined) return
      const holder = holders.get(link.slot)
      if (holder === undefined || this.#offAim(link) < this.#offAim(holder)) {
        holders.set(link.slot, link)
      }
    })
    for (const link of holders.values()) link.role = 'long'
  }

  #moveSlots(): void {
    const spacing = estimateSpacing(this.#links.map((link) => link.after))
    if (spacing === undefined) return
    const change = spacing / this.#spacing
    if (change < SPACING_TOLERANCE && change > 1 / SPACING_TOLERANCE) return
    this.#spacing = spacing
    this.#boundaries = slotBoundaries(spacing, this.#tuning.slotsPerSide)
    for (const link of this.#links) this.#place(link)
  }
}
