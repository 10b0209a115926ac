/**
 * What two nodes tell each other when a channel opens (spec §7.2): which versions they speak, which
 * network they are of, and the proof from which the other derives their position.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { concat, copyOf, equals } from '../keys/bytes.ts'
import { decodeTail } from './messages.ts'

/** The only version so far. */
export const WIRE_VERSION = 1
/** Proof kind 0: none, for private and test networks. */
export const NO_PROOF = Uint8Array.of(0)
/** A proof is a kind and a short payload: 16 times what an Argon2id nonce takes. */
const MAX_PROOF_BYTES = 256
const MAC_BYTES = 32

export interface Handshake {
  readonly minVersion: number
  readonly maxVersion: number
  /** Bit set of optional features; unknown bits are ignored. */
  readonly features: number
  /** Hash of the network's name, 32 bytes. */
  readonly network: Uint8Array
  /** Kind u8 ‖ payload. */
  readonly proof: Uint8Array
  /** Proof of knowing the key of a private network, 32 bytes; undefined: none given. */
  readonly mac: Uint8Array | undefined
}

/** version range (2) ‖ features u32 ‖ network (32) ‖ proof length u16 ‖ proof ‖ MAC length u8 ‖ MAC ‖ tail length u16. */
export function encodeHandshake(handshake: Handshake): Uint8Array {
  const head = new Uint8Array(6)
  head[0] = handshake.minVersion
  head[1] = handshake.maxVersion
  new DataView(head.buffer).setUint32(2, handshake.features, true)
  const mac = handshake.mac ?? new Uint8Array(0)
  const noTail = new Uint8Array(2)
  const { network, proof } = handshake
  return concat(head, network, uint16(proof.length), proof, Uint8Array.of(mac.length), mac, noTail)
}

/** @throws ShoalError E_MESSAGE_CODEC */
export function decodeHandshake(bytes: Uint8Array): Handshake {
  let at = 0
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw malformed('is cut off')
    at += length
    return copyOf(bytes, at - length, at)
  }
  const takeUint16 = (): number => new DataView(take(2).buffer).getUint16(0, true)

  const [minVersion = 0, maxVersion = 0] = take(2)
  const features = new DataView(take(4).buffer).getUint32(0, true)
  const network = take(32)
  const proofLength = takeUint16()
  if (proofLength < 1 || proofLength > MAX_PROOF_BYTES) throw malformed('has a bad proof length')
  const proof = take(proofLength)
  const macLength = take(1)[0]
  if (macLength !== 0 && macLength !== MAC_BYTES) throw malformed('has a bad MAC length')
  const mac = macLength === 0 ? undefined : take(MAC_BYTES)
  const tail = take(takeUint16())
  if (at !== bytes.length) throw malformed('has bytes left over')
  decodeTail(tail, 0)
  return { minVersion, maxVersion, features, network, proof, mac }
}

/** Whether this node and the sender of `theirs` can work together; else the reason, for a counter. */
export function checkHandshake(
  theirs: Handshake,
  network: Uint8Array,
): 'accepted' | 'version' | 'network' | 'proof' {
  if (theirs.minVersion > WIRE_VERSION || theirs.maxVersion < WIRE_VERSION) return 'version'
  if (!equals(theirs.network, network)) return 'network'
  // kinds 1 and 2 are parsed and refused until this version can check them
  if (!equals(theirs.proof, NO_PROOF)) return 'proof'
  return 'accepted'
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

function malformed(what: string): ShoalError {
  return new ShoalError('E_MESSAGE_CODEC', `The handshake ${what}.`)
}
