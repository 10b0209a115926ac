/**
 * What is inside a signed document (spec §5.6): a manifest, or where one is, and in a head the edition.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { concat, readUint64, uint64 } from '../keys/bytes.ts'
import { MAX_EDITION } from '../keys/signed.ts'
import { decodeFields, encodeField } from './fields.ts'

/** A manifest in the document itself, or the content block that holds it. */
export type DocumentBody =
  | { readonly type: 'manifest'; readonly manifest: Uint8Array }
  | { readonly type: 'pointer'; readonly reference: Uint8Array; readonly readKey: Uint8Array }

export interface HeadInfo {
  readonly edition: number
  /** BLAKE2b-256 of the edition's whole block. */
  readonly editionHash: Uint8Array
}

export interface Document {
  readonly body: DocumentBody
  /** In heads only. */
  readonly head: HeadInfo | undefined
}

/** Longest manifest that fits a document beside a head's fields, bytes. */
export const MAX_INLINE_MANIFEST_BYTES = 32_500
const VERSION = 1
const TAGS = { manifest: 1, pointer: 3, head: 5 } as const
const KNOWN: ReadonlySet<number> = new Set(Object.values(TAGS))
const HASH_BYTES = 32

export function encodeDocument({ body, head }: Document): Uint8Array {
  const fields =
    body.type === 'manifest'
      ? [encodeField(TAGS.manifest, body.manifest)]
      : [encodeField(TAGS.pointer, concat(body.reference, body.readKey))]
  if (head !== undefined) {
    fields.push(encodeField(TAGS.head, concat(uint64(head.edition), head.editionHash)))
  }
  return concat(Uint8Array.of(VERSION), ...fields)
}

/** Parts of the result are views of `bytes`. @throws ShoalError E_DECODE */
export function decodeDocument(bytes: Uint8Array): Document {
  if (bytes[0] !== VERSION) throw undecodable('has a version this node does not know')
  const fields = decodeFields(bytes, { from: 1, known: KNOWN, what: 'The signed document' })
  const manifest = fields.get(TAGS.manifest)
  const pointer = fields.get(TAGS.pointer)
  const body = manifest === undefined ? decodePointer(pointer) : decodeInline(manifest, pointer)
  return { body, head: decodeHead(fields.get(TAGS.head)) }
}

function decodeInline(manifest: Uint8Array, pointer: Uint8Array | undefined): DocumentBody {
  if (pointer !== undefined) throw undecodable('has two manifests')
  if (manifest.length > MAX_INLINE_MANIFEST_BYTES) throw undecodable('has too long a manifest')
  return { type: 'manifest', manifest }
}

function decodePointer(value: Uint8Array | undefined): DocumentBody {
  if (value?.length !== 2 * HASH_BYTES) throw undecodable('has no manifest')
  const [reference, readKey] = [value.subarray(0, HASH_BYTES), value.subarray(HASH_BYTES)]
  return { type: 'pointer', reference, readKey }
}

function decodeHead(value: Uint8Array | undefined): HeadInfo | undefined {
  if (value === undefined) return undefined
  if (value.length !== 8 + HASH_BYTES) throw undecodable('has a malformed head')
  const edition = readUint64(value, 0)
  if (edition === undefined || edition > MAX_EDITION) throw undecodable('has no valid edition')
  return { edition, editionHash: value.subarray(8) }
}

function undecodable(fault: string): ShoalError {
  return new ShoalError('E_DECODE', `The signed document ${fault}.`)
}
