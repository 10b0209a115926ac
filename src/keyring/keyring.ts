/**
 * What a keyring does for its node (spec §11.8).
 * @module
 */
import type { Publisher } from '../keys/signed.ts'
import type { PublisherKey } from '../node-types.ts'
import type { ClaimPlace } from './claims.ts'
import type { Claim } from './keyring-codec.ts'

export type KeyInfo = PublisherKey

/**
 * All names are taken in NFC. Methods with a key's name throw ShoalError E_NAME for what can be no name
 * and E_NO_KEY for one that is not there; those that change something E_STORE_IO, E_STORE_FULL and
 * E_BUSY besides, and then nothing has changed.
 */
export interface Keyring {
  /** In the order of names. */
  list(): readonly KeyInfo[]
  /** A new random key. @throws ShoalError E_EXISTS */
  create(name: string): Promise<KeyInfo>
  info(name: string): KeyInfo
  publisher(name: string): Publisher
  /** `USK@…,…,…/<document>/`. @throws ShoalError E_NAME for what can be no document. */
  documentUri(name: string, document: string): string
  /** The secret as one text that can be kept on paper (spec §11.8). */
  exportText(name: string): string
  /**
   * Takes such a text under `name`, default the one in it; a key that is here under that name already
   * stays. @throws ShoalError E_KEY; E_EXISTS where the name or the key is here otherwise.
   */
  importText(text: string, name?: string): Promise<KeyInfo>
  /** Forgets the key with its editions, claims and records. */
  remove(name: string): Promise<void>
  /** Newest edition that was published here; -1: none. */
  lastEdition(name: string, document: string): number
  /**
   * Remembers an edition; one that is not newer changes nothing. `publicKey`: of the key that is meant;
   * where another has taken its name since, that is E_NO_KEY.
   */
  setEdition(name: string, document: string, edition: number, publicKey?: Uint8Array): Promise<void>
  /**
   * Addresses, by `mapKey`, of which the document's blocks were spread; undefined: not known. `has` goes
   * by their first 8 bytes, and these are what it lists.
   */
  spreadRecord(name: string, document: string): Promise<ReadonlySet<string> | undefined>
  /** Replaces that record; as many addresses as there is room for, at the cost of older records. */
  saveSpreadRecord(name: string, document: string, addresses: ReadonlySet<string>): Promise<void>
  /** Publications whose edition must still be checked, in the order of editions. */
  claims(): readonly Claim[]
  /** @throws ShoalError E_STORE_FULL when too many wait. */
  addClaim(claim: Claim): Promise<void>
  /** Nothing where there is no such claim. */
  dropClaim(claim: ClaimPlace): Promise<void>
}
