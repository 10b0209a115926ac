/**
 * The keyring while its node runs: the keys in memory, every change on the disk before it is told.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { base64url, equals } from '../keys/bytes.ts'
import { randomBytes } from '../keys/primitives.ts'
import {
  MAX_EDITION,
  PUBLISHER_SEED_BYTES,
  documentNameFault,
  publisherFromSeed,
} from '../keys/signed.ts'
import type { Publisher } from '../keys/signed.ts'
import { formatUri } from '../keys/uri.ts'
import type { ClaimPlace, Claims } from './claims.ts'
import type { KeyFile } from './key-file.ts'
import { checkedKeyName } from './key-name.ts'
import { formatKeyText, parseKeyText } from './key-text.ts'
import type { KeyInfo, Keyring } from './keyring.ts'
import type { Claim, StoredKey } from './keyring-codec.ts'
import type { SpreadRecords } from './records.ts'

/** Far more names than a person keeps apart. */
export const MAX_KEYS = 1000
/** Documents of one key whose editions are remembered. */
export const MAX_DOCUMENTS = 10_000
/** Changes waiting for the one before them; one more is E_BUSY. */
const MAX_WAITING = 256

/** A stored key that is ready to sign. */
export interface OpenKey extends StoredKey {
  readonly publisher: Publisher
}

export function openKey(key: StoredKey): OpenKey {
  return { ...key, publisher: publisherFromSeed(key.seed) }
}

/** Holds everything in private fields: nothing of it is shown by accident. */
export class NodeKeyring implements Keyring {
  readonly #file: KeyFile
  readonly #claims: Claims
  readonly #records: SpreadRecords
  /** Replaced as a whole when a change is on the disk. */
  #keys: ReadonlyMap<string, OpenKey>
  #lastChange: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(
    keys: ReadonlyMap<string, OpenKey>,
    parts: { file: KeyFile; claims: Claims; records: SpreadRecords },
  ) {
    this.#keys = keys
    this.#file = parts.file
    this.#claims = parts.claims
    this.#records = parts.records
  }

  list(): readonly KeyInfo[] {
    const names = [...this.#keys.keys()].sort()
    return names.map((name) => this.info(name))
  }

  info(name: string): KeyInfo {
    return infoOf(this.#get(name))
  }

  publisher(name: string): Publisher {
    return this.#get(name).publisher
  }

  documentUri(name: string, document: string): string {
    const key = this.#get(name).publisher.documentKey(document)
    const { publicKey, readKey, name: normal } = key
    const latest = { publicKey, readKey, document: normal, edition: 'latest', path: [] } as const
    return formatUri({ type: 'usk', ...latest }).slice(0, -'latest'.length)
  }

  exportText(name: string): string {
    const key = this.#get(name)
    return formatKeyText(key.name, key.seed)
  }

  async create(name: string): Promise<KeyInfo> {
    return this.#add(checkedKeyName(name), randomBytes(PUBLISHER_SEED_BYTES))
  }

  async importText(text: string, name?: string): Promise<KeyInfo> {
    const given = parseKeyText(text)
    const wanted = name ?? given.name
    if (wanted === undefined) throw new ShoalError('E_NAME', 'The text has no name: give it one.')
    return this.#add(checkedKeyName(wanted), given.seed)
  }

  async remove(name: string): Promise<void> {
    await this.#inTurn(async () => {
      const key = this.#get(name)
      await this.#write((keys) => keys.delete(key.name))
      key.seed.fill(0)
      await this.#claims.dropKey(key.name)
      await this.#records.dropAll(key.publisher.publicKey)
    })
  }

  lastEdition(name: string, document: string): number {
    return this.#get(name).editions.get(checkedDocument(document)) ?? -1
  }

  async setEdition(
    name: string,
    document: string,
    edition: number,
    publicKey?: Uint8Array,
  ): Promise<void> {
    if (!Number.isInteger(edition) || edition < 0 || edition > MAX_EDITION) {
      throw new RangeError('an edition is a whole number in [0, 2^51 - 1]')
    }
    const normal = checkedDocument(document)
    await this.#inTurn(async () => {
      const key = this.#get(name)
      const isMeant = publicKey === undefined || equals(publicKey, key.publisher.publicKey)
      if (!isMeant) throw missing(name)
      if (edition <= (key.editions.get(normal) ?? -1)) return
      const editions = new Map(key.editions).set(normal, edition)
      if (editions.size > MAX_DOCUMENTS) {
        throw new ShoalError('E_STORE_FULL', `A key has at most ${MAX_DOCUMENTS} documents.`)
      }
      await this.#write((keys) => keys.set(key.name, { ...key, editions }))
    })
  }

  async spreadRecord(name: string, document: string): Promise<ReadonlySet<string> | undefined> {
    return this.#records.read(this.publisher(name).publicKey, checkedDocument(document))
  }

  async saveSpreadRecord(
    name: string,
    document: string,
    addresses: ReadonlySet<string>,
  ): Promise<void> {
    const normal = checkedDocument(document)
    await this.#inTurn(() => this.#records.save(this.publisher(name).publicKey, normal, addresses))
  }

  claims(): readonly Claim[] {
    return this.#claims.list()
  }

  async addClaim(claim: Claim): Promise<void> {
    const document = checkedDocument(claim.document)
    await this.#inTurn(() => {
      const key = this.#get(claim.key)
      return this.#claims.add(key.publisher.publicKey, { ...claim, key: key.name, document })
    })
  }

  async dropClaim(claim: ClaimPlace): Promise<void> {
    const key = checkedKeyName(claim.key)
    const document = checkedDocument(claim.document)
    await this.#inTurn(() => this.#claims.drop({ key, document, edition: claim.edition }))
  }

  #get(name: string): OpenKey {
    const key = this.#keys.get(checkedKeyName(name))
    if (key !== undefined) return key
    throw missing(name)
  }

  #add(name: string, seed: Uint8Array): Promise<KeyInfo> {
    return this.#inTurn(async () => {
      const added = openKey({ name, seed, editions: new Map() })
      for (const key of this.#keys.values()) {
        const isSame = equals(key.publisher.publicKey, added.publisher.publicKey)
        if (key.name === name && isSame) return infoOf(key)
        if (key.name === name) throw exists(`there is another key ${JSON.stringify(name)}`)
        if (isSame) throw exists(`this key is here as ${JSON.stringify(key.name)}`)
      }
      if (this.#keys.size >= MAX_KEYS) {
        throw new ShoalError('E_STORE_FULL', `The keyring has ${MAX_KEYS} keys, and takes no more.`)
      }
      await this.#write((keys) => keys.set(name, added))
      return infoOf(added)
    })
  }

  /** On the disk first: what a caller was told of is not lost. */
  async #write(edit: (keys: Map<string, OpenKey>) => void): Promise<void> {
    const keys = new Map(this.#keys)
    edit(keys)
    await this.#file.write(keys.values())
    this.#keys = keys
  }

  /** One change after the other: each begins with what the one before it left. */
  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      throw new ShoalError('E_BUSY', 'Too many changes of the keyring at once.')
    }
    this.#waiting++
    const turn = this.#lastChange.then(change).finally(() => {
      this.#waiting--
    })
    this.#lastChange = turn.catch(() => {})
    return turn
  }
}

function infoOf({ name, publisher }: OpenKey): KeyInfo {
  return { name, uri: `USK@${base64url(publisher.publicKey)},` }
}

function checkedDocument(document: string): string {
  const normal = document.normalize('NFC')
  const fault = documentNameFault(normal)
  if (fault !== undefined)
    throw new ShoalError('E_NAME', `The name of a document or word ${fault}.`)
  return normal
}

function missing(name: string): ShoalError {
  return new ShoalError('E_NO_KEY', `The keyring has no key ${JSON.stringify(name)}.`)
}

function exists(what: string): ShoalError {
  return new ShoalError('E_EXISTS', `The key was not taken: ${what}.`)
}
