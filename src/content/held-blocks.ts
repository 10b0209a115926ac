/**
 * Editions that nobody could be asked about (spec §9.8): their blocks stay in the outbox until it is
 * known that nobody else took the edition, since a block once out may replace another's for good.
 * @module
 */
import type { Outbox } from '../datastore/store.ts'
import type { Address } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import { documentAddress } from '../keys/signed.ts'
import type { DocumentKey } from '../keys/signed.ts'
import { ALL_HOMES } from './blocks.ts'
import { HEAD_PLACE } from './signed-document.ts'

export class HeldBlocks {
  /** By address. */
  readonly #editions = new Set<string>()
  /** How many editions hold a head: all those of a name share its address. */
  readonly #heads = new Map<string, number>()

  /** Whether the outbox must not push this block yet. */
  has(address: Address): boolean {
    if (this.#editions.size === 0) return false
    const name = mapKey(address)
    return this.#editions.has(name) || this.#heads.has(name)
  }

  hold(key: DocumentKey, edition: number): void {
    const { name, headName } = namesOf(key, edition)
    if (this.#editions.has(name)) return
    this.#editions.add(name)
    this.#heads.set(headName, (this.#heads.get(headName) ?? 0) + 1)
  }

  /** Nothing where the edition is not held. */
  release(key: DocumentKey, edition: number): void {
    const { name, headName } = namesOf(key, edition)
    if (!this.#editions.delete(name)) return
    const count = (this.#heads.get(headName) ?? 0) - 1
    if (count > 0) this.#heads.set(headName, count)
    else this.#heads.delete(headName)
  }
}

/** Takes an edition and its head out of the outbox: they are not to be sent any more. */
export async function withdrawEdition(
  outbox: Outbox,
  key: DocumentKey,
  edition: number,
): Promise<void> {
  const [address, head] = addressesOf(key, edition)
  const name = mapKey(address)
  for (const { insertId, address: waiting } of outbox.entries()) {
    if (mapKey(waiting) !== name) continue
    // the edition goes last: as long as it is there, a crash in between leaves what this finds again
    await withdraw(outbox, insertId, head)
    await withdraw(outbox, insertId, address)
  }
}

/** Takes one block of an insert out of the outbox; its copies are not wanted any more. */
export async function withdraw(outbox: Outbox, insertId: number, address: Address): Promise<void> {
  for (const home of ALL_HOMES) {
    await outbox.homeDone({ insertId, address, homesLeft: ALL_HOMES }, home)
  }
}

function namesOf(key: DocumentKey, edition: number): { name: string; headName: string } {
  const [address, head] = addressesOf(key, edition)
  return { name: mapKey(address), headName: mapKey(head) }
}

function addressesOf(key: DocumentKey, edition: number): [edition: Address, head: Address] {
  return [documentAddress(key, { kind: 'edition', edition }), documentAddress(key, HEAD_PLACE)]
}
