/**
 * What nodes tell each other of other nodes (spec §8.5): PEERS, SEEK and NEIGHBORS. All of it is
 * hearsay; the codec checks form and bounds, and nothing more.
 * @module
 */
import { concat, copyOf, readUint48, uint48 } from '../keys/bytes.ts'
import { RING } from './position.ts'
import { decodeTail, encodeFields, malformed } from './tlv.ts'
import type { Field } from './tlv.ts'

/** Nodes in one PEERS: as many as fit with proofs of 15 bytes. */
export const MAX_PEER_RECORDS = 5
/** Positions in one NEIGHBORS: a node has no more links. */
export const MAX_NEIGHBOR_POSITIONS = 32
/** Longest proof that PEERS passes on, kind included. */
export const MAX_RECORD_PROOF_BYTES = 16
const PUBLIC_KEY_BYTES = 32
const POSITION_BYTES = 6

/** How to reach a node and to compute its position: both unproven until a link to it stands. */
export interface PeerRecord {
  readonly publicKey: Uint8Array
  /** Kind u8 ‖ payload, 1 to 16 bytes. */
  readonly proof: Uint8Array
  readonly tail?: readonly Field[]
}

export interface PeersMessage {
  readonly type: 'peers'
  /** That of the SEEK it answers; 0: told unasked. */
  readonly id: number
  /** At most 5, and at most what fits: 4 with proofs of 16 bytes. */
  readonly records: readonly PeerRecord[]
  readonly tail?: readonly Field[]
}

export interface SeekMessage {
  readonly type: 'seek'
  /** Not 0. */
  readonly id: number
  /** Ring position, in [0, 2^48). */
  readonly target: number
  readonly tail?: readonly Field[]
}

export interface NeighborsMessage {
  readonly type: 'neighbors'
  /** Where the sender's links lead, at most 32, in any order. */
  readonly positions: readonly number[]
  readonly tail?: readonly Field[]
}

/** What follows the type and the id of a PEERS. Throws RangeError where it is out of range. */
export function encodeRecords(records: readonly PeerRecord[]): Uint8Array {
  if (records.length > MAX_PEER_RECORDS) throw new RangeError('too many records')
  return concat(Uint8Array.of(records.length), ...records.map(encodeRecord))
}

function encodeRecord({ publicKey, proof, tail = [] }: PeerRecord): Uint8Array {
  if (publicKey.length !== PUBLIC_KEY_BYTES || !isProofLength(proof.length)) {
    throw new RangeError('a record is out of range')
  }
  const fields = encodeFields(tail)
  if (fields.length > 255) throw new RangeError('the tail of a record is too long')
  return concat(publicKey, Uint8Array.of(proof.length), proof, Uint8Array.of(fields.length), fields)
}

/** The records at `start`, copied, and where they end. @throws ShoalError E_MESSAGE_CODEC */
export function decodeRecords(
  header: Uint8Array,
  start: number,
): { records: PeerRecord[]; end: number } {
  const count = header[start] ?? 0
  if (count > MAX_PEER_RECORDS) throw malformed('has too many records')
  let at = start + 1
  const take = (length: number): Uint8Array => {
    if (at + length > header.length) throw malformed('has a cut-off record')
    at += length
    return copyOf(header, at - length, at)
  }
  const records: PeerRecord[] = []
  for (let each = 0; each < count; each++) {
    const publicKey = take(PUBLIC_KEY_BYTES)
    const [proofLength = 0] = take(1)
    if (!isProofLength(proofLength)) throw malformed('has a bad proof length')
    const proof = take(proofLength)
    const [tailLength = 0] = take(1)
    const tail = decodeTail(take(tailLength), 0)
    records.push(tail.length === 0 ? { publicKey, proof } : { publicKey, proof, tail })
  }
  return { records, end: at }
}

/** `count u8`, then each position as u48. Throws RangeError where it is out of range. */
export function encodePositions(positions: readonly number[]): Uint8Array {
  if (positions.length > MAX_NEIGHBOR_POSITIONS) throw new RangeError('too many positions')
  return concat(Uint8Array.of(positions.length), ...positions.map(encodePosition))
}

/** The positions at `start`, and where they end. @throws ShoalError E_MESSAGE_CODEC */
export function decodePositions(
  header: Uint8Array,
  start: number,
): { positions: number[]; end: number } {
  const count = header[start] ?? 0
  if (count > MAX_NEIGHBOR_POSITIONS) throw malformed('has too many positions')
  const end = start + 1 + count * POSITION_BYTES
  const positions: number[] = []
  for (let at = start + 1; at < end; at += POSITION_BYTES) {
    positions.push(readUint48(header.subarray(at)))
  }
  return { positions, end }
}

/** u48, big endian. Throws RangeError outside [0, 2^48). */
export function encodePosition(position: number): Uint8Array {
  if (!(position >= 0 && position < RING && Number.isInteger(position))) {
    throw new RangeError('no position of the ring')
  }
  return uint48(position)
}

function isProofLength(length: number): boolean {
  return length >= 1 && length <= MAX_RECORD_PROOF_BYTES
}
