/**
 * Editions that were published without peers (spec §9.8): their blocks stay in the outbox until it is
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
  /** How many editions hold an address: all those of a name share its head's. */
  readonly #counts = new Map<string, number>()

  /** Whether the outbox must not push this block yet. */
  has(address: Address): boolean {
    return this.#counts.size > 0 && this.#counts.has(mapKey(address))
  }

  hold(key: DocumentKey, edition: number): void {
    for (const address of addressesOf(key, edition)) this.#add(address, 1)
  }

  /** Takes one `hold` back. */
  release(key: DocumentKey, edition: number): void {
    for (const address of addressesOf(key, edition)) this.#add(address, -1)
  }

  #add(address: Address, change: 1 | -1): void {
    const name = mapKey(address)
    const count = (this.#counts.get(name) ?? 0) + change
    if (count > 0) this.#counts.set(name, count)
    else this.#counts.delete(name)
  }
}

/** Takes an edition and its head out of the outbox: they are another's now. */
export async function withdrawEdition(
  outbox: Outbox,
  key: DocumentKey,
  edition: number,
): Promise<void> {
  const [address, head] = addressesOf(key, edition)
  const name = mapKey(address)
  for (const { insertId, address: waiting } of outbox.entries()) {
    if (mapKey(waiting) !== name) continue
    await withdraw(outbox, insertId, address)
    await withdraw(outbox, insertId, head)
  }
}

/** Takes one block of an insert out of the outbox; its copies are not wanted any more. */
export async function withdraw(outbox: Outbox, insertId: number, address: Address): Promise<void> {
  for (const home of ALL_HOMES) {
    await outbox.homeDone({ insertId, address, homesLeft: ALL_HOMES }, home)
  }
}

function addressesOf(key: DocumentKey, edition: number): [edition: Address, head: Address] {
  return [documentAddress(key, { kind: 'edition', edition }), documentAddress(key, HEAD_PLACE)]
}
