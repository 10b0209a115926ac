/**
 * Publications of one node (spec §9.8): content into the outbox, its document under a publisher's name
 * or a word, and the checks that come after.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Address } from '../keys/block.ts'
import { documentNameFault } from '../keys/signed.ts'
import type { Publisher } from '../keys/signed.ts'
import { formatUri } from '../keys/uri.ts'
import type { UskUri } from '../keys/uri.ts'
import type { PublishOptions, PublishResult, PublishSource } from '../node-types.ts'
import type { Rng } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import { announceName } from './announce.ts'
import type { BlockResult, BlockSource } from './blocks.ts'
import { withClient } from './client-insert.ts'
import type { ClientInsert } from './client-insert.ts'
import { checkAnswerable, publishFixed } from './fixed.ts'
import { checkContentType, convergenceSecretFor } from './insert.ts'
import type { InsertContext } from './insert.ts'
import type { Keywords } from './keyword.ts'
import { writeManifest } from './manifest-source.ts'
import type { WrittenManifest } from './manifest-source.ts'
import type { NameTable } from './names.ts'
import type { Network } from './network.ts'
import { OwnEditions } from './own-editions.ts'
import type { EditionKeyring, Place } from './own-editions.ts'
import { SpreadRecord } from './spread-record.ts'

/** What publishing asks of the keyring; throws ShoalError E_NO_KEY, E_NAME, E_STORE_IO, E_STORE_FULL. */
export interface PublishKeyring extends EditionKeyring {
  publisher(name: string): Publisher
  spreadRecord(name: string, document: string): Promise<ReadonlySet<string> | undefined>
  saveSpreadRecord(name: string, document: string, addresses: ReadonlySet<string>): Promise<void>
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
  readonly networkName: string
  readonly rng: Rng
  /** Whether others hold a block of content; no copy of this node's own counts. */
  readonly askOthers: (address: Address, signal: AbortSignal) => Promise<BlockResult['type']>
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

export class Publications {
  readonly #parts: PublicationParts
  readonly #closing = linkAbort([])
  readonly #editions: OwnEditions

  constructor(parts: PublicationParts) {
    this.#parts = parts
    this.#editions = new OwnEditions({
      ...parts,
      placeOf: (name, document) => this.#placeOf(name, document),
      insertContext: this.#insertContext(undefined),
      closing: this.#closing.signal,
    })
  }

  /** Whether the outbox must keep this block to itself for now. */
  isHeld(address: Address): boolean {
    return this.#editions.isHeld(address)
  }

  /** A peer has come: editions that nobody could be asked about can be checked. */
  wake(): void {
    this.#editions.wake()
  }

  async close(): Promise<void> {
    this.#closing.abort(new ShoalError('E_CLOSED', 'The node is closing.'))
    await this.#editions.close()
  }

  /** As `Node.publish`. */
  async publish(source: PublishSource, options: PublishOptions): Promise<PublishResult> {
    if (source.type === 'file') checkContentType(source.contentType)
    const place = this.#placeOf(options.key, options.document)
    return options.fixed === true
      ? await this.#publishFixed(source, place, options.signal)
      : await this.#publishNext(source, place, options.signal)
  }

  /** Content under a KSK's word. @throws ShoalError as `beginWord` and `publishWord`, besides what an insert throws. */
  async insertWord(source: PublishSource, options: WordOptions): Promise<WordResult> {
    if (source.type === 'file') checkContentType(source.contentType)
    const { isConvergent } = options
    const word = checkedDocument(options.word)
    const secret = await this.beginWord(word, isConvergent)
    const how = { secret, name: word, isTyped: !isConvergent }
    return withClient(options.signal, this.#insertContext(undefined), async (insert) => {
      const { manifest, ...written } = await writeManifest(source, { ...how, ...insert })
      const uri = await this.publishWord(word, manifest, insert)
      return { ...written, uri, insertId: insert.sink.insertId }
    })
  }

  /**
   * The convergence secret for what goes under a word, before any of it is taken. @throws ShoalError E_NAME, E_BUSY,
   * and E_NO_PEERS where nobody can say whether the word is free.
   */
  async beginWord(word: string, isConvergent: boolean): Promise<Uint8Array> {
    const { publisher, key } = await this.#parts.keywords.of(checkedDocument(word))
    await checkAnswerable(key, 'ksk', this.#parts)
    return isConvergent ? convergenceSecretFor(true) : publisher.convergenceSecret
  }

  /**
   * Puts a manifest, what it leads to being in the sink, under a word; resolves with the URI. @throws ShoalError
   * E_COLLISION, E_NO_PEERS, E_TIMEOUT.
   */
  async publishWord(word: string, manifest: Uint8Array, insert: ClientInsert): Promise<string> {
    const checked = checkedDocument(word)
    const { publisher, key } = await this.#parts.keywords.of(checked)
    const body = { type: 'manifest', manifest } as const
    await publishFixed({ publisher, key, kind: 'ksk', body, ...insert }, this.#parts)
    return formatUri({ type: 'ksk', word: checked, path: [] })
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
    await checkAnswerable(key, 'ssk', this.#parts)
    return withClient(signal, this.#insertContext(undefined), async (insert) => {
      const written = await writeManifest(source, { ...how, ...insert })
      const body = { type: 'manifest', manifest: written.manifest } as const
      const work = { publisher, key, kind: 'ssk', body, ...insert } as const
      const isConfirmed = await publishFixed(work, this.#parts)
      const { insertId } = insert.sink
      return { ...sizesOf(written), uri, edition: 0, insertId, collisions: [], isConfirmed }
    })
  }

  async #publishNext(
    source: PublishSource,
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<PublishResult> {
    const { keyring, outbox, clock, today, networkName, rng, askOthers } = this.#parts
    const { name, document, publisher, key } = place
    const record = new SpreadRecord({
      saved: await keyring.spreadRecord(name, document),
      today: today(),
      network: networkName,
      clock,
      rng,
      askOthers,
      isPending: async (address) => (await outbox.get(address)) !== undefined,
      forget: () => keyring.saveSpreadRecord(name, document, new Set()),
    })
    // the signed blocks of the second half are always new
    let isContent = true
    const isSpread = async (address: Address, linked: AbortSignal): Promise<boolean> =>
      isContent && (await record.isSpread(address, linked))
    const how = { secret: publisher.convergenceSecret, name: document, isTyped: true }
    const context = { ...this.#insertContext(undefined), isSpread }
    const { written, published, insertId } = await withClient(signal, context, async (insert) => {
      const made = await writeManifest(source, { ...how, ...insert })
      await insert.sink.settle()
      isContent = false
      const body = { type: 'manifest', manifest: made.manifest } as const
      const edition = await this.#editions.publish(place, body, insert)
      return { written: made, published: edition, insertId: insert.sink.insertId }
    })
    // only a hint: without it the next publication inserts everything
    await keyring.saveSpreadRecord(name, document, record.toSave()).catch(() => {})
    const { edition, collisions, isConfirmed } = published
    const { publicKey, readKey } = key
    const uri = formatUri({ type: 'usk', publicKey, readKey, document, edition, path: [] })
    return { ...sizesOf(written), uri, edition, insertId, collisions, isConfirmed }
  }

  /** One insert with what `write` gives and the edition that names it, and what follows from it. */
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
