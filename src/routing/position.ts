/**
 * The ring: positions are whole numbers in [0, 2^48), so that every node computes the same distances
 * (spec §6). A node's position follows from its key and is never sent.
 * @module
 */
import { readUint48, utf8 } from '../keys/bytes.ts'
import { digest } from '../keys/digest.ts'

/** Positions on the ring. */
export const RING = 2 ** 48
/** Most bits of a position that name a region: u32 holds no more. */
const MAX_REGION_BITS = 32
const POSITION_LABEL = utf8('shoal/position/1')
const NETWORK_LABEL = utf8('shoal/network/1')
const TOPIC_LABEL = utf8('shoal/topic/1')
const REGION_TOPIC_LABEL = utf8('shoal/topic/2')

/** Hash that stands for a network, from its name and, in a private one, its 32-byte key. */
export function networkHash(name: string, key?: Uint8Array): Uint8Array {
  return digest([NETWORK_LABEL, utf8(name)], key)
}

/** 32-byte topic under which the nodes of a network find each other. */
export function networkTopic(network: Uint8Array): Uint8Array {
  return digest([TOPIC_LABEL, network])
}

/** Topic of the nodes in one of 2^bits equal parts of the ring; `bits` in [0, 32] (spec §7.1). */
export function regionTopic(network: Uint8Array, bits: number, region: number): Uint8Array {
  const place = new Uint8Array(5)
  place[0] = bits
  new DataView(place.buffer).setUint32(1, region, true)
  return digest([REGION_TOPIC_LABEL, network, place])
}

/** The part of the ring that holds `position`: its first `bits` bits, at most 32. */
export function regionOf(position: number, bits: number): number {
  if (!(bits >= 0 && bits <= MAX_REGION_BITS)) throw new RangeError('bits: 0 to 32')
  return Math.floor(position / 2 ** (48 - bits))
}

/** Position of the node with `publicKey` and position proof `proof` (kind ‖ payload). */
export function nodePosition(
  network: Uint8Array,
  publicKey: Uint8Array,
  proof: Uint8Array,
): number {
  return readUint48(digest([POSITION_LABEL, network, publicKey, proof]))
}

/** Length of the shorter arc between two positions, in [0, 2^47]. */
export function distance(a: number, b: number): number {
  const arc = Math.abs(a - b)
  return Math.min(arc, RING - arc)
}
