/**
 * The manifest: what content is, how long, and where its bytes are (spec §5).
 * @module
 */
import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import { concat, readUint64, uint64, utf8, utf8Text } from '../keys/bytes.ts'
import { levelOf } from '../keys/eris.ts'
import type { ReadCapability } from '../keys/eris.ts'
import { MAX_INLINE_MANIFEST_BYTES } from './document.ts'
import { FIELD_HEADER_BYTES, decodeFields, encodeField } from './fields.ts'

/** A manifest is one leaf, and a leaf keeps a byte for its padding. */
export const MAX_MANIFEST_BYTES = BLOCK_BYTES - 1
export const MAX_CONTENT_TYPE_BYTES = 255
const VERSION = 1
const TAGS = { size: 1, contentType: 2, inline: 3, root: 5, directory: 7 } as const
const KNOWN: ReadonlySet<number> = new Set(Object.values(TAGS))
/** Longest node of a directory: its manifest fits a signed document. */
export const MAX_DIRECTORY_BYTES =
  MAX_INLINE_MANIFEST_BYTES - 1 - (FIELD_HEADER_BYTES + 8) - FIELD_HEADER_BYTES

/** Where the bytes are: in the manifest itself, in a tree of their own, or in files. */
export type ManifestBody =
  | { readonly type: 'inline'; readonly bytes: Uint8Array }
  | { readonly type: 'tree'; readonly root: ReadCapability }
  /** `decodeDirectory` reads the node. */
  | { readonly type: 'directory'; readonly node: Uint8Array }
  /** A file in a folder's pack: from `offset` on in a tree of `packSize` bytes. Never encoded. */
  | {
      readonly type: 'slice'
      readonly root: ReadCapability
      readonly packSize: number
      readonly offset: number
    }

export interface Manifest {
  /** Bytes of the content; of a directory: of all files below it. */
  readonly size: number
  readonly contentType: string | undefined
  readonly body: ManifestBody
}

/** Longest content that fits inline beside `contentType` in a manifest of at most `manifestBytes`. */
export function maxInlineBytes(
  contentType: string | undefined,
  manifestBytes: number = MAX_MANIFEST_BYTES,
): number {
  const typeBytes = contentType === undefined ? 0 : FIELD_HEADER_BYTES + contentType.length
  return manifestBytes - 1 - (FIELD_HEADER_BYTES + 8) - typeBytes - FIELD_HEADER_BYTES
}

/** Whether `text` may stand in a manifest: `type/subtype` with parameters, visible ASCII. */
export function isContentType(text: string): boolean {
  return text.length <= MAX_CONTENT_TYPE_BYTES && /^[!-.0-~]+\/[!-.0-~][ -~]*$/.test(text)
}

/** @throws RangeError for what no manifest can hold (a bug). */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const { size, contentType, body } = manifest
  const fields = [encodeField(TAGS.size, uint64(size))]
  if (contentType !== undefined) fields.push(encodeField(TAGS.contentType, utf8(contentType)))
  fields.push(encodeBody(body))
  return concat(Uint8Array.of(VERSION), ...fields)
}

/** @throws ShoalError E_DECODE for anything but a canonical manifest of a version that is known. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw undecodable('is too long')
  if (bytes[0] !== VERSION) throw undecodable('has a version this node does not know')
  const fields = decodeFields(bytes, { from: 1, known: KNOWN, what: 'The manifest' })
  const size = decodeSize(fields.get(TAGS.size))
  const contentType = decodeContentType(fields.get(TAGS.contentType))
  const [place, another] = [TAGS.inline, TAGS.root, TAGS.directory].filter((tag) => fields.has(tag))
  if (place === undefined || another !== undefined) throw undecodable('has no one place of bytes')
  const value = fields.get(place) as Uint8Array
  if (place === TAGS.inline && value.length !== size) {
    throw undecodable('has a size that is not that of its bytes')
  }
  if (
    place === TAGS.directory &&
    (contentType !== undefined || value.length > MAX_DIRECTORY_BYTES)
  ) {
    throw undecodable('is not what the one of a folder can be')
  }
  if (place === TAGS.inline) return { size, contentType, body: { type: 'inline', bytes: value } }
  if (place === TAGS.directory)
    return { size, contentType, body: { type: 'directory', node: value } }
  return { size, contentType, body: { type: 'tree', root: decodeRoot(value, size) } }
}

function encodeBody(body: ManifestBody): Uint8Array {
  switch (body.type) {
    case 'inline':
      return encodeField(TAGS.inline, body.bytes)
    case 'tree': {
      const { level, reference, readKey } = body.root
      return encodeField(TAGS.root, concat(Uint8Array.of(level), reference, readKey))
    }
    case 'directory':
      return encodeField(TAGS.directory, body.node)
    case 'slice':
      throw new RangeError('a slice of a pack has no manifest')
  }
}

function decodeSize(value: Uint8Array | undefined): number {
  const size = value?.length === 8 ? readUint64(value, 0) : undefined
  if (size === undefined) throw undecodable('has no valid size')
  return size
}

function decodeContentType(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined
  const text = utf8Text(value)
  if (text === undefined || !isContentType(text)) throw undecodable('has a malformed content type')
  return text
}

function decodeRoot(value: Uint8Array, size: number): ReadCapability {
  if (value.length !== 65) throw undecodable('has a malformed root')
  const level = value[0] as number
  if (level !== levelOf(size, BLOCK_BYTES))
    throw undecodable('has a tree that does not fit its size')
  return {
    blockBytes: BLOCK_BYTES,
    level,
    reference: value.subarray(1, 33),
    readKey: value.subarray(33),
  }
}

function undecodable(what: string): ShoalError {
  return new ShoalError('E_DECODE', `The manifest ${what}.`)
}
