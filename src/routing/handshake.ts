/**
 * What two nodes tell each other when a channel opens (spec §7.6): which versions they speak, which
 * network they are of, the proof from which the other derives their position, and, in a private
 * network, that they have its key.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { concat, copyOf, equals, utf8 } from '../keys/bytes.ts'
import { digest } from '../keys/digest.ts'
import type { NetworkDefinition } from './network.ts'
import { decodeTail } from './tlv.ts'

/** The only version so far. */
export const WIRE_VERSION = 1
/** Proof kind 0: none, for private and test networks. */
export const NO_PROOF = Uint8Array.of(0)
/** Proof kind 1: kind u8, nonce (8), end of the slow hash (6). Five of them fit a PEERS. */
export const PUZZLE_PROOF_BYTES = 15
/** A proof is a kind and a short payload; room for kinds to come. */
const MAX_PROOF_BYTES = 256
const MAC_BYTES = 32
/** A channel binding is a hash of at least this many bytes: less would not name one channel. */
const MIN_BINDING_BYTES = 32
const MAC_LABEL = utf8('shoal/network-mac/1')
const LINK_LABEL = utf8('shoal/network-link/1')

export interface Handshake {
  readonly minVersion: number
  readonly maxVersion: number
  /** Bit set of optional features; unknown bits are ignored. */
  readonly features: number
  /** Network hash, 32 bytes; in a private network one that only this link has. */
  readonly network: Uint8Array
  /** Kind u8 ‖ payload. */
  readonly proof: Uint8Array
  /** Proof of knowing the key of a private network, 32 bytes; undefined: none given. */
  readonly mac: Uint8Array | undefined
}

/** A link, as far as handshakes are bound to it. */
export interface LinkIdentity {
  readonly remotePublicKey: Uint8Array
  /** The same at both ends and on no other link: the hash of the Noise handshake. */
  readonly channelBinding: Uint8Array
  /** Whether this node dialed. */
  readonly isInitiator: boolean
}

/** Who this node is to others. */
export interface OwnIdentity {
  readonly definition: NetworkDefinition
  readonly publicKey: Uint8Array
  /** Kind u8 ‖ payload, of the kind that the network asks for. */
  readonly proof: Uint8Array
}

/** Why a handshake is refused, for a counter. */
export type HandshakeVerdict = 'accepted' | 'version' | 'network' | 'mac' | 'proof'

/**
 * The bytes with which this node opens the channel of one link. Whoever was dialed sends them only when
 * the dialer's have been accepted: a stranger gets no answer.
 */
export function createHandshake(own: OwnIdentity, link: LinkIdentity): Uint8Array {
  const { definition, publicKey, proof } = own
  return encodeHandshake({
    minVersion: WIRE_VERSION,
    maxVersion: WIRE_VERSION,
    features: 0,
    network: networkOnLink(definition, link),
    proof,
    mac: macOf(definition, link, publicKey),
  })
}

/**
 * Whether this node and the sender of `theirs` can work together; else the reason, for a counter. A
 * proof is only looked at: whether the puzzle is solved takes a ProofVerifier.
 */
export function checkHandshake(
  theirs: Handshake,
  definition: NetworkDefinition,
  link: Pick<LinkIdentity, 'remotePublicKey' | 'channelBinding'>,
): HandshakeVerdict {
  if (theirs.minVersion > WIRE_VERSION || theirs.maxVersion < WIRE_VERSION) return 'version'
  const isPrivate = definition.key !== undefined
  if (isPrivate && link.channelBinding.length < MIN_BINDING_BYTES) return 'mac'
  if (!equals(theirs.network, networkOnLink(definition, link))) return 'network'
  if (!isSameMac(theirs.mac, macOf(definition, link, link.remotePublicKey))) return 'mac'
  return hasKindOf(definition, theirs.proof) ? 'accepted' : 'proof'
}

/**
 * A private network's hash is told to nobody, as its topics and positions follow from it: who is dialed
 * may be a stranger who found the topic on the DHT.
 */
function networkOnLink(
  { hash, key }: NetworkDefinition,
  { channelBinding }: Pick<LinkIdentity, 'channelBinding'>,
): Uint8Array {
  if (key === undefined) return hash
  if (channelBinding.length < MIN_BINDING_BYTES) throw new RangeError('no channel binding')
  return digest([LINK_LABEL, hash, channelBinding])
}

/** The sender's own key in it keeps a MAC from being sent back as the other end's. */
function macOf(
  { key }: NetworkDefinition,
  { channelBinding }: Pick<LinkIdentity, 'channelBinding'>,
  sender: Uint8Array,
): Uint8Array | undefined {
  return key && digest([MAC_LABEL, channelBinding, sender], key)
}

/** In the same time wherever the two differ. A MAC that was not asked for is not looked at. */
function isSameMac(theirs: Uint8Array | undefined, expected: Uint8Array | undefined): boolean {
  if (expected === undefined) return true
  if (theirs?.length !== expected.length) return false
  return expected.reduce((sum, byte, at) => sum | (byte ^ (theirs[at] as number)), 0) === 0
}

function hasKindOf({ proof: wanted }: NetworkDefinition, proof: Uint8Array): boolean {
  return wanted.kind === 0 ? equals(proof, NO_PROOF) : isPuzzleProof(proof)
}

/** Whether it has the form of kind 1 (spec §6.4). */
export function isPuzzleProof(proof: Uint8Array): boolean {
  return proof.length === PUZZLE_PROOF_BYTES && proof[0] === 1
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

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

function malformed(what: string): ShoalError {
  return new ShoalError('E_MESSAGE_CODEC', `The handshake ${what}.`)
}
