/**
 * From a verified signed block to what it says (spec §3, §5.6), and from there to the manifest.
 * @module
 */
import { ShoalError, isShoalError } from '../errors.ts'
import { sequenceOf, toAddress } from '../keys/block.ts'
import type { Block } from '../keys/block.ts'
import { equals } from '../keys/bytes.ts'
import { openLeaf, unpaddedLength } from '../keys/eris.ts'
import { blake2b256 } from '../keys/primitives.ts'
import { headSequence, openDocument } from '../keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../keys/signed.ts'
import { MissingBlock } from './blocks.ts'
import { decodeDocument, encodeDocument } from './document.ts'
import type { DocumentBody, HeadInfo } from './document.ts'
import type { FetchContext } from './fetch.ts'
import { decodeManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'

/** The one place of each name's head. */
export const HEAD_PLACE: DocumentPlace = { kind: 'head', edition: 0 }

export interface OpenHead extends HeadInfo {
  readonly body: DocumentBody
}

/**
 * What a head says, or undefined for one that does not open, or whose sequence is not that of the
 * edition inside: a head that lies about its age would stay for ever.
 */
export function openHead(key: DocumentKey, block: Block): OpenHead | undefined {
  return orUndefined(() => {
    const plaintext = openDocument(key, HEAD_PLACE, block)
    if (plaintext === undefined) return undefined
    const { body, head } = decodeDocument(plaintext)
    if (head === undefined || sequenceOf(block) !== headSequence(key, head.edition))
      return undefined
    return { ...head, body }
  })
}

/** Whether `block` is the edition that the head names: two of one edition may differ. */
export function namesEdition({ editionHash }: HeadInfo, block: Block): boolean {
  return equals(editionHash, blake2b256(block))
}

/** What an immutable document says. @throws ShoalError E_DECODE */
export function openImmutable(key: DocumentKey, place: DocumentPlace, block: Block): DocumentBody {
  const plaintext = openDocument(key, place, block)
  if (plaintext === undefined) {
    throw new ShoalError('E_DECODE', 'The signed document does not open with this key.')
  }
  const { body, head } = decodeDocument(plaintext)
  if (head !== undefined) throw new ShoalError('E_DECODE', 'The signed document poses as a head.')
  return body
}

/** The same, or undefined for a document that no reader could open. */
export function readBody(
  key: DocumentKey,
  place: DocumentPlace,
  block: Block,
): DocumentBody | undefined {
  return orUndefined(() => openImmutable(key, place, block))
}

/** Whether `block`, at that place, is a document of the same content: its nonce may be another. */
export function showsBody(
  block: Block,
  body: DocumentBody,
  { key, place }: { key: DocumentKey; place: DocumentPlace },
): boolean {
  const other = readBody(key, place, block)
  return other !== undefined && equals(bytesOfBody(other), bytesOfBody(body))
}

/** The one spelling of a body, to compare and to keep: the document of an edition. */
export function bytesOfBody(body: DocumentBody): Uint8Array {
  return encodeDocument({ body, head: undefined })
}

/** The manifest in `body`, or the one that it points at. @throws MissingBlock, ShoalError E_DECODE */
export async function manifestOf(
  body: DocumentBody,
  { source, signal }: Pick<FetchContext, 'source' | 'signal'>,
): Promise<Manifest> {
  if (body.type === 'manifest') return decodeManifest(body.manifest)
  const result = await source.getBlock(toAddress(body.reference), { isTop: true, signal })
  if (result.type !== 'found') throw new MissingBlock(result)
  const leaf = openLeaf(result.block, body)
  return decodeManifest(leaf.subarray(0, unpaddedLength(leaf)))
}

function orUndefined<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    if (isShoalError(error) && error.code === 'E_DECODE') return undefined
    throw error
  }
}
