/**
 * What a copy in this node's own store or cache is worth against a request: whether it answers a FETCH
 * as it is, and whether it makes the block of an INSERT needless (spec §9.3, §9.5).
 * @module
 */
import { contentAddress, sequenceOf, signedAddress } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { compare, equals } from '../keys/bytes.ts'
import { offerFields, offerIn } from './messages.ts'
import type { RequestMessage } from './messages.ts'
import type { Field } from './tlv.ts'

/** A verified block of this node's own, as the driver found it. */
export interface HeldCopy {
  readonly block: Block
  readonly area: 'store' | 'cache'
}

/**
 * What comes of looking a request up: the block that answers it at once, else the copy that the router
 * is to know of, if there is one. Serves the driver and the simulator alike.
 */
export function lookedUp(
  request: RequestMessage,
  held: HeldCopy | undefined,
): { readonly answer?: Block; readonly known?: HeldCopy } {
  if (held === undefined) return {}
  if (request.type === 'insert') return settlesInsert(request, held.block) ? { known: held } : {}
  const role = roleInFetch(request, held)
  if (role === 'answer') return { answer: held.block }
  return role === 'rival' ? { known: held } : {}
}

/**
 * What `held` is to a FETCH: its answer at once; a rival to what nearer nodes hold, for a signed block at
 * freshness 2, of which the next edition may be there; or nothing: in the cache it may be older than
 * the FETCH allows.
 */
export function roleInFetch(
  { address, freshness, phase }: RequestMessage,
  { area, block }: HeldCopy,
): 'answer' | 'rival' | 'none' {
  if (freshness === 0) return 'answer'
  if (freshness === 2 && phase !== 'copy' && isSigned(address, block)) return 'rival'
  return area === 'store' ? 'answer' : 'none'
}

/**
 * Whether `held` makes the block that an INSERT offers needless: content always; a signed one with a
 * greater sequence, or the same and a hash that is not greater. An INSERT that names no sequence
 * offers we know not what: false; one that names no hash offers nothing new at the same sequence.
 */
export function settlesInsert(request: RequestMessage, held: Block): boolean {
  if (!isSigned(request.address, held)) return true
  const offer = offerIn(request)
  if (offer === undefined) return false
  const difference = sequenceOf(held) - offer.sequence
  if (difference !== 0 || offer.hash === undefined) return difference >= 0
  return compare(contentAddress(held), offer.hash) <= 0
}

/** Tail of the INSERT of `block` (spec §8.3): what is offered, for a signed one; none for content. */
export function insertTail(address: Address, block: Block): readonly Field[] {
  if (!isSigned(address, block)) return []
  return offerFields({ sequence: sequenceOf(block), hash: contentAddress(block) })
}

/** Of a block that is verified under `address`. */
function isSigned(address: Address, block: Block): boolean {
  return equals(signedAddress(block.subarray(0, 32)), address)
}
