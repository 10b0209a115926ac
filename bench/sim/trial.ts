/**
 * One block with an address of its own, inserted once and fetched once: the address tells to which
 * request each message belongs, however many are under way.
 * @module
 */
import { contentAddress, homePosition } from '../../src/keys/block.ts'
import type { Address, Block, Home } from '../../src/keys/block.ts'
import type { Rng } from '../../src/runtime.ts'

/** Blocks are shared small fakes: as long as what looks into them reads. */
const FAKE_BYTES = 128

export interface Trial {
  /** Number in its network; -1: in none yet. */
  id: number
  readonly address: Address
  readonly block: Block
  readonly homes: readonly Home[]
  /** Ring positions of homes 0, 1 and 2. */
  readonly positions: readonly number[]
  /** Nodes that hold the block in their store. */
  readonly holders: Set<number>
  /** Copies that the inserts acknowledged. */
  copies: number
  requester: number
  startMs: number
  endMs: number
  /** Undefined: not ended. */
  result: 'found' | 'not-found' | 'timed-out' | 'no-peers' | undefined
  /** FETCH messages that any node sent, for homes 0, 1 and 2. */
  readonly messages: [number, number, number]
  /** Node asked first. */
  firstHop: number | undefined
  /** By node: links between it and the node that answered with the block. */
  readonly links: Map<number, number>
  /** Links from the requester to the node that answered; where it was found. */
  hops: number
}

/** A trial with random content. */
export function createTrial(rng: Rng, homes: readonly Home[]): Trial {
  const block = new Uint8Array(FAKE_BYTES) as Block
  for (let at = 0; at < 12; at++) block[at] = rng.below(256)
  const address = contentAddress(block)
  return {
    id: -1,
    address,
    block,
    homes,
    positions: ([0, 1, 2] as const).map((home) => homePosition(address, home)),
    holders: new Set(),
    copies: 0,
    requester: -1,
    startMs: 0,
    endMs: 0,
    result: undefined,
    messages: [0, 0, 0],
    firstHop: undefined,
    links: new Map(),
    hops: 0,
  }
}

/** FETCH messages that any node sent, all homes together. */
export function messagesOf({ messages }: Trial): number {
  return messages.reduce((sum, each) => sum + each)
}
