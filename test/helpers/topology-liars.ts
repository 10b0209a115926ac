/**
 * Members that lie in answer to each SEEK: all that they tell of lies nearer to the asker than its
 * neighbors do, and is a decoy.
 * @module
 */
import { RING } from '../../src/routing/position.ts'
import type { Candidate } from '../../src/routing/topology.ts'
import type { Decoy, Member, TopologyNetwork } from './topology-network.ts'

export const DECOY_KINDS = ['dead', 'tarpit', 'closing', 'full'] as const
export type DecoyKind = (typeof DECOY_KINDS)[number]

const TOLD = 5
/** What a peer may tell unasked at once (spec §9.9). */
const UNASKED = 4

export class Liars {
  readonly #network: TopologyNetwork
  /** Keys of members that lie. */
  readonly keys = new Set<string>()
  /** Lies so far. */
  told = 0

  /** From now on the `keys` of `network` lie, and what they tell of is of that kind. */
  constructor(network: TopologyNetwork, kind: DecoyKind) {
    this.#network = network
    network.answer = (by, asker) => (this.keys.has(by.key) ? this.lies(asker) : undefined)
    network.decoy = (_key, dialer): Decoy => {
      if (kind === 'dead') return { kind: 'dead', silentMs: 20_000 }
      if (kind === 'tarpit') return { kind: 'dead', silentMs: 5_000 }
      return kind === 'closing' ? { kind } : { kind, told: this.lies(dialer) }
    }
  }

  /** Links them all with `victim`, and has them say unasked what they can. */
  surround(victim: Member): void {
    for (const key of this.keys) {
      const liar = this.#network.members.get(key)
      if (liar === undefined || victim.links.has(key)) continue
      this.#network.link(liar, victim)
      for (let times = 0; times < UNASKED; times++) {
        this.#network.give(victim, { type: 'found', candidates: this.lies(victim), source: key })
      }
    }
  }

  /** Five keys that no member has, on both sides of the asker and nearer than anybody. */
  lies(asker: Member): Candidate[] {
    return Array.from({ length: TOLD }, () => {
      const number = this.told++
      const away = (1 + (number % 4096)) * (number % 2 === 0 ? 1 : -1)
      return { key: `lie${number}`, position: (asker.position + away + RING) % RING }
    })
  }
}
