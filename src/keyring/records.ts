/**
 * Which blocks of a document were spread (spec §11.8): the next edition need not insert those again.
 * Only a hint: a record that is lost costs a publisher some blocks twice.
 * @module
 */
import { concat, equals, utf8 } from '../keys/bytes.ts'
import type { KeyringSeal } from './keyring-seal.ts'
import {
  PREFIX_BYTES,
  decodeRecord,
  encodeRecord,
  ownerOf,
  recordCapacity,
} from './keyring-codec.ts'
import type { SideFiles } from './side-files.ts'

/** Most blocks of one record: 8 GiB of content, as many as the outbox takes. */
const MAX_ADDRESSES = 262_144

export class SpreadRecords {
  readonly #side: SideFiles
  readonly #seal: KeyringSeal

  constructor(side: SideFiles, seal: KeyringSeal) {
    this.#side = side
    this.#seal = seal
  }

  /** undefined: none, or none that can be read. */
  async read(publicKey: Uint8Array, document: string): Promise<ReadonlySet<string> | undefined> {
    const bytes = await this.#side.read(this.#nameOf(publicKey, document))
    const prefixes = bytes === undefined ? undefined : decodeRecord(bytes)
    return prefixes === undefined ? undefined : new AddressPrefixes(prefixes)
  }

  /** Replaces the record; keeps as many of the addresses as there is room for, the first ones. */
  async save(
    publicKey: Uint8Array,
    document: string,
    addresses: ReadonlySet<string>,
  ): Promise<void> {
    const name = this.#nameOf(publicKey, document)
    const capacity = Math.min(MAX_ADDRESSES, recordCapacity(this.#side.roomBytes))
    const count = Math.min(addresses.size, capacity)
    if (count <= 0) return this.#side.remove(name)
    await this.#side.write(name, encodeRecord(publicKey, addresses, count))
  }

  /** Drops all records of one publisher; their names do not tell which those are. */
  async dropAll(publicKey: Uint8Array): Promise<void> {
    for (const name of this.#side.names()) {
      const bytes = await this.#side.read(name)
      if (bytes !== undefined && equals(ownerOf(bytes), publicKey)) await this.#side.remove(name)
    }
  }

  #nameOf(publicKey: Uint8Array, document: string): string {
    return this.#seal.nameOf('record', concat(publicKey, utf8(document)))
  }
}

/** Addresses of which the first bytes are known: has what begins with them, lists them as they are. */
class AddressPrefixes implements ReadonlySet<string> {
  readonly #prefixes: ReadonlySet<string>

  constructor(prefixes: ReadonlySet<string>) {
    this.#prefixes = prefixes
  }

  get size(): number {
    return this.#prefixes.size
  }

  has(address: string): boolean {
    return this.#prefixes.has(address.slice(0, PREFIX_BYTES))
  }

  entries(): SetIterator<[string, string]> {
    return this.#prefixes.entries()
  }

  keys(): SetIterator<string> {
    return this.#prefixes.keys()
  }

  values(): SetIterator<string> {
    return this.#prefixes.values()
  }

  [Symbol.iterator](): SetIterator<string> {
    return this.#prefixes.values()
  }

  forEach(visit: (value: string, again: string, set: ReadonlySet<string>) => void): void {
    for (const prefix of this.#prefixes) visit(prefix, prefix, this)
  }
}
