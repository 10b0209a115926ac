/**
 * Documents that never change (spec §9.8): SSKs and KSK words. The same bytes again are fine, others
 * are refused.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { supersedes } from '../keys/block.ts'
import type { Block } from '../keys/block.ts'
import { IMMUTABLE_SEQUENCE, documentAddress } from '../keys/signed.ts'
import type { DocumentPlace } from '../keys/signed.ts'
import { ALL_HOMES } from './blocks.ts'
import type { BlockResult } from './blocks.ts'
import type { EditionParts, EditionWork } from './edition.ts'
import { READ_BACK_HOMES, pushNow } from './network.ts'
import { bytesOfBody, showsBody } from './signed-document.ts'

type FixedWork = Omit<EditionWork, 'lastEdition' | 'claimed'> & { readonly kind: 'ssk' | 'ksk' }

/**
 * Puts the document into the sink; true where the network shows it and no other. @throws ShoalError
 * E_COLLISION where there is other content under the name already.
 */
export async function publishFixed(
  work: FixedWork,
  parts: Omit<EditionParts, 'names' | 'held'>,
): Promise<boolean> {
  const { publisher, key, kind, body, sink, signal } = work
  const { network } = parts
  const place: DocumentPlace = { kind, edition: 0 }
  const address = documentAddress(key, place)
  const isSame = (block: Block): boolean => showsBody(block, body, { key, place })
  const there = await look()
  if (there.type === 'found' && !isSame(there.block)) throw taken()
  const sequence = IMMUTABLE_SEQUENCE
  const block =
    there.type === 'found'
      ? there.block
      : publisher.seal(key, place, { sequence, plaintext: bytesOfBody(body) })
  await sink.add(address, block, ALL_HOMES)
  await sink.settle()
  if (network.peers() === 0) return false
  const isPushed = await pushNow({ address, block }, { ...parts, signal })
  const shown = await network.fetchNewest(address, { homes: READ_BACK_HOMES, signal })
  if (shown.type !== 'found') return false
  if (isSame(shown.block)) return isPushed
  if (supersedes(shown.block, block)) throw taken()
  return false

  /** Asked twice where the network does not answer: what is there must not be replaced. */
  async function look(): Promise<BlockResult> {
    const ask = () => parts.source.getNewest(address, { homes: ALL_HOMES, signal })
    const first = await ask()
    return first.type === 'timed-out' ? ask() : first
  }
}

function taken(): ShoalError {
  return new ShoalError(
    'E_COLLISION',
    'There is other content under this name, which never changes.',
  )
}
