/**
 * Publishing an edition (spec §9.8): finding the next number, seeing that nobody has it, putting the
 * edition out, seeing whether another machine with the same key was there first, and only then the head.
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
import { STALE_EDITIONS, viewEdition, viewPlace } from './edition-view.ts'
import type { PlaceView } from './edition-view.ts'
import { withdraw } from './held-blocks.ts'
import type { HeldBlocks } from './held-blocks.ts'
import type { NameTable } from './names.ts'
import { pushNow } from './network.ts'
import type { Network } from './network.ts'
import { HEAD_PLACE, bytesOfBody } from './signed-document.ts'

/** Editions lost one after the other to other machines before a publisher is told to come back. */
const MAX_COLLISIONS = 16
const UNANSWERED: PlaceView = { shows: 'unknown', block: undefined }

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
  /** Something is about to be sent: throws where the client has given up, who cannot from then on. */
  readonly sending: () => void
}

export interface PublishedEdition {
  readonly edition: number
  readonly headBlock: Block
  /** Editions that others had taken, ascending. */
  readonly collisions: readonly number[]
  /** The network showed this edition and no other. */
  readonly isConfirmed: boolean
  /** Nobody could be asked: it waits in the outbox for its check, until `HeldBlocks.release`. */
  readonly isHeld: boolean
}

interface Made {
  readonly edition: number
  readonly address: Address
  readonly block: Block
}

interface Lost {
  readonly type: 'lost'
  /** Another block supersedes ours; else ours stays, though it names nothing. */
  readonly isSuperseded: boolean
  readonly next: number
}
/** `block`: what the network has, which may be another's of the same content. */
type Ours = { readonly type: 'ours'; readonly isConfirmed: boolean; readonly block: Block }
type Done = { readonly type: 'done' } & Omit<PublishedEdition, 'collisions'>

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
    const own = { edition, body: work.body }
    const view = start.isKnown
      ? await viewPlace(work.key, own, { ...parts, signal: work.signal })
      : UNANSWERED
    const outcome = await tryEdition(edition, view, { work, parts })
    if (outcome.type === 'done') {
      const { headBlock, isConfirmed, isHeld } = outcome
      return { edition, headBlock, collisions, isConfirmed, isHeld }
    }
    collisions.push(edition)
    if (collisions.length === MAX_COLLISIONS) {
      throw taken('Other machines publish under this name; try again later.')
    }
    edition = outcome.next
  }
}

/** One beyond whatever is known; asked twice where the network does not answer. */
async function nextEdition(
  { key, lastEdition, signal }: EditionWork,
  { names, source, network }: EditionParts,
): Promise<{ edition: number; isKnown: boolean }> {
  // not exhaustive: whoever sees the editions beyond asked for one by one can tell that they belong together
  const request = { from: lastEdition + 1, isExhaustive: false, maxAgeMs: 0 }
  let isKnown = false
  for (let tries = 0; tries < 2 && !isKnown; tries++) {
    const outcome = await names.lookUp(key, request, { source, signal })
    isKnown = outcome.type === 'found' || outcome.type === 'not-found'
    if (network.peers() === 0) break
  }
  return { edition: Math.max(names.newest(key), lastEdition) + 1, isKnown }
}

/** `view`: what others have there. An edition is sent only where they have answered. */
async function tryEdition(
  edition: number,
  { shows, block }: PlaceView,
  { work, parts }: { work: EditionWork; parts: EditionParts },
): Promise<Done | Pick<Lost, 'type' | 'next'>> {
  if (shows === 'other') return { type: 'lost', next: edition + 1 }
  if (shows === 'unknown') return holdEdition(edition, work, parts)
  const made = await putEdition(work, edition, block)
  try {
    const verdict = await judge(made, work, parts)
    if (verdict.type === 'ours') {
      const { isConfirmed } = verdict
      const headBlock = await putHead(work, { ...made, block: verdict.block })
      return { type: 'done', edition, headBlock, isConfirmed, isHeld: false }
    }
    if (verdict.isSuperseded) await withdraw(parts.outbox, work.sink.insertId, made.address)
    return verdict
  } catch (error) {
    // the edition is out: what it leads to must stay, though nobody is told of it
    await work.sink.commit()
    throw error
  }
}

async function holdEdition(
  edition: number,
  work: EditionWork,
  { held, outbox }: EditionParts,
): Promise<Done> {
  held.hold(work.key, edition)
  try {
    const headBlock = await putHead(work, await putEdition(work, edition))
    return { type: 'done', edition, headBlock, isConfirmed: false, isHeld: true }
  } catch (error) {
    // in this order: nothing of it may slip out in between
    await outbox.discard(work.sink.insertId).finally(() => {
      held.release(work.key, edition)
    })
    throw error
  }
}

/** `shown`: the block of this very content that the network has already. */
async function putEdition(work: EditionWork, edition: number, shown?: Block): Promise<Made> {
  const { publisher, key, body, sink } = work
  work.sending()
  await work.claimed(edition)
  const place: DocumentPlace = { kind: 'edition', edition }
  const plaintext = bytesOfBody(body)
  const block = shown ?? publisher.seal(key, place, { sequence: IMMUTABLE_SEQUENCE, plaintext })
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
  { key, body, signal }: EditionWork,
  parts: EditionParts,
): Promise<Ours | Lost> {
  const { edition, block } = made
  const isPushed = await pushNow(made, { ...parts, signal })
  const view = await viewEdition(key, { edition, body }, { ...parts, signal })
  // the edition was another's, and long ago: whoever was asked before did not know
  const isStale = view.headEdition >= edition + STALE_EDITIONS
  const isReplaced =
    view.shows === 'other' && view.block !== undefined && supersedes(view.block, block)
  const isSuperseded = isStale || isReplaced
  if (isSuperseded || view.isHeadOther) {
    return { type: 'lost', isSuperseded, next: Math.max(view.headEdition, edition) + 1 }
  }
  if (view.shows !== 'ours') return { type: 'ours', isConfirmed: false, block }
  return { type: 'ours', isConfirmed: isPushed, block: view.block ?? block }
}

function taken(message: string): ShoalError {
  return new ShoalError('E_COLLISION', message)
}
