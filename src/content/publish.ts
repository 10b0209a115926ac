/**
 * Publications of one node (spec §9.8): content into the outbox, its document under a publisher's name
 * or a word, and the checks that come after.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { KeyedLock } from '../datastore/keyed-lock.ts'
import type { Address } from '../keys/block.ts'
import { documentNameFault } from '../keys/signed.ts'
import type { DocumentKey, Publisher } from '../keys/signed.ts'
import { formatUri } from '../keys/uri.ts'
import type { UskUri } from '../keys/uri.ts'
import type { PublishOptions, PublishResult, PublishSource } from '../node-types.ts'
import { linkAbort } from '../signals.ts'
import { announceName } from './announce.ts'
import type { BlockSink } from './block-sink.ts'
import type { BlockSource } from './blocks.ts'
import { ClaimChecker } from './claims.ts'
import type { Check, Claim } from './claims.ts'
import { decodeDocument } from './document.ts'
import type { DocumentBody } from './document.ts'
import { publishEdition } from './edition.ts'
import type { EditionParts, PublishedEdition } from './edition.ts'
import { viewEdition } from './edition-view.ts'
import type { EditionView } from './edition-view.ts'
import { publishFixed } from './fixed.ts'
import { HeldBlocks, withdrawEdition } from './held-blocks.ts'
import { checkContentType, convergenceSecretFor, withSink } from './insert.ts'
import type { InsertContext } from './insert.ts'
import type { Keywords } from './keyword.ts'
import { writeManifest } from './manifest-source.ts'
import type { WrittenManifest } from './manifest-source.ts'
import type { NameTable } from './names.ts'
import type { Network } from './network.ts'
import { bytesOfBody } from './signed-document.ts'
import { SpreadRecord } from './spread-record.ts'

/** What publishing asks of the keyring; throws ShoalError E_NO_KEY, E_NAME, E_STORE_IO, E_STORE_FULL. */
export interface PublishKeyring {
  publisher(name: string): Publisher
  lastEdition(name: string, document: string): number
  setEdition(name: string, document: string, edition: number): Promise<void>
  spreadRecord(name: string, document: string): Promise<ReadonlySet<string> | undefined>
  saveSpreadRecord(name: string, document: string, addresses: ReadonlySet<string>): Promise<void>
  claims(): readonly Claim[]
  addClaim(claim: Claim): Promise<void>
  dropClaim(claim: Pick<Claim, 'key' | 'document' | 'edition'>): Promise<void>
}

/** `peers` is that of `network`. */
export type PublicationParts = Omit<InsertContext, 'signals' | 'isSpread' | 'peers'> & {
  readonly network: Network
  readonly source: BlockSource
  readonly names: NameTable
  readonly keywords: Keywords
  readonly keyring: PublishKeyring
  /** Days since 1970. */
  readonly today: () => number
}

export interface WordOptions {
  readonly word: string
  readonly isConvergent: boolean
  readonly signal?: AbortSignal | undefined
}

export interface WordResult {
  readonly uri: string
  readonly size: number
  readonly files: number
  /** Of a file: its content type, as `InsertResult` has it. */
  readonly type: string
  readonly insertId: number
}

/** One document of one key: what publications take turns for. */
interface Place {
  readonly name: string
  readonly document: string
  readonly publisher: Publisher
  readonly key: DocumentKey
}

export class Publications {
  readonly #parts: PublicationParts
  readonly #editionParts: EditionParts
  readonly #held = new HeldBlocks()
  /** Editions of one document are decided one after the other. */
  readonly #turns = new KeyedLock()
  readonly #closing = linkAbort([])
  readonly #checker: ClaimChecker

  constructor(parts: PublicationParts) {
    this.#parts = parts
    this.#editionParts = { ...parts, held: this.#held }
    const { clock, network, keyring } = parts
    const held = keyring.claims()
    for (const { key, document, edition } of held) {
      this.#held.hold(this.#placeOf(key, document).key, edition)
    }
    const check = (pending: Check): Promise<'settled' | 'later'> => this.#check(pending)
    this.#checker = new ClaimChecker({ clock, peers: network.peers, check, held })
  }

  /** Whether the outbox must keep this block to itself for now. */
  isHeld(address: Address): boolean {
    return this.#held.has(address)
  }

  /** A peer has come: editions published without any can be checked. */
  wake(): void {
    this.#checker.wake()
  }

  async close(): Promise<void> {
    this.#closing.abort(new ShoalError('E_CLOSED', 'The node is closing.'))
    await this.#checker.close()
  }

  /** As `Node.publish`. */
  async publish(source: PublishSource, options: PublishOptions): Promise<PublishResult> {
    if (source.type === 'file') checkContentType(source.contentType)
    const place = this.#placeOf(options.key, options.document)
    return options.fixed === true
      ? await this.#publishFixed(source, place, options.signal)
      : await this.#publishNext(source, place, options.signal)
  }

  /** Content under a KSK's word. @throws ShoalError E_NAME, E_COLLISION besides what an insert throws. */
  async insertWord(source: PublishSource, options: WordOptions): Promise<WordResult> {
    if (source.type === 'file') checkContentType(source.contentType)
    const word = checkedDocument(options.word)
    const { publisher, key } = await this.#parts.keywords.of(word)
    const { isConvergent } = options
    const secret = isConvergent ? convergenceSecretFor(true) : publisher.convergenceSecret
    const how = { secret, name: word, isTyped: !isConvergent }
    return withSink(this.#insertContext(options.signal), async (sink, signal) => {
      const { manifest, ...written } = await writeManifest(source, { ...how, sink, signal })
      const body = { type: 'manifest', manifest } as const
      const work = { publisher, key, kind: 'ksk', body, sink, signal } as const
      await publishFixed(work, this.#editionParts)
      const uri = formatUri({ type: 'ksk', word, path: [] })
      return { ...written, uri, insertId: sink.insertId }
    })
  }

  /** As `Node.announce`. */
  announce(
    uri: UskUri,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<{ edition: number; insertId: number }> {
    const { names, source } = this.#parts
    return announceName(uri, { ...this.#insertContext(signal), names, source })
  }

  async #publishFixed(
    source: PublishSource,
    { publisher, key, document }: Place,
    signal: AbortSignal | undefined,
  ): Promise<PublishResult> {
    const how = { secret: publisher.convergenceSecret, name: document, isTyped: true }
    const { publicKey, readKey } = key
    const uri = formatUri({ type: 'ssk', publicKey, readKey, document, path: [] })
    return withSink(this.#insertContext(signal), async (sink, linked) => {
      const written = await writeManifest(source, { ...how, sink, signal: linked })
      const body = { type: 'manifest', manifest: written.manifest } as const
      const work = { publisher, key, kind: 'ssk', body, sink, signal: linked } as const
      const isConfirmed = await publishFixed(work, this.#editionParts)
      const { insertId } = sink
      return { ...sizesOf(written), uri, edition: 0, insertId, collisions: [], isConfirmed }
    })
  }

  async #publishNext(
    source: PublishSource,
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<PublishResult> {
    const { keyring, outbox, today } = this.#parts
    const { name, document, publisher, key } = place
    const record = new SpreadRecord({
      saved: await keyring.spreadRecord(name, document),
      today: today(),
      isPending: async (address) => (await outbox.get(address)) !== undefined,
    })
    // the signed blocks of the second half are always new
    let isContent = true
    const isSpread = async (address: Address): Promise<boolean> =>
      isContent && (await record.isSpread(address))
    const how = { secret: publisher.convergenceSecret, name: document, isTyped: true }
    const { written, published, insertId } = await this.#putEdition(
      place,
      { ...this.#insertContext(signal), isSpread },
      async (sink, linked) => {
        const made = await writeManifest(source, { ...how, sink, signal: linked })
        await sink.settle()
        isContent = false
        return made
      },
    )
    // only a hint: without it the next publication inserts everything
    await keyring.saveSpreadRecord(name, document, record.toSave()).catch(() => {})
    const { edition, collisions, isConfirmed } = published
    const { publicKey, readKey } = key
    const uri = formatUri({ type: 'usk', publicKey, readKey, document, edition, path: [] })
    return { ...sizesOf(written), uri, edition, insertId, collisions, isConfirmed }
  }

  /** One insert with what `write` gives and the edition that names it, and what follows from it. */
  async #putEdition<T extends { manifest: Uint8Array }>(
    place: Place,
    context: InsertContext,
    write: (sink: BlockSink, signal: AbortSignal) => Promise<T>,
  ): Promise<{ written: T; published: PublishedEdition; insertId: number }> {
    const { names, keyring } = this.#parts
    const { name, document, key } = place
    const heldClaims: Claim[] = []
    try {
      const done = await withSink(context, async (sink, signal) => {
        const written = await write(sink, signal)
        const body = { type: 'manifest', manifest: written.manifest } as const
        const published = await this.#takeTurn(place, body, { sink, signal })
        const claim = { key: name, document, edition: published.edition, body: bytesOfBody(body) }
        if (published.isHeld) {
          heldClaims.push(claim)
          await keyring.addClaim(claim)
        }
        return { written, published, claim, insertId: sink.insertId }
      })
      names.noteOwn(key, done.published.edition, done.published.headBlock)
      this.#checker.add(done.claim, done.published.isHeld)
      return done
    } catch (error) {
      for (const claim of heldClaims) await this.#forgetHeld(place, claim)
      throw error
    }
  }

  #takeTurn(
    { name, document, publisher, key }: Place,
    body: DocumentBody,
    { sink, signal }: { sink: BlockSink; signal: AbortSignal },
  ): Promise<PublishedEdition> {
    const { keyring } = this.#parts
    return this.#turns.runAlways(`${name}\n${document}`, async () => {
      signal.throwIfAborted()
      const lastEdition = keyring.lastEdition(name, document)
      const claimed = (edition: number): Promise<void> =>
        keyring.setEdition(name, document, edition)
      const work = { publisher, key, body, lastEdition, claimed, sink, signal }
      return publishEdition(work, this.#editionParts)
    })
  }

  async #check({ claim, isHeld, tries }: Check): Promise<'settled' | 'later'> {
    const place = this.#placeOf(claim.key, claim.document)
    const { body } = decodeDocument(claim.body)
    const { network } = this.#parts
    const { signal } = this.#closing
    const own = { edition: claim.edition, body }
    const view = await viewEdition(place.key, own, { network, signal })
    const verdict = verdictOf(view, { edition: claim.edition, isHeld })
    if (verdict === 'lost') {
      if (isHeld) {
        await withdrawEdition(this.#parts.outbox, place.key, claim.edition)
        await this.#forgetHeld(place, claim)
      }
      await this.#publishAgain(place, claim, body)
      return 'settled'
    }
    if (!isHeld) return verdict === 'ours' ? 'settled' : 'later'
    // the network does not answer: once is patience, twice would keep a publication back for nothing
    if (verdict === 'unknown' && tries === 0) return 'later'
    await this.#forgetHeld(place, claim)
    this.#parts.added()
    this.#checker.add(claim, false)
    return 'settled'
  }

  /** The same content as the next edition, unless this node has published a newer one since. */
  async #publishAgain(place: Place, claim: Claim, body: DocumentBody): Promise<void> {
    const { keyring } = this.#parts
    if (body.type !== 'manifest') return
    if (keyring.lastEdition(claim.key, claim.document) !== claim.edition) return
    const write = (): Promise<{ manifest: Uint8Array }> =>
      Promise.resolve({ manifest: body.manifest })
    await this.#putEdition(place, this.#insertContext(undefined), write)
  }

  async #forgetHeld(place: Place, claim: Claim): Promise<void> {
    this.#held.release(place.key, claim.edition)
    await this.#parts.keyring.dropClaim(claim)
  }

  /** @throws ShoalError E_NAME, E_NO_KEY */
  #placeOf(name: string, document: string): Place {
    const publisher = this.#parts.keyring.publisher(name)
    const checked = checkedDocument(document)
    const key = publisher.documentKey(checked)
    return { name: name.normalize('NFC'), document: checked, publisher, key }
  }

  #insertContext(signal: AbortSignal | undefined): InsertContext {
    const { outbox, clock, added, network } = this.#parts
    const signals = [this.#closing.signal, signal]
    return { outbox, clock, added, peers: network.peers, signals }
  }
}

/** What a later look says of an edition that this node published. */
function verdictOf(
  { shows, headEdition, isHeadOther }: EditionView,
  { edition, isHeld }: { edition: number; isHeld: boolean },
): 'ours' | 'lost' | 'free' | 'unknown' {
  // beyond a held edition, others have gone on without it; beyond one that is out, that is their right
  const isPassed = isHeld && headEdition > edition
  if (isPassed || isHeadOther || shows === 'other') return 'lost'
  return shows === 'nothing' ? 'free' : shows
}

function sizesOf({ size, files }: WrittenManifest): { size: number; files: number } {
  return { size, files }
}

/** `document` in NFC. @throws ShoalError E_NAME */
function checkedDocument(document: string): string {
  const normal = document.normalize('NFC')
  const fault = documentNameFault(normal)
  if (fault !== undefined) throw new ShoalError('E_NAME', `The name of a document ${fault}.`)
  return normal
}
