/**
 * What is wrong with a node, and what it answers to a FETCH because of that.
 * @module
 */
import type { Block } from '../../src/keys/block.ts'
import type { Message, RequestMessage } from '../../src/routing/messages.ts'
import { RING } from '../../src/routing/position.ts'

/**
 * dropper: takes a FETCH and says nothing; liar: says not-found at once; poisoner: says FOUND at once,
 * with a block of its own making; look-ahead liar: advertises links it has not, and drops; look-ahead
 * spy: the same, and does all as it should, to go on seeing what is asked; exchange liar: tells of peers
 * that nobody is, and does all else as it should.
 */
export type Fault =
  'dropper' | 'liar' | 'poisoner' | 'look-ahead-liar' | 'look-ahead-spy' | 'exchange-liar'

/** Its lies are about other nodes; requests it treats as it should. */
export function isFairToRequests(fault: Fault): boolean {
  return fault === 'look-ahead-spy' || fault === 'exchange-liar'
}

export function advertisesFakes(fault: Fault | undefined): boolean {
  return fault === 'look-ahead-liar' || fault === 'look-ahead-spy'
}

/** Positions that a look-ahead liar claims: all over the ring, or crowded around itself as honest ones. */
export type Spread = 'even' | 'near'

/** Most positions a peer may tell. */
const MOST_NEIGHBORS = 32

/** What every poisoner sends: no address is that of these bytes. */
export const POISON = new Uint8Array(128).fill(7) as Block

/** The answer to a FETCH of who does not act as he should; undefined: silence. */
export function faultyAnswer(fault: Fault, request: RequestMessage): Message | undefined {
  if (fault === 'liar') return { type: 'not-found', id: request.id }
  if (fault !== 'poisoner') return undefined
  return { type: 'found', id: request.id, block: POISON }
}

/** Neighbor positions that a look-ahead liar at `position` makes up. */
export function fakedNeighbors(position: number, spread: Spread): Float64Array {
  const positions = new Float64Array(MOST_NEIGHBORS)
  for (let at = 0; at < MOST_NEIGHBORS; at++) {
    const share = (at >> 1) + 1
    const sign = at % 2 === 0 ? 1 : -1
    const away =
      spread === 'even' ? (at * RING) / MOST_NEIGHBORS : sign * RING * 2 ** -(share * 0.9 + 0.1)
    positions[at] = (((position + Math.floor(away)) % RING) + RING) % RING
  }
  return positions
}
