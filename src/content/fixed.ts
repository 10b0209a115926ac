/**
 * Documents that never change (spec §9.8): SSKs and KSK words. The same bytes again are fine, others
 * are refused.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { supersedes } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { IMMUTABLE_SEQUENCE, documentAddress } from '../keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../keys/signed.ts'
import { ALL_HOMES } from './blocks.ts'
import type { BlockResult } from './blocks.ts'
import type { EditionParts, EditionWork } from './edition.ts'
import { READ_BACK_HOMES, pushNow } from './network.ts'
import { bytesOfBody, showsBody } from './signed-document.ts'

type FixedKind = 'ssk' | 'ksk'
type FixedWork = Omit<EditionWork, 'lastEdition' | 'claimed'> & { readonly kind: FixedKind }
type FixedParts = Omit<EditionParts, 'names' | 'held'>

/**
 * Before any content is read. @throws ShoalError E_NO_PEERS where nobody can say whether the name is
 * free, and this node has published nothing under it that is still on its way.
 */
export async function checkAnswerable(
  key: DocumentKey,
  kind: FixedKind,
  { network, outbox }: Pick<FixedParts, 'network' | 'outbox'>,
): Promise<void> {
  if (network.peers() > 0) return
  const own = await outbox.get(documentAddress(key, { kind, edition: 0 }))
  if (own === undefined) throw unanswered('no-peers')
}

/**
 * Puts the document into the sink; true where the network shows it and no other. @throws ShoalError
 * E_COLLISION where there is other content under the name already; E_NO_PEERS, E_TIMEOUT where that
 * cannot be found out.
 */
export async function publishFixed(work: FixedWork, parts: FixedParts): Promise<boolean> {
  const { publisher, key, kind, body, sink, signal } = work
  const place: DocumentPlace = { kind, edition: 0 }
  const address = documentAddress(key, place)
  const there = await look(address, { ...parts, signal })
  if (there !== undefined && !showsBody(there, body, { key, place })) throw taken()
  const sequence = IMMUTABLE_SEQUENCE
  const block = there ?? publisher.seal(key, place, { sequence, plaintext: bytesOfBody(body) })
  work.sending()
  await sink.add(address, block, ALL_HOMES)
  await sink.settle()
  const verdict = await pushAndLook({ address, block, place }, work, parts).catch(
    async (error: unknown) => {
      // the document is out: what it leads to must stay, though nobody is told of it
      await sink.commit()
      throw error
    },
  )
  if (verdict === 'other') throw taken()
  return verdict === 'ours'
}

/**
 * What is there, or on its way in the outbox. Asked twice, since it must not be replaced. @throws
 * ShoalError E_NO_PEERS, E_TIMEOUT
 */
async function look(
  address: Address,
  { source, signal }: FixedParts & { signal: AbortSignal },
): Promise<Block | undefined> {
  const ask = (): Promise<BlockResult> => source.getNewest(address, { homes: ALL_HOMES, signal })
  const first = await ask()
  const result = first.type === 'timed-out' ? await ask() : first
  if (result.type === 'timed-out' || result.type === 'no-peers') throw unanswered(result.type)
  return result.type === 'found' ? result.block : undefined
}

async function pushAndLook(
  { address, block, place }: { address: Address; block: Block; place: DocumentPlace },
  { key, body, signal }: FixedWork,
  parts: FixedParts,
): Promise<'ours' | 'other' | 'unknown'> {
  const { network } = parts
  if (network.peers() === 0) return 'unknown'
  const isPushed = await pushNow({ address, block }, { ...parts, signal })
  const shown = await network.fetchNewest(address, { homes: READ_BACK_HOMES, signal })
  if (shown.type !== 'found') return 'unknown'
  if (showsBody(shown.block, body, { key, place })) return isPushed ? 'ours' : 'unknown'
  return supersedes(shown.block, block) ? 'other' : 'unknown'
}

function taken(): ShoalError {
  return new ShoalError(
    'E_COLLISION',
    'There is other content under this name, which never changes.',
  )
}

function unanswered(why: 'timed-out' | 'no-peers'): ShoalError {
  return why === 'no-peers'
    ? new ShoalError(
        'E_NO_PEERS',
        'Whether this name is free can only be found out with peers; nothing was inserted.',
      )
    : new ShoalError(
        'E_TIMEOUT',
        'Whether this name is free could not be found out in time; nothing was inserted.',
      )
}
