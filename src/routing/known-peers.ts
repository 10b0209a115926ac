/**
 * Peers that this node has heard of and is not linked with (spec §9.9): hearsay, so bounded in all, for
 * each who told, and for each slot of the ring; who tells of the dead is not believed for a while.
 * @module
 */
import type { Candidate, CandidateSource, PeerKey } from './topology-ports.ts'

/** All entries together; beyond it the source with the most gives up its oldest. */
export const MAX_KNOWN = 640
/** Entries of one source; beyond it, it loses one of its own. */
export const MAX_PER_SOURCE = 64
/** Entries of one source in one slot, so that near ones are not washed out by the many far ones. */
const MAX_PER_SLOT = 16
/** Sources that are the DHT and the cache on disk have a share of their own. */
const OWN_SHARES = new Map<CandidateSource, number>([
  ['rendezvous', 128],
  ['cache', 256],
])
/** Who told of entries; beyond it the one with the fewest goes. */
export const MAX_SOURCES = 64
/** Doubt at which a source is not believed: so many dead ones in a row. */
const MOST_DOUBT = 8
/** A neighbor that does not take the link: mostly it has nearer ones, and one told of it lives. */
const REFUSAL_DOUBT = 0.34
const MUTED_MS = 600_000
const FIRST_RETRY_MS = 1000
const LONGEST_RING_RETRY_MS = 300_000
const LONGEST_RETRY_MS = 1_800_000
/** A peer that did not take the link is asked again after this, ms; doubles. */
const FIRST_REFUSED_RETRY_MS = 15_000
/** Whom a node dials that is cut off, or whom the rendezvous tells of again, waits no longer, ms. */
const HURRY_MS = 15_000
const TOLD_AGAIN_MS = 60_000
/** A peer whose links break at once this often in a row is not taken until its time has come. */
const FLAPS = 4

/** Own experience counts as a source as well: peers that were linked before. */
export const PAST = 'past'

export interface KnownPeer {
  readonly key: PeerKey
  /** Hearsay until a link has proved it: of several that are told the nearest counts. */
  readonly position: number
  /** Distance of that from this node. */
  readonly away: number
  /** Its slot, as of the last `placeAll`; undefined: nearer than the slots begin. */
  readonly slot: number | undefined
  /** Who answers for it. */
  readonly source: Readonly<Source>
  /** The link that told of it last. */
  toldBy: PeerKey | undefined
  /** Dials in a row that came to nothing. */
  failures: number
  /** Links in a row that it did not take, or that broke at once. */
  refusals: number
  /** Of these, links that stood and broke at once. */
  breaks: number
  /** Not dialed before, ms. */
  retryAtMs: number
  /** When this node itself ended a link with it, ms; -Infinity: never. */
  partedAtMs: number
}

export interface Source {
  readonly name: CandidateSource
  /** Of its entries that were dialed since one was linked: dead ones count 1, refusals of neighbors a third. */
  doubt: number
  mutedUntilMs: number
}

interface OwnSource extends Source {
  /** Oldest first. */
  readonly entries: Set<Entry>
}

interface Entry extends KnownPeer {
  source: OwnSource
  position: number
  slot: number | undefined
  away: number
  /** Where it stands in the list of all. */
  index: number
  /** A link has proved the position. */
  isProven: boolean
}

/** What a dial was for, and on whose word. */
export interface Dialed {
  /** Who answers for it; undefined: nobody does. */
  readonly source: CandidateSource | undefined
  readonly isRing: boolean
}

/** What goes with a candidate: who told of it, and where its position lies from here. */
export interface Told {
  readonly source: CandidateSource
  readonly slot: number | undefined
  readonly away: number
}

export class KnownPeers {
  readonly #entries = new Map<PeerKey, Entry>()
  /** The same ones, in any order: all are looked at for each dial. */
  readonly #list: Entry[] = []
  #boundaries: unknown
  readonly #sources = new Map<CandidateSource, OwnSource>()

  get size(): number {
    return this.#entries.size
  }

  get sources(): number {
    return this.#sources.size
  }

  get(key: PeerKey): KnownPeer | undefined {
    return this.#entries.get(key)
  }

  /** All of them, in no particular order. */
  get all(): readonly KnownPeer[] {
    return this.#list
  }

  /** Says anew which slot each is in, if `boundaries` is another object than the last time. */
  placeAll(boundaries: unknown, slotOf: (position: number) => number | undefined): void {
    if (boundaries === this.#boundaries) return
    this.#boundaries = boundaries
    for (const entry of this.#list) entry.slot = slotOf(entry.position)
  }

  /** Notes a candidate, unless its source is not believed now; whether that is anything new. */
  add(candidate: Candidate, told: Told, nowMs: number): boolean {
    const source = this.#sourceOf(told.source)
    if (nowMs < source.mutedUntilMs) return false
    const existing = this.#entries.get(candidate.key)
    if (existing !== undefined) {
      const isMoved = this.#moved(existing, candidate, told)
      this.#toldAgain(existing, source)
      // whoever announces itself is most likely there again
      if (told.source === 'rendezvous') waitAtMost(existing, nowMs + TOLD_AGAIN_MS)
      return isMoved
    }
    const { key, position } = candidate
    const entry: Entry = {
      key,
      position,
      slot: told.slot,
      away: told.away,
      index: -1,
      isProven: told.source === PAST,
      source,
      toldBy: told.source,
      failures: 0,
      refusals: 0,
      breaks: 0,
      retryAtMs: 0,
      partedAtMs: -Infinity,
    }
    this.#file(entry, source)
    return true
  }

  /** The peer is gone from the network or from here: never to be dialed on anybody's word. */
  delete(key: PeerKey): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#drop(entry)
  }

  /** A link with it is open, `dialedFor` the word of that source: it is there, and at that position. */
  worked({ key, position }: Candidate, away: number, dialedFor?: CandidateSource): void {
    const source = dialedFor === undefined ? undefined : this.#sources.get(dialedFor)
    if (source !== undefined) source.doubt = 0
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.position = position
    entry.away = away
    entry.isProven = true
    entry.failures = 0
  }

  /** A dial came to nothing. */
  failed(key: PeerKey, { source, isRing }: Dialed, nowMs: number): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      entry.failures++
      entry.retryAtMs = nowMs + retryMs(FIRST_RETRY_MS, entry.failures, isRing)
    }
    this.#doubt(source, 1, nowMs)
  }

  /** It is there, but did not take the link. */
  refused(key: PeerKey, { source, isRing }: Dialed, nowMs: number): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#wait(entry, isRing, nowMs)
    // a neighbor has room for this node, and for other links it may well have none
    if (isRing) this.#doubt(source, REFUSAL_DOUBT, nowMs)
  }

  /** A link with it stood, and it ended that at once. */
  broke(key: PeerKey, isRing: boolean, nowMs: number): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.breaks++
    this.#wait(entry, isRing, nowMs)
  }

  /** A link that had lasted is gone; `isParted`: this node itself ended it. */
  parted(key: PeerKey, isParted: boolean, nowMs: number): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.refusals = 0
    entry.breaks = 0
    entry.retryAtMs = nowMs + (isParted ? FIRST_REFUSED_RETRY_MS : FIRST_RETRY_MS)
    entry.partedAtMs = isParted ? nowMs : -Infinity
  }

  /** Nobody waits longer than 15 s for the next dial. */
  hurry(nowMs: number): void {
    for (const entry of this.#list) waitAtMost(entry, nowMs + HURRY_MS)
  }

  /** Whether its links break as soon as they are made, and its time has not come again. */
  isFlapping(key: PeerKey, nowMs: number): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.breaks >= FLAPS && nowMs < entry.retryAtMs
  }

  /** Longer each time. */
  #wait(entry: Entry, isRing: boolean, nowMs: number): void {
    entry.failures = 0
    entry.refusals++
    entry.retryAtMs = nowMs + retryMs(FIRST_REFUSED_RETRY_MS, entry.refusals, isRing)
  }

  #doubt(name: CandidateSource | undefined, by: number, nowMs: number): void {
    const source = name === undefined ? undefined : this.#sources.get(name)
    if (source === undefined) return
    source.doubt += by
    if (!isHearsay(source.name) || source.doubt < MOST_DOUBT) return
    source.doubt = 0
    source.mutedUntilMs = nowMs + MUTED_MS
    for (const each of source.entries) this.#drop(each)
  }

  /** Of two positions the nearer one counts, so that no lie hides a neighbor: it costs a dial at most. */
  #moved(entry: Entry, { position }: Candidate, told: Told): boolean {
    if (entry.isProven || told.away >= entry.away) return false
    entry.position = position
    entry.slot = told.slot
    entry.away = told.away
    return true
  }

  /** Another tells of a known one: whoever has told fewer dead ones answers for it. */
  #toldAgain(entry: Entry, source: OwnSource): void {
    if (source.name !== PAST) entry.toldBy = source.name
    const isBetter = source.name === 'rendezvous' || source.doubt < entry.source.doubt
    if (!isBetter || entry.source === source || entry.source.name === 'rendezvous') return
    this.#drop(entry)
    this.#file(entry, source)
  }

  #file(entry: Entry, source: OwnSource): void {
    // an entry that is dropped may take its source along
    this.#sources.set(source.name, source)
    entry.source = source
    this.#makeRoom(entry, source)
    source.entries.add(entry)
    this.#entries.set(entry.key, entry)
    entry.index = this.#list.push(entry) - 1
  }

  #makeRoom(entry: Entry, source: OwnSource): void {
    const share = OWN_SHARES.get(source.name) ?? MAX_PER_SOURCE
    const inSlot = [...source.entries].filter((each) => each.slot === entry.slot)
    const mostInSlot = Math.max(MAX_PER_SLOT, share / 4)
    const victim = inSlot.length >= mostInSlot ? worstOf(inSlot) : undefined
    if (victim !== undefined) this.#drop(victim)
    else if (source.entries.size >= share) this.#drop(worstOf([...source.entries]))
    else if (this.#entries.size >= MAX_KNOWN) this.#drop(worstOf([...this.#largest().entries]))
    this.#sources.set(source.name, source)
  }

  /** The source with the most entries; the rendezvous keeps its own. */
  #largest(): OwnSource {
    let largest: OwnSource | undefined
    for (const source of this.#sources.values()) {
      if (source.name === 'rendezvous') continue
      if (largest === undefined || source.entries.size > largest.entries.size) largest = source
    }
    return largest as OwnSource // the rendezvous alone cannot fill the table
  }

  #sourceOf(name: CandidateSource): OwnSource {
    let source = this.#sources.get(name)
    if (source !== undefined) return source
    if (this.#sources.size >= MAX_SOURCES) this.#dropSource()
    source = { name, doubt: 0, mutedUntilMs: -Infinity, entries: new Set() }
    this.#sources.set(name, source)
    return source
  }

  #dropSource(): void {
    let least: OwnSource | undefined
    for (const source of this.#sources.values()) {
      if (!isHearsay(source.name)) continue
      if (least === undefined || isLesser(source, least)) least = source
    }
    for (const entry of least?.entries ?? []) this.#drop(entry)
    if (least !== undefined) this.#sources.delete(least.name)
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.key)
    entry.source.entries.delete(entry)
    const last = this.#list.pop() as Entry // which takes the place of the one that goes
    if (last === entry) return
    this.#list[entry.index] = last
    last.index = entry.index
  }
}

/** Whether it is a peer, which may lie. */
export function isHearsay(name: CandidateSource): boolean {
  return !OWN_SHARES.has(name) && name !== PAST
}

function waitAtMost(entry: Entry, untilMs: number): void {
  entry.retryAtMs = Math.min(entry.retryAtMs, untilMs)
}

/** Of a full list the oldest that failed or left at once, else the oldest. */
function worstOf(entries: readonly Entry[]): Entry {
  return entries.find((entry) => entry.failures > 0 || entry.refusals > 0) ?? (entries[0] as Entry)
}

/** Whoever is not believed now is remembered for longest; then whoever told most. */
function isLesser(a: OwnSource, b: OwnSource): boolean {
  if (a.mutedUntilMs !== b.mutedUntilMs) return a.mutedUntilMs < b.mutedUntilMs
  return a.entries.size < b.entries.size
}

function retryMs(firstMs: number, times: number, isRing: boolean): number {
  const longest = isRing ? LONGEST_RING_RETRY_MS : LONGEST_RETRY_MS
  return Math.min(longest, firstMs * 2 ** Math.min(20, times - 1))
}
