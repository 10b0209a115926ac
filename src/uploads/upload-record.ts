/**
 * What the journal keeps of an upload (spec §11.12): a head in JSON, and the state of its encoder.
 * @module
 */
import type { LongInsertRequest, LongInsertState, Segment } from '../content/long-insert.ts'
import type { Inserted } from '../content/insert.ts'
import {
  base64url,
  concat,
  copyOf,
  fromBase64url,
  readUint64,
  uint64,
  utf8,
  utf8Text,
} from '../keys/bytes.ts'

export interface UploadRecord {
  readonly id: string
  readonly tag: string | undefined
  /** Bytes that it is to have; undefined: not told yet. */
  readonly length: number | undefined
  readonly request: LongInsertRequest
  /** undefined: nothing of it is kept yet. Never so under a word, whose secret is none by chance. */
  readonly state: LongInsertState | undefined
  /** Once it is whole. */
  readonly result: Inserted | undefined
}

interface Head extends Omit<UploadRecord, 'state'> {
  readonly state: { size: number; secret: string; segments: readonly Segment[] } | undefined
}

export function encodeUpload(upload: UploadRecord): Uint8Array {
  const { state } = upload
  const kept = state && {
    size: state.size,
    secret: base64url(state.secret),
    segments: state.segments,
  }
  const head = utf8(JSON.stringify({ ...upload, state: kept } satisfies Head))
  const snapshot = state?.snapshot ?? new Uint8Array()
  return concat(uint64(head.length), head, uint64(snapshot.length), snapshot)
}

/** Of a record that was sealed by this node, so that its parts are there; zeros may follow. */
export function decodeUpload(bytes: Uint8Array): UploadRecord | undefined {
  const headEnd = 8 + (readUint64(bytes, 0) ?? 0)
  const text = utf8Text(bytes.subarray(8, headEnd))
  if (text === undefined || text === '') return undefined
  const { state, ...head } = JSON.parse(text) as Head
  const { id, tag, length, request, result } = head
  if (state === undefined) return { id, tag, length, request, result, state }
  const from = headEnd + 8
  const snapshotBytes = readUint64(bytes, headEnd) ?? 0
  const snapshot = snapshotBytes === 0 ? undefined : copyOf(bytes, from, from + snapshotBytes)
  const secret = fromBase64url(state.secret)
  if (secret === undefined) return undefined
  const { size, segments } = state
  return { id, tag, length, request, result, state: { size, segments, secret, snapshot } }
}
