/**
 * Peers that nobody is, as those tell of them who lie in PEERS: each is nearer to the place that was
 * asked about than any node there is.
 * @module
 */
import type { Candidate, PeerKey } from '../../src/routing/topology.ts'
import { RING } from '../../src/routing/position.ts'
import type { Rng } from '../../src/runtime.ts'

/**
 * What becomes of a dial to a made-up key. dead: nobody has it; silent: it takes the connection and
 * says nothing; closes: it opens the channel, and ends it at once.
 */
export type Lie = 'dead' | 'silent' | 'closes'

const PREFIX = 'made up'

export class MadeUpPeers {
  #told = 0

  /** `count` of them around `target`, in a network of `nodes`; no two have the same key. */
  around(target: number, of: { count: number; nodes: number; rng: Rng }): Candidate[] {
    const near = Math.max(1, Math.floor(RING / of.nodes / 2))
    return Array.from({ length: of.count }, () => {
      const away = 1 + of.rng.below(near)
      const position = (target + (of.rng.below(2) === 0 ? away : RING - away)) % RING
      return { key: `${PREFIX} ${this.#told++} ${position}`, position }
    })
  }
}

export function isMadeUp(key: PeerKey): boolean {
  return key.startsWith(PREFIX)
}

/** Where a made-up key said that it is. */
export function madeUpPosition(key: PeerKey): number {
  return Number(key.split(' ').at(-1))
}
