/**
 * Publishing an edition (spec §9.8): finding the next number, putting the edition out, seeing whether
 * another machine with the same key was there first, and only then the head.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Outbox } from '../datastore/store.ts'
import { supersedes } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { blake2b256 } from '../keys/primitives.ts'
import { IMMUTABLE_SEQUENCE, MAX_EDITION, documentAddress, headSequence } from '../keys/signed.ts'
import type { DocumentKey, DocumentPlace, Publisher } from '../keys/signed.ts'
import type { Clock } from '../runtime.ts'
import type { BlockSink } from './block-sink.ts'
import { ALL_HOMES } from './blocks.ts'
import type { BlockSource } from './blocks.ts'
import { encodeDocument } from './document.ts'
import type { DocumentBody } from './document.ts'
import { viewEdition } from './edition-view.ts'
import { withdraw } from './held-blocks.ts'
import type { HeldBlocks } from './held-blocks.ts'
import type { NameTable } from './names.ts'
import { pushNow } from './network.ts'
import type { Network } from './network.ts'
import { HEAD_PLACE, bytesOfBody } from './signed-document.ts'

/** Editions lost one after the other to other machines before a publisher is told to come back. */
const MAX_COLLISIONS = 16

export interface EditionParts {
  readonly network: Network
  readonly source: BlockSource
  readonly outbox: Outbox
  readonly names: NameTable
  readonly clock: Clock
  readonly held: HeldBlocks
}

export interface EditionWork {
  readonly publisher: Publisher
  readonly key: DocumentKey
  readonly body: DocumentBody
  /** Newest edition that this node knows to have published; -1: none. */
  readonly lastEdition: number
  /** Remembers an edition before it is sent: no other content is ever sealed for it here. */
  readonly claimed: (edition: number) => Promise<void>
  readonly sink: BlockSink
  readonly signal: AbortSignal
}

export interface PublishedEdition {
  readonly edition: number
  readonly headBlock: Block
  /** Editions that others had taken, ascending. */
  readonly collisions: readonly number[]
  /** The network showed this edition and no other. */
  readonly isConfirmed: boolean
  /** Published without peers: it waits in the outbox for its check, until `HeldBlocks.release`. */
  readonly isHeld: boolean
}

interface Made {
  readonly edition: number
  readonly address: Address
  readonly block: Block
}

type Verdict = { readonly type: 'ours'; readonly isConfirmed: boolean } | Lost
interface Lost {
  readonly type: 'lost'
  /** Another block supersedes ours; else ours stays, though it names nothing. */
  readonly isSuperseded: boolean
  readonly next: number
}

/**
 * Puts edition and head into the sink; resolves when the edition is known to be this one's, or the
 * network has nothing to say. @throws ShoalError E_COLLISION after 16 lost editions.
 */
export async function publishEdition(
  work: EditionWork,
  parts: EditionParts,
): Promise<PublishedEdition> {
  const collisions: number[] = []
  const start = await nextEdition(work, parts)
  for (let edition = start.edition; ;) {
    if (edition > MAX_EDITION) throw taken('This name has no edition left.')
    if (parts.network.peers() === 0)
      return { ...(await holdEdition(work, edition, parts)), collisions }
    const made = await putEdition(work, edition)
    const verdict = await judge(made, { work, parts, isKnown: start.isKnown })
    if (verdict.type === 'ours') {
      const headBlock = await putHead(work, made)
      const { isConfirmed } = verdict
      return { edition, headBlock, collisions, isConfirmed, isHeld: false }
    }
    if (verdict.isSuperseded) await withdraw(parts.outbox, work.sink.insertId, made.address)
    collisions.push(edition)
    if (collisions.length === MAX_COLLISIONS) {
      throw taken('Other machines publish under this name; try again later.')
    }
    edition = verdict.next
  }
}

/** One beyond whatever is known; asked twice where the network does not answer. */
async function nextEdition(
  { key, lastEdition, signal }: EditionWork,
  { names, source, network }: EditionParts,
): Promise<{ edition: number; isKnown: boolean }> {
  const request = { from: lastEdition + 1, isExhaustive: true, maxAgeMs: 0 }
  let isKnown = false
  for (let tries = 0; tries < 2 && !isKnown; tries++) {
    const outcome = await names.lookUp(key, request, { source, signal })
    isKnown = outcome.type === 'found' || outcome.type === 'not-found'
    if (network.peers() === 0) break
  }
  return { edition: Math.max(names.newest(key), lastEdition) + 1, isKnown }
}

async function holdEdition(
  work: EditionWork,
  edition: number,
  { held }: EditionParts,
): Promise<Omit<PublishedEdition, 'collisions'>> {
  held.hold(work.key, edition)
  try {
    const headBlock = await putHead(work, await putEdition(work, edition))
    return { edition, headBlock, isConfirmed: false, isHeld: true }
  } catch (error) {
    held.release(work.key, edition)
    throw error
  }
}

async function putEdition(work: EditionWork, edition: number): Promise<Made> {
  const { publisher, key, body, sink } = work
  await work.claimed(edition)
  const place: DocumentPlace = { kind: 'edition', edition }
  const plaintext = bytesOfBody(body)
  const block = publisher.seal(key, place, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  const address = documentAddress(key, place)
  await sink.add(address, block, ALL_HOMES)
  await sink.settle()
  return { edition, address, block }
}

async function putHead(work: EditionWork, { edition, block }: Made): Promise<Block> {
  const { publisher, key, body, sink } = work
  const head = { edition, editionHash: blake2b256(block) }
  const plaintext = encodeDocument({ body, head })
  const sequence = headSequence(key, edition)
  const headBlock = publisher.seal(key, HEAD_PLACE, { sequence, plaintext })
  await sink.add(documentAddress(key, HEAD_PLACE), headBlock, ALL_HOMES)
  await sink.settle()
  return headBlock
}

async function judge(
  made: Made,
  { work, parts, isKnown }: { work: EditionWork; parts: EditionParts; isKnown: boolean },
): Promise<Verdict> {
  const { key, body, signal } = work
  const { edition, block } = made
  const isPushed = await pushNow(made, { ...parts, signal })
  const view = await viewEdition(key, { edition, body }, { ...parts, signal })
  // a head far ahead of a blind guess: the edition was another's, and long ago
  const isStale = view.headEdition > edition && !isKnown
  const isReplaced =
    view.shows === 'other' && view.block !== undefined && supersedes(view.block, block)
  const isSuperseded = isStale || isReplaced
  if (isSuperseded || view.isHeadOther) {
    return { type: 'lost', isSuperseded, next: Math.max(view.headEdition, edition) + 1 }
  }
  return { type: 'ours', isConfirmed: isPushed && view.shows === 'ours' }
}

function taken(message: string): ShoalError {
  return new ShoalError('E_COLLISION', message)
}
