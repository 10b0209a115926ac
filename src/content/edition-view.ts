/**
 * What the network shows of an edition that this node published, or is about to (spec §9.8).
 * @module
 */
import type { Block } from '../keys/block.ts'
import { equals } from '../keys/bytes.ts'
import { documentAddress } from '../keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../keys/signed.ts'
import { ALL_HOMES } from './blocks.ts'
import type { DocumentBody } from './document.ts'
import { READ_BACK_HOMES } from './network.ts'
import type { Network } from './network.ts'
import { HEAD_PLACE, bytesOfBody, openHead, showsBody } from './signed-document.ts'

export interface OwnEdition {
  readonly edition: number
  readonly body: DocumentBody
}

export interface EditionView {
  /** At the edition's address: this content, another's, nothing, or no answer. */
  readonly shows: 'ours' | 'other' | 'nothing' | 'unknown'
  readonly block: Block | undefined
  /** Of the newest head; -1: none that is known. */
  readonly headEdition: number
  /** The head is of this very edition, with other content: two machines published at once. */
  readonly isHeadOther: boolean
}

/** Asks for an edition and the head beside it. Rejects with `signal.reason`. */
export async function viewEdition(
  key: DocumentKey,
  own: OwnEdition,
  { network, signal }: { network: Network; signal: AbortSignal },
): Promise<EditionView> {
  const place: DocumentPlace = { kind: 'edition', edition: own.edition }
  const [shown, newest] = await Promise.all([
    network.fetchNewest(documentAddress(key, place), { homes: READ_BACK_HOMES, signal }),
    network.fetchNewest(documentAddress(key, HEAD_PLACE), { homes: ALL_HOMES, signal }),
  ])
  const head = newest.type === 'found' ? openHead(key, newest.block) : undefined
  const headEdition = head?.edition ?? -1
  const isHeadOther =
    head?.edition === own.edition && !equals(bytesOfBody(head.body), bytesOfBody(own.body))
  if (shown.type !== 'found') {
    const shows = shown.type === 'not-found' ? 'nothing' : 'unknown'
    return { shows, block: undefined, headEdition, isHeadOther }
  }
  const shows = showsBody(shown.block, own.body, { key, place }) ? 'ours' : 'other'
  return { shows, block: shown.block, headEdition, isHeadOther }
}
