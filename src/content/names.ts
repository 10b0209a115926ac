/**
 * What this node knows of names: the newest edition of each that was looked up, in memory only (spec
 * §9.8). A head gives it in one round trip; where there is none, editions are probed.
 * @module
 */
import { concat, mapKey, utf8 } from '../keys/bytes.ts'
import type { Block } from '../keys/block.ts'
import { blake2b256 } from '../keys/primitives.ts'
import { documentAddress } from '../keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../keys/signed.ts'
import type { KskUri, SskUri, UskUri } from '../keys/uri.ts'
import type { LookUpOutcome } from '../node-types.ts'
import type { Clock } from '../runtime.ts'
import { ALL_HOMES, MissingBlock } from './blocks.ts'
import type { Keywords } from './keyword.ts'
import type { Manifest } from './manifest.ts'
import { probeEditions } from './probe.ts'
import type { LookUpFailure, NameContext, ProbeResult } from './probe.ts'
import { SharedCalls } from './shared-calls.ts'
import { HEAD_PLACE, manifestOf, namesEdition, openHead, openImmutable } from './signed-document.ts'
import type { OpenHead } from './signed-document.ts'

export type { NameContext } from './probe.ts'

/** Names remembered: at most 32 MiB of heads. */
const MAX_NAMES = 1000
/** Look-ups under way at once, each of another name; one more is E_BUSY. */
const MAX_LOOK_UPS = 256
/** How long a look-up stands for the newest edition, ms: a page's visit. */
const NEWEST_FRESH_MS = 60_000

export interface KnownHead {
  readonly edition: number
  /** As it was fetched. */
  readonly block: Block
}

export interface LookUpRequest {
  /** Edition that the URI names: where probing begins. */
  readonly from: number
  /** Probes from `from` on, whatever the head says. */
  readonly isExhaustive: boolean
  /** Answers from memory if the network was asked less than this long ago, ms. */
  readonly maxAgeMs: number
}

/** A name of which something was found: what is looked up in vain takes no place. */
interface Name {
  head: KnownHead | undefined
  /** Greatest edition that a verified block of this name showed. Never falls. */
  seen: number
  /** When the network was last asked and answered, by the clock. */
  askedAtMs: number
}

/** A head was `found` or there is none; else why it is not known. */
type HeadAnswer = { readonly type: 'found' } | { readonly type: 'not-found' } | LookUpFailure

export class NameTable {
  readonly #clock: Clock
  readonly #keywords: Keywords
  /** The one that was found the longest ago first. */
  readonly #names = new Map<string, Name>()
  readonly #heads = new SharedCalls<HeadAnswer>(MAX_LOOK_UPS)
  readonly #probes = new SharedCalls<ProbeResult>(MAX_LOOK_UPS)
  readonly #listeners = new Map<string, Set<(edition: number) => void>>()

  constructor(options: { clock: Clock; keywords: Keywords }) {
    this.#clock = options.clock
    this.#keywords = options.keywords
  }

  /** The newest edition of a name. @throws ShoalError E_BUSY; rejects with `signal.reason`. */
  async lookUp(
    key: DocumentKey,
    request: LookUpRequest,
    context: NameContext,
  ): Promise<LookUpOutcome> {
    const remembered = this.#remembered(key, request)
    if (remembered !== undefined) return remembered
    const startMs = this.#clock.now()
    const head = await this.#heads.run(nameOf(key), context.signal, (signal) =>
      this.#askHead(key, { ...context, signal }),
    )
    if (!request.isExhaustive && head.type === 'found') return this.#outcome(key, startMs)
    if (!request.isExhaustive && isFailure(head)) return head
    const probed = await this.#search(key, request, context)
    const failure = head.type === 'not-found' ? probed.failure : isFailure(head) ? head : undefined
    if (probed.newest === undefined && failure !== undefined) return failure
    return this.#outcome(key, this.#clock.now())
  }

  /**
   * The manifest of a document: of a USK the very edition that is named, or the newest for `latest`
   * and negative ones. @throws MissingBlock, ShoalError E_DECODE
   */
  async open(uri: SskUri | UskUri | KskUri, context: NameContext): Promise<Manifest> {
    if (uri.type === 'usk') return this.#openUsk(uri, context)
    const key = uri.type === 'ksk' ? (await this.#keywords.of(uri.word)).key : keyOfUri(uri)
    return this.#openPlace(key, { kind: uri.type, edition: 0 }, context)
  }

  /** The newest head seen of a name. */
  head(key: DocumentKey): KnownHead | undefined {
    return this.#names.get(nameOf(key))?.head
  }

  /** That head and what it says, where it is of this very edition. */
  headOf(key: DocumentKey, edition: number): (KnownHead & OpenHead) | undefined {
    const known = this.head(key)
    const head = known?.edition === edition ? openHead(key, known.block) : undefined
    return head && known && { ...head, block: known.block }
  }

  /** The greatest edition seen of a name; -1: none. */
  newest(key: DocumentKey): number {
    return this.#names.get(nameOf(key))?.seen ?? -1
  }

  /** This node published an edition under `headBlock`. */
  noteOwn(key: DocumentKey, edition: number, headBlock: Block): void {
    const entry = this.#entry(key)
    entry.askedAtMs = this.#clock.now()
    this.#noteHead(key, { edition, block: headBlock })
  }

  /** Calls `listener` for each newer edition of a name that this node learns. Returns how to stop. */
  onNewer(key: DocumentKey, listener: (edition: number) => void): () => void {
    const name = nameOf(key)
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) {
        this.#listeners.delete(name)
      }
    }
  }

  #remembered(
    key: DocumentKey,
    { isExhaustive, maxAgeMs }: LookUpRequest,
  ): LookUpOutcome | undefined {
    const known = this.#names.get(nameOf(key))
    if (isExhaustive || known === undefined) return undefined
    const ageMs = this.#clock.now() - known.askedAtMs
    return ageMs >= maxAgeMs ? undefined : { type: 'found', edition: known.seen, ageMs }
  }

  async #askHead(key: DocumentKey, { source, signal }: NameContext): Promise<HeadAnswer> {
    const startMs = this.#clock.now()
    const address = documentAddress(key, HEAD_PLACE)
    const result = await source.getNewest(address, { homes: ALL_HOMES, signal })
    if (result.type !== 'found') return result
    const head = openHead(key, result.block)
    if (head === undefined) return { type: 'not-found' }
    this.#noteHead(key, { edition: head.edition, block: result.block })
    this.#entry(key).askedAtMs = startMs
    return { type: 'found' }
  }

  /** A head below an edition already seen is an old one, whoever shows it. */
  #noteHead(key: DocumentKey, head: KnownHead): void {
    if (head.edition < this.newest(key)) return
    this.#entry(key).head = head
    this.#raise(key, head.edition)
  }

  #raise(key: DocumentKey, edition: number): void {
    const entry = this.#entry(key)
    if (edition <= entry.seen) return
    entry.seen = edition
    for (const listener of this.#listeners.get(nameOf(key)) ?? []) listener(edition)
  }

  /** Probes ahead of what is named and known; where that finds nothing, of what is known alone. */
  async #search(
    key: DocumentKey,
    { from, isExhaustive }: LookUpRequest,
    context: NameContext,
  ): Promise<ProbeResult> {
    const seen = this.newest(key)
    const start = Math.max(from, isExhaustive ? seen + 1 : seen, 0)
    const ahead = await this.#probe(key, start, context)
    if (!isExhaustive || ahead.newest !== undefined || start <= seen + 1) return ahead
    const known = await this.#probe(key, seen + 1, context)
    return { newest: known.newest, failure: ahead.failure ?? known.failure }
  }

  #probe(key: DocumentKey, start: number, context: NameContext): Promise<ProbeResult> {
    return this.#probes.run(`${nameOf(key)}${start}`, context.signal, (signal) => {
      const found = (edition: number): void => {
        this.#raise(key, edition)
      }
      return probeEditions(key, start, { source: context.source, signal, found })
    })
  }

  /** What is known of a name that was asked for at `askedAtMs`. */
  #outcome(key: DocumentKey, askedAtMs: number): LookUpOutcome {
    if (this.newest(key) < 0) return { type: 'not-found' }
    const entry = this.#entry(key)
    entry.askedAtMs = Math.max(entry.askedAtMs, askedAtMs)
    return { type: 'found', edition: entry.seen, ageMs: this.#clock.now() - entry.askedAtMs }
  }

  /** Of an edition that a head is known of, the head alone counts: a page must not change back. */
  async #openUsk(uri: UskUri, context: NameContext): Promise<Manifest> {
    const key = keyOfUri(uri)
    const edition = await this.#editionOf(uri, key, context)
    const head = this.headOf(key, edition)
    if (head !== undefined) return manifestOf(head.body, context)
    const place = { kind: 'edition', edition } as const
    const block = await this.#blockAt(key, place, context)
    const later = this.headOf(key, edition)
    const isOther = later !== undefined && !namesEdition(later, block)
    const body = isOther ? later.body : openImmutable(key, place, block)
    this.#raise(key, edition)
    return manifestOf(body, context)
  }

  async #editionOf(uri: UskUri, key: DocumentKey, context: NameContext): Promise<number> {
    const { edition } = uri
    if (edition !== 'latest' && edition >= 0) return edition
    if (context.isLocalOnly === true) {
      // a look-up is shared with others, who want the network asked
      if (this.newest(key) < 0) throw new MissingBlock({ type: 'not-local' })
      return this.newest(key)
    }
    const request = requestOf(uri, NEWEST_FRESH_MS)
    const outcome = await this.lookUp(key, request, context)
    if (outcome.type !== 'found') throw new MissingBlock(outcome)
    return outcome.edition
  }

  async #openPlace(
    key: DocumentKey,
    place: DocumentPlace,
    context: NameContext,
  ): Promise<Manifest> {
    const block = await this.#blockAt(key, place, context)
    return manifestOf(openImmutable(key, place, block), context)
  }

  async #blockAt(
    key: DocumentKey,
    place: DocumentPlace,
    { source, signal }: NameContext,
  ): Promise<Block> {
    const result = await source.getBlock(documentAddress(key, place), { isTop: true, signal })
    if (result.type !== 'found') throw new MissingBlock(result)
    return result.block
  }

  #entry(key: DocumentKey): Name {
    const name = nameOf(key)
    const entry = this.#names.get(name) ?? {
      head: undefined,
      seen: -1,
      askedAtMs: Number.NEGATIVE_INFINITY,
    }
    this.#names.delete(name)
    this.#names.set(name, entry)
    if (this.#names.size > MAX_NAMES) {
      const oldest = this.#names.keys().next()
      if (oldest.done !== true) this.#names.delete(oldest.value)
    }
    return entry
  }
}

/** The document that a URI of a publisher names. */
export function keyOfUri({ publicKey, readKey, document }: SskUri | UskUri): DocumentKey {
  return { publicKey, readKey, name: document }
}

/** How the newest edition is looked up for a USK: a negative edition searches in any case. */
export function requestOf({ edition }: UskUri, maxAgeMs: number): LookUpRequest {
  if (edition === 'latest') return { from: 0, isExhaustive: false, maxAgeMs }
  return { from: Math.abs(edition), isExhaustive: edition < 0, maxAgeMs }
}

function isFailure(answer: HeadAnswer): answer is LookUpFailure {
  return answer.type === 'timed-out' || answer.type === 'no-peers'
}

function nameOf({ publicKey, readKey, name }: DocumentKey): string {
  return mapKey(blake2b256(concat(publicKey, readKey, utf8(name))))
}
