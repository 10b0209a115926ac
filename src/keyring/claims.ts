/**
 * Publications that were made without peers (spec §11.8), kept until somebody can say whether their
 * editions were free.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { copyOf, mapKey } from '../keys/bytes.ts'
import type { KeyringSeal } from './keyring-seal.ts'
import { decodeClaim, encodeClaim } from './keyring-codec.ts'
import type { Claim } from './keyring-codec.ts'
import type { SideFiles } from './side-files.ts'

/** A person who publishes this often without a network is told to find one first. */
const MAX_CLAIMS = 256
/** Longest body: a signed document has less. */
const MAX_BODY_BYTES = 65_535

/** What tells one claim from another. */
export type ClaimPlace = Pick<Claim, 'key' | 'document' | 'edition'>

export class Claims {
  readonly #side: SideFiles
  readonly #seal: KeyringSeal
  /** By file name. */
  readonly #claims = new Map<string, Claim>()

  private constructor(side: SideFiles, seal: KeyringSeal) {
    this.#side = side
    this.#seal = seal
  }

  /** Reads what waits. `keyNames`: by `mapKey` of the public key; a claim of no key of these goes. */
  static async open(
    side: SideFiles,
    seal: KeyringSeal,
    keyNames: ReadonlyMap<string, string>,
  ): Promise<Claims> {
    const claims = new Claims(side, seal)
    const names = new Set(side.names())
    for (const slot of claims.#slots()) {
      if (names.has(slot)) await claims.#load(slot, keyNames)
    }
    return claims
  }

  /** In the order of editions. */
  list(): readonly Claim[] {
    return [...this.#claims.values()].sort((a, b) => a.edition - b.edition)
  }

  /** @throws ShoalError E_STORE_FULL when too many wait, E_STORE_IO. */
  async add(publicKey: Uint8Array, claim: Claim): Promise<void> {
    if (claim.body.length > MAX_BODY_BYTES) throw new RangeError('no document is that long')
    await this.drop(claim)
    const slot = this.#slots().find((name) => !this.#claims.has(name))
    const isWritten =
      slot !== undefined && (await this.#side.write(slot, encodeClaim(publicKey, claim)))
    if (!isWritten) {
      const message = `${this.#claims.size} publications wait for peers already.`
      throw new ShoalError('E_STORE_FULL', message)
    }
    this.#side.pin(slot)
    this.#claims.set(slot, { ...claim, body: copyOf(claim.body) })
  }

  async drop(place: ClaimPlace): Promise<void> {
    await this.#dropWhere(
      ({ key, document, edition }) =>
        key === place.key && document === place.document && edition === place.edition,
    )
  }

  /** Drops all of one key. */
  async dropKey(key: string): Promise<void> {
    await this.#dropWhere((claim) => claim.key === key)
  }

  async #dropWhere(isMeant: (claim: Claim) => boolean): Promise<void> {
    for (const [slot, claim] of this.#claims) {
      if (!isMeant(claim)) continue
      await this.#side.remove(slot)
      this.#claims.delete(slot)
    }
  }

  async #load(slot: string, keyNames: ReadonlyMap<string, string>): Promise<void> {
    const bytes = await this.#side.read(slot)
    const claim = bytes === undefined ? undefined : decodeClaim(bytes)
    const key = claim === undefined ? undefined : keyNames.get(mapKey(claim.publicKey))
    if (claim === undefined || key === undefined) return this.#side.remove(slot)
    const { document, edition, body } = claim
    this.#side.pin(slot)
    this.#claims.set(slot, { key, document, edition, body })
  }

  /** The names that claims may have: only who has the keyring's key can tell them from records. */
  #slots(): readonly string[] {
    return Array.from({ length: MAX_CLAIMS }, (_, i) =>
      this.#seal.nameOf('claim', Uint8Array.of(i)),
    )
  }
}
