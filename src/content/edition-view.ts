/**
 * What the network shows of an edition that this node published, or is about to (spec §9.8).
 * @module
 */
import type { Block } from '../keys/block.ts'
import { equals } from '../keys/bytes.ts'
import { documentAddress } from '../keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../keys/signed.ts'
import type { Clock } from '../runtime.ts'
import { ALL_HOMES } from './blocks.ts'
import type { DocumentBody } from './document.ts'
import { READ_BACK_HOMES, pushNow } from './network.ts'
import type { Network } from './network.ts'
import { HEAD_PLACE, bytesOfBody, openHead, showsBody } from './signed-document.ts'

/**
 * A head so many editions beyond an edition that was just made: the network was at another place all
 * along. One beyond may be a machine that went on from this edition.
 */
export const STALE_EDITIONS = 2

export interface OwnEdition {
  readonly edition: number
  readonly body: DocumentBody
}

export interface PlaceView {
  /** At the edition's address: this content, another's, nothing, or no answer. */
  readonly shows: 'ours' | 'other' | 'nothing' | 'unknown'
  readonly block: Block | undefined
}

export interface EditionView extends PlaceView {
  /** Of the newest head; -1: none that is known. */
  readonly headEdition: number
  /** The head is of this very edition, with other content: two machines published at once. */
  readonly isHeadOther: boolean
  /** The newest head, where it is of this very edition with this content. */
  readonly ownHead: Block | undefined
}

interface ViewContext {
  readonly network: Network
  readonly signal: AbortSignal
}

/** Asks for an edition alone. Rejects with `signal.reason`. */
export async function viewPlace(
  key: DocumentKey,
  { edition, body }: OwnEdition,
  { network, signal }: ViewContext,
): Promise<PlaceView> {
  const place: DocumentPlace = { kind: 'edition', edition }
  const homes = READ_BACK_HOMES
  const shown = await network.fetchNewest(documentAddress(key, place), { homes, signal })
  if (shown.type === 'not-found') return { shows: 'nothing', block: undefined }
  if (shown.type !== 'found') return { shows: 'unknown', block: undefined }
  const shows = showsBody(shown.block, body, { key, place }) ? 'ours' : 'other'
  return { shows, block: shown.block }
}

/** Asks for an edition and the head beside it. Rejects with `signal.reason`. */
export async function viewEdition(
  key: DocumentKey,
  own: OwnEdition,
  context: ViewContext,
): Promise<EditionView> {
  const { network, signal } = context
  const [view, newest] = await Promise.all([
    viewPlace(key, own, context),
    network.fetchNewest(documentAddress(key, HEAD_PLACE), { homes: ALL_HOMES, signal }),
  ])
  const head = newest.type === 'found' ? openHead(key, newest.block) : undefined
  const isOfEdition = head?.edition === own.edition
  const isSame = isOfEdition && equals(bytesOfBody(head.body), bytesOfBody(own.body))
  const found = {
    ...view,
    headEdition: head?.edition ?? -1,
    isHeadOther: isOfEdition && !isSame,
    ownHead: isSame && newest.type === 'found' ? newest.block : undefined,
  }
  const isAnswered = newest.type === 'found' || newest.type === 'not-found'
  // an edition that is not there may have faded long ago: without the head that says nothing
  return view.shows === 'nothing' && !isAnswered ? { ...found, shows: 'unknown' } : found
}

/**
 * Sends once more what a view has shown of an own edition. Parts of a network that were parted have
 * each kept what came to them, and what this node itself keeps hides from it what others have: only
 * where the blocks meet is it decided which one stays. Rejects with `signal.reason`.
 */
export async function sendAgain(
  key: DocumentKey,
  { edition }: OwnEdition,
  { view, ...context }: ViewContext & { readonly clock: Clock; readonly view: EditionView },
): Promise<void> {
  const place: DocumentPlace = { kind: 'edition', edition }
  const blocks = [
    { address: documentAddress(key, place), block: view.shows === 'ours' ? view.block : undefined },
    { address: documentAddress(key, HEAD_PLACE), block: view.ownHead },
  ]
  await Promise.all(
    blocks.map(async ({ address, block }) => {
      if (block !== undefined) await pushNow({ address, block }, context)
    }),
  )
}
