/**
 * Which links a node keeps (spec §9.9): the nearest 4 on each side of the ring, one long link a
 * log-distance slot, 20 to 32 in all. It knows nothing of requests: no input says what this node asks for.
 * @module
 */
import { chooseDial } from './dial-choice.ts'
import { Dials } from './dials.ts'
import { KnownPeers, PAST, isHearsay } from './known-peers.ts'
import type { KnownPeer, Told } from './known-peers.ts'
import { LinkTable } from './link-table.ts'
import { RING, distance } from './position.ts'
import { SlotSearch } from './slot-search.ts'
import type {
  Candidate,
  CandidateSource,
  PeerKey,
  TopologyInput,
  TopologyLink,
  TopologyOptions,
  TopologyOutput,
  TopologyTuning,
} from './topology-ports.ts'

export type {
  Candidate,
  CandidateSource,
  LinkRole,
  PeerKey,
  TopologyInput,
  TopologyLink,
  TopologyOptions,
  TopologyOutput,
  TopologyTuning,
} from './topology-ports.ts'

export const DEFAULT_TOPOLOGY_TUNING: TopologyTuning = {
  slotsPerSide: 8,
  leastLinks: 20,
  keptLinks: 26,
  mostLinks: 32,
}
/** Candidates that are looked at in one `found`. */
const MAX_TOLD = 256
/** Addresses kept across restarts. */
const MAX_KEPT = 256
/** Dials that failed after which a neighbor is dialed through a common link. */
const UNREACHABLE_AFTER = 3
/** A link that its peer ends before this was not taken, ms. */
const SHORT_LINK_MS = 10_000
/** The ring is settled when no nearer neighbor was linked for this long, ms. */
const SETTLED_MS = 1500
/** But other links wait no longer than this, however often the ring changes, ms. */
const LONGEST_UNSETTLED_MS = 10_000
/** Neighbors are asked for nearer ones this often, ms, and up to half as much later. */
const RING_SEEK_MS = 30_000
const BUSY_TICK_MS = 1000
const IDLE_TICK_MS = 5000
/** With fewer links a node may be cut off: nobody it knows waits long for the next dial. */
const CUT_OFF_BELOW = 2
/** A link that this node gave up is still told of for this long, ms. */
const RECENT_MS = 600_000
/** A banned peer is neither dialed nor told of for this long, ms (spec §7.5). */
const BANNED_MS = 3_600_000
/** Bans remembered; beyond it the oldest goes. */
const MAX_BANNED = 256
/** Tries of one aim before another place in the slot is aimed at. */
const TRIES_PER_AIM = 2
/** Links nearest to a place that are asked about it, or dialed through, one after the other. */
const ASKED_IN_TURN = 3

/** What only a node that dials needs: a node of a static network has none of it. */
interface Search {
  readonly known: KnownPeers
  readonly dials: Dials
  readonly slots: SlotSearch
  readonly banned: Map<PeerKey, number>
}

export class Topology {
  readonly #position: number
  readonly #rng: TopologyOptions['rng']
  readonly #tuning: TopologyTuning
  readonly #links: LinkTable
  #search: Search | undefined
  #isStarted = false
  #nowMs = 0
  #outputs: TopologyOutput[] = []
  /** Whether anything happened that may make another peer wanted, or dialed. */
  #hasNews = false
  #nextTickMs = Infinity
  /** When the ring changed for the better last. */
  #ringGainAtMs = -Infinity
  /** Since when it has not been settled. */
  #unsettledAtMs = -Infinity
  #hasRingChanged = false
  /** When neighbors are to be asked for nearer ones. */
  #ringSeekAtMs = Infinity

  constructor(options: TopologyOptions) {
    this.#position = options.position
    this.#rng = options.rng
    this.#tuning = { ...DEFAULT_TOPOLOGY_TUNING, ...options.tuning }
    this.#links = new LinkTable({ ...options, tuning: this.#tuning })
  }

  /** Takes one input at `nowMs`; returns what the driver must now do, in order. Never throws. */
  handle(input: TopologyInput, nowMs: number): TopologyOutput[] {
    this.#nowMs = Math.max(this.#nowMs, nowMs)
    this.#dispatch(input)
    if (this.#isStarted) {
      this.#dial()
      this.#setNextTick(input.type === 'tick')
    }
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }

  /**
   * Whether a link that was not dialed from here should be taken: it would be among the nearest 4 of
   * its side, would hold its slot, or there are few links. Whom it is worse than is dropped when it is
   * `linked`.
   */
  wouldAccept(candidate: Candidate): boolean {
    const { key, position } = candidate
    if (!this.#isPosition(position) || this.#isBanned(key)) return false
    if (this.#links.get(key) !== undefined) return true
    if (this.#search?.known.isFlapping(key, this.#nowMs) === true) return false
    return (
      this.#links.size < this.#tuning.leastLinks ||
      this.#links.wouldBeRing(position) ||
      this.#links.wouldHoldSlot(position)
    )
  }

  /** Whether it would be among the nearest 4 of its side. */
  wouldBeNeighbor(position: number): boolean {
    return this.#isPosition(position) && this.#links.wouldBeRing(position)
  }

  /** Up to `count` linked or recently linked peers nearest to `target`: the answer to SEEK. */
  nearest(target: number, count: number): Candidate[] {
    const candidates = this.#links.all.map(({ key, position }) => ({ key, position }))
    for (const { key, position, partedAtMs } of this.#search?.known.all ?? []) {
      const isRecent = this.#nowMs - partedAtMs < RECENT_MS
      if (isRecent && this.#links.get(key) === undefined) candidates.push({ key, position })
    }
    return candidates
      .sort((a, b) => distance(a.position, target) - distance(b.position, target))
      .slice(0, count)
  }

  /** Positions for NEIGHBORS, at most 32; another array whenever they change. */
  get neighborPositions(): readonly number[] {
    return this.#links.positions
  }

  /** Nodes in the network, by the spacing of the nearest; undefined with fewer than 2 links. */
  get estimatedSize(): number | undefined {
    return this.#links.estimatedSize
  }

  /** Each link and what it is for, clockwise from this node. */
  get links(): readonly TopologyLink[] {
    return this.#links.all
  }

  /** When `tick` is due, ms; Infinity before `started`. */
  get nextTickMs(): number {
    return this.#nextTickMs
  }

  /** To be kept across restarts: at most 256, links first, then peers that were linked, then others. */
  get worthKeeping(): readonly Candidate[] {
    const linked = this.#links.all.toSorted((a, b) => a.sinceMs - b.sinceMs)
    const known = [...(this.#search?.known.all ?? [])]
      .filter((peer) => peer.failures === 0 && this.#links.get(peer.key) === undefined)
      .toSorted((a, b) => Number(b.source.name === PAST) - Number(a.source.name === PAST))
    return [...linked, ...known].slice(0, MAX_KEPT).map(({ key, position }) => ({ key, position }))
  }

  /** What is held besides links, for tests: each has a bound. */
  get load(): { known: number; sources: number; dials: number; banned: number } {
    const { known, dials, banned } = this.#search ?? {}
    return {
      known: known?.size ?? 0,
      sources: known?.sources ?? 0,
      dials: dials?.size ?? 0,
      banned: banned?.size ?? 0,
    }
  }

  #dispatch(input: TopologyInput): void {
    switch (input.type) {
      case 'started':
        this.#isStarted = true
        this.#unsettle() // neighbors first: others wait as if one had just come
        this.#ringSeekAtMs = this.#nowMs
        this.#hasNews = true
        break
      case 'linked':
        this.#linked(input)
        break
      case 'unlinked':
        this.#unlinked(input)
        this.#hasNews = true
        break
      case 'found':
        this.#found(input)
        break
      case 'dial-failed':
        this.#dialFailed(input.key, input.wasRefused === true)
        this.#hasNews = true
        break
      case 'banned':
        this.#banned(input.key)
        this.#hasNews = true
        break
      case 'tick':
        this.#tick()
        this.#hasNews = true
        break
    }
  }

  #searchState(): Search {
    this.#search ??= {
      known: new KnownPeers(),
      dials: new Dials(),
      slots: new SlotSearch(this.#links.slots),
      banned: new Map(),
    }
    return this.#search
  }

  #linked(input: Extract<TopologyInput, { type: 'linked' }>): void {
    const { key, position } = input
    const dial = this.#search?.dials.end(key)
    this.#hasNews ||= dial !== undefined
    if (!this.#isPosition(position) || this.#isBanned(key)) {
      this.#drop(key)
      return
    }
    this.#search?.known.worked(input, distance(position, this.#position), dial?.source)
    this.#links.remove(key)
    const link = this.#links.add(input, this.#nowMs)
    if (link.slot !== undefined) this.#search?.slots.filled(link.slot)
    const tooMany = this.#links.tooMany
    if (tooMany !== undefined) this.#drop(tooMany.key)
    if (tooMany !== link && link.role === 'ring') this.#ringGained(link)
  }

  /** Who is nearer may know who is nearer still, and who is beside it; soon all are asked that again. */
  #ringGained({ key, position }: TopologyLink): void {
    this.#unsettle()
    this.#hasRingChanged = true
    this.#ringSeekAtMs = Math.min(this.#ringSeekAtMs, this.#nowMs + BUSY_TICK_MS)
    if (!this.#isStarted) return
    this.#seek(key, this.#position)
    this.#seek(key, position)
  }

  #unlinked({ key, wasWanted }: Extract<TopologyInput, { type: 'unlinked' }>): void {
    const link = this.#links.remove(key)
    if (link === undefined || !this.#isStarted) return
    const { known } = this.#searchState()
    this.#remember(link)
    const isShort = this.#nowMs - link.sinceMs < SHORT_LINK_MS
    if (wasWanted && isShort) known.broke(key, link.role === 'ring', this.#nowMs)
    else known.parted(key, !wasWanted, this.#nowMs)
    if (link.role !== 'ring') return
    this.#hasRingChanged = true
    this.#seekRing()
  }

  #found({ candidates, source }: Extract<TopologyInput, { type: 'found' }>): void {
    const { known } = this.#searchState()
    const account = this.#accountOf(source)
    for (const { key, position } of candidates.slice(0, MAX_TOLD)) {
      if (!this.#isPosition(position) || position === this.#position) continue
      if (this.#isBanned(key) || this.#links.get(key) !== undefined) continue
      const isNew = known.add({ key, position }, this.#toldBy(account, position), this.#nowMs)
      this.#hasNews ||= isNew
    }
  }

  /**
   * Who answers for what a source tells: for a peer without a link whoever told of it, so that no crowd
   * of one's own making is believed anew each time.
   */
  #accountOf(source: CandidateSource): CandidateSource {
    if (this.#links.get(source) !== undefined) return source
    const { dials, known } = this.#searchState()
    const teller = dials.get(source)?.source ?? known.get(source)?.source.name
    return teller !== undefined && isHearsay(teller) ? teller : source
  }

  #dialFailed(key: PeerKey, wasRefused: boolean): void {
    const search = this.#search
    const dial = search?.dials.end(key)
    if (search === undefined || dial === undefined) return // linked meanwhile, or given up
    if (dial.slot !== undefined) search.slots.dialFailed(dial.slot, this.#nowMs)
    // without a link this node may be cut off itself: that says nothing of who told of the other
    const source = this.#links.size === 0 ? undefined : dial.source
    const dialed = { source, isRing: dial.kind === 'ring' }
    if (wasRefused) search.known.refused(key, dialed, this.#nowMs)
    else search.known.failed(key, dialed, this.#nowMs)
  }

  #banned(key: PeerKey): void {
    const { banned, known, dials } = this.#searchState()
    banned.delete(key)
    banned.set(key, this.#nowMs + BANNED_MS)
    const [oldest] = banned.keys()
    if (banned.size > MAX_BANNED && oldest !== undefined) banned.delete(oldest)
    known.delete(key)
    dials.end(key)
    if (this.#links.get(key) !== undefined) this.#drop(key)
  }

  #drop(key: PeerKey): void {
    const link = this.#links.remove(key)
    this.#outputs.push({ type: 'drop', key })
    if (link === undefined || !this.#isStarted || this.#isBanned(key)) return
    this.#remember(link)
    this.#search?.known.parted(key, true, this.#nowMs)
  }

  #remember({ key, position }: TopologyLink): void {
    const { known } = this.#searchState()
    if (known.get(key) !== undefined) return
    known.add({ key, position }, this.#toldBy(PAST, position), this.#nowMs)
  }

  #toldBy(source: CandidateSource, position: number): Told {
    const away = distance(position, this.#position)
    return { source, slot: this.#links.slotOf(position), away }
  }

  #tick(): void {
    if (!this.#isStarted) return
    const { dials, known } = this.#searchState()
    if (this.#links.size < CUT_OFF_BELOW) known.hurry(this.#nowMs)
    for (const key of dials.overdue(this.#nowMs)) this.#dialFailed(key, false)
    const surplus = this.#links.surplus(this.#nowMs)
    if (surplus !== undefined) this.#drop(surplus.key)
    if (this.#nowMs >= this.#ringSeekAtMs) this.#seekRing()
    if (this.#isSettled) this.#seekSlots()
  }

  get #isSettled(): boolean {
    return (
      this.#nowMs - this.#ringGainAtMs >= SETTLED_MS ||
      this.#nowMs - this.#unsettledAtMs >= LONGEST_UNSETTLED_MS
    )
  }

  #unsettle(): void {
    if (this.#isSettled) this.#unsettledAtMs = this.#nowMs
    this.#ringGainAtMs = this.#nowMs
  }

  /**
   * Asks for this node's neighbors: one on each side who is nearest to here, and the ring neighbors whom
   * they have beside themselves, all of them after a change, else one a side: 5 answers about one place
   * never name the 4th on the far side of it.
   */
  #seekRing(): void {
    const hasChanged = this.#hasRingChanged
    this.#hasRingChanged = false
    this.#ringSeekAtMs = this.#nowMs + RING_SEEK_MS + this.#rng.below(RING_SEEK_MS / 2)
    for (const side of ['after', 'before'] as const) {
      const neighbors = this.#links.ringSide(side)
      const any = neighbors[this.#rng.below(Math.max(1, neighbors.length))]
      if (any === undefined) return
      this.#seek(any.key, this.#position)
      for (const { key, position } of hasChanged ? neighbors : [any]) this.#seek(key, position)
    }
  }

  /** Asks for peers in slots that are free, or in any while there are too few links. */
  #seekSlots(): void {
    const { slots, dials } = this.#searchState()
    const isShort = this.#links.size < this.#tuning.leastLinks
    const free = this.#links.freeSlots()
    for (let slot = 0; slot < free.length; slot++) {
      if (free[slot] === 0 && !isShort) continue
      if (!slots.isDue(slot, this.#nowMs) || dials.fills(slot)) continue
      const tries = slots.asked(slot, this.#nowMs)
      const target = this.#links.aimOf(slot)
      if (tries % TRIES_PER_AIM === 0) this.#links.redrawAim(slot)
      // another one each time: the nearest may be full, or lie
      const via = this.#links.nearestTo(target, (tries - 1) % ASKED_IN_TURN)
      if (via !== undefined) this.#seek(via.key, target)
    }
  }

  #seek(via: PeerKey, target: number): void {
    if (!this.#searchState().slots.take(this.#nowMs)) return
    this.#outputs.push({ type: 'seek', via, target })
  }

  #dial(): void {
    const search = this.#search
    if (search === undefined || !this.#hasNews) return
    this.#hasNews = false
    while (search.dials.mayBegin(this.#nowMs)) {
      const want = chooseDial({
        ...search,
        links: this.#links,
        isSettled: this.#isSettled,
        isShort: this.#links.size + search.dials.size < this.#tuning.leastLinks,
        nowMs: this.#nowMs,
      })
      if (want === undefined) return
      const { peer, kind, slot } = want
      const source = peer.source.name
      search.dials.begin(peer.key, { kind, slot, source, sinceMs: this.#nowMs })
      const through = kind === 'ring' ? this.#wayTo(peer) : undefined
      this.#outputs.push({
        type: 'dial',
        key: peer.key,
        ...(through === undefined ? {} : { through }),
      })
    }
  }

  /** After some failures: by way of who told of it, or of the nearest link, in turn. */
  #wayTo(peer: KnownPeer): PeerKey | undefined {
    if (peer.failures < UNREACHABLE_AFTER) return undefined
    const told = peer.toldBy === undefined ? undefined : this.#links.get(peer.toldBy)
    const tries = peer.failures - UNREACHABLE_AFTER
    const nearest = this.#links.nearestTo(peer.position, (tries >> 1) % ASKED_IN_TURN)
    const isTold = tries % 2 === 0
    return ((isTold ? told : nearest) ?? nearest)?.key
  }

  #setNextTick(hasTicked: boolean): void {
    const isBusy =
      !this.#isSettled ||
      this.#ringSeekAtMs - this.#nowMs <= BUSY_TICK_MS ||
      this.#links.size < this.#tuning.leastLinks ||
      (this.#search?.dials.size ?? 0) > 0
    const next = this.#nowMs + (isBusy ? BUSY_TICK_MS : IDLE_TICK_MS)
    this.#nextTickMs = hasTicked ? next : Math.min(this.#nextTickMs, next)
  }

  #isPosition(position: number): boolean {
    return Number.isInteger(position) && position >= 0 && position < RING
  }

  #isBanned(key: PeerKey): boolean {
    const until = this.#search?.banned.get(key)
    return until !== undefined && this.#nowMs < until
  }
}
