/**
 * The ring: positions are whole numbers in [0, 2^48), so that every node computes the same distances
 * (spec §6). A node's position follows from its key and is never sent.
 * @module
 */
import { concat, readUint48, utf8 } from '../keys/bytes.ts'
import { blake2b256 } from '../keys/primitives.ts'

/** Positions on the ring. */
export const RING = 2 ** 48
const POSITION_LABEL = utf8('shoal/position/1')
const NETWORK_LABEL = utf8('shoal/network/1')
const TOPIC_LABEL = utf8('shoal/topic/1')

/** Hash that stands for a network, from its name. */
export function networkHash(name: string): Uint8Array {
  return blake2b256(concat(NETWORK_LABEL, utf8(name)))
}

/** 32-byte topic under which the nodes of a network find each other. */
export function networkTopic(network: Uint8Array): Uint8Array {
  return blake2b256(concat(TOPIC_LABEL, network))
}

/** Position of the node with `publicKey` and position proof `proof` (kind ‖ payload). */
export function nodePosition(
  network: Uint8Array,
  publicKey: Uint8Array,
  proof: Uint8Array,
): number {
  return readUint48(blake2b256(concat(POSITION_LABEL, network, publicKey, proof)))
}

/** Length of the shorter arc between two positions, in [0, 2^47]. */
export function distance(a: number, b: number): number {
  const arc = Math.abs(a - b)
  return Math.min(arc, RING - arc)
}
