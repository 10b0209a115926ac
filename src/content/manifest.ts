/**
 * The manifest: what content is, how long, and where its bytes are (spec §5).
 * @module
 */
import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import { concat, readUint64, uint64, utf8, utf8Text } from '../keys/bytes.ts'
import { levelOf } from '../keys/eris.ts'
import type { ReadCapability } from '../keys/eris.ts'

/** A manifest is one leaf, and a leaf keeps a byte for its padding. */
export const MAX_MANIFEST_BYTES = BLOCK_BYTES - 1
export const MAX_CONTENT_TYPE_BYTES = 255
const VERSION = 1
const FIELD_HEADER_BYTES = 5
const TAGS = { size: 1, contentType: 2, inline: 3, root: 5 } as const

/** Where the bytes are: in the manifest itself, or in a tree of their own. */
export type ManifestBody =
  | { readonly type: 'inline'; readonly bytes: Uint8Array }
  | { readonly type: 'tree'; readonly root: ReadCapability }

export interface Manifest {
  readonly size: number
  readonly contentType: string | undefined
  readonly body: ManifestBody
}

/** Longest content that fits inline beside `contentType`, bytes. */
export function maxInlineBytes(contentType: string | undefined): number {
  const typeBytes = contentType === undefined ? 0 : FIELD_HEADER_BYTES + contentType.length
  return MAX_MANIFEST_BYTES - 1 - (FIELD_HEADER_BYTES + 8) - typeBytes - FIELD_HEADER_BYTES
}

/** Whether `text` may stand in a manifest: `type/subtype` with parameters, visible ASCII. */
export function isContentType(text: string): boolean {
  return text.length <= MAX_CONTENT_TYPE_BYTES && /^[!-.0-~]+\/[!-.0-~][ -~]*$/.test(text)
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { size, contentType, body } = manifest
  const fields = [field(TAGS.size, uint64(size))]
  if (contentType !== undefined) fields.push(field(TAGS.contentType, utf8(contentType)))
  if (body.type === 'inline') fields.push(field(TAGS.inline, body.bytes))
  else {
    const { level, reference, readKey } = body.root
    fields.push(field(TAGS.root, concat(Uint8Array.of(level), reference, readKey)))
  }
  return concat(Uint8Array.of(VERSION), ...fields)
}

/** @throws ShoalError E_DECODE for anything but a canonical manifest of a version that is known. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw undecodable('is too long')
  if (bytes[0] !== VERSION) throw undecodable('has a version this node does not know')
  const fields = decodeFields(bytes)
  const size = decodeSize(fields.get(TAGS.size))
  const contentType = decodeContentType(fields.get(TAGS.contentType))
  const inline = fields.get(TAGS.inline)
  const root = fields.get(TAGS.root)
  if ((inline === undefined) === (root === undefined))
    throw undecodable('has no one place of bytes')
  if (inline !== undefined) {
    if (inline.length !== size) throw undecodable('has a size that is not that of its bytes')
    return { size, contentType, body: { type: 'inline', bytes: inline } }
  }
  return { size, contentType, body: { type: 'tree', root: decodeRoot(root as Uint8Array, size) } }
}

function field(tag: number, value: Uint8Array): Uint8Array {
  const header = new Uint8Array(FIELD_HEADER_BYTES)
  header[0] = tag
  new DataView(header.buffer).setUint32(1, value.length, true)
  return concat(header, value)
}

/** Known fields by tag; even ones that are not known are left out, odd ones are refused. */
function decodeFields(bytes: Uint8Array): Map<number, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const known = new Set<number>(Object.values(TAGS))
  const fields = new Map<number, Uint8Array>()
  let lastTag = -1
  for (let at = 1; at < bytes.length;) {
    if (at + FIELD_HEADER_BYTES > bytes.length) throw undecodable('is cut off')
    const tag = bytes[at] as number
    const end = at + FIELD_HEADER_BYTES + view.getUint32(at + 1, true)
    if (end > bytes.length) throw undecodable('is cut off')
    if (tag <= lastTag) throw undecodable('has fields out of order')
    if (known.has(tag)) fields.set(tag, bytes.subarray(at + FIELD_HEADER_BYTES, end))
    else if (tag % 2 === 1) throw undecodable('needs a newer version of shoal')
    lastTag = tag
    at = end
  }
  return fields
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
