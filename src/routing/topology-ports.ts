/**
 * The whole interface between the topology and the world: inputs in, outputs out (spec §9.9). Like the
 * router it does no I/O and knows no clock; nothing here says what this node itself fetches.
 * @module
 */
import type { Rng } from '../runtime.ts'

/** Opaque and unique: `mapKey(publicKey)` in a node, anything in a simulator. */
export type PeerKey = string

export interface Candidate {
  readonly key: PeerKey
  /** Whole number in [0, 2^48); others are ignored. */
  readonly position: number
}

/** `rendezvous`, `cache`, or the key of who told: a link, or a peer that refused one. */
export type CandidateSource = PeerKey

export type TopologyInput =
  | { readonly type: 'started' }
  /** A link is open; again for the same key: it replaces the one before. */
  | {
      readonly type: 'linked'
      readonly key: PeerKey
      readonly position: number
      readonly isInbound: boolean
    }
  /** No link to it is left. `wasWanted`: lost, or closed by the peer; not by this node. */
  | { readonly type: 'unlinked'; readonly key: PeerKey; readonly wasWanted: boolean }
  | {
      readonly type: 'found'
      readonly candidates: readonly Candidate[]
      readonly source: CandidateSource
    }
  /** `wasRefused`: the peer is there, but did not take the link: no fault of who told of it. */
  | { readonly type: 'dial-failed'; readonly key: PeerKey; readonly wasRefused?: boolean }
  | { readonly type: 'banned'; readonly key: PeerKey }
  /** To be given at `nextTickMs`; earlier or later does no harm. */
  | { readonly type: 'tick' }

export type TopologyOutput =
  /** `through`: by way of a common link, since directly it failed. */
  | { readonly type: 'dial'; readonly key: PeerKey; readonly through?: PeerKey }
  /** A worse link gives way. The topology counts it as gone already. */
  | { readonly type: 'drop'; readonly key: PeerKey }
  /** Ask that link who is nearest to `target`. */
  | { readonly type: 'seek'; readonly via: PeerKey; readonly target: number }

/** `ring`: among the nearest on its side; `long`: the one of its slot; `spare`: the first to go. */
export type LinkRole = 'ring' | 'long' | 'spare'

export interface TopologyLink {
  readonly key: PeerKey
  readonly position: number
  readonly isInbound: boolean
  readonly role: LinkRole
  /** 0 to slotsPerSide - 1 clockwise, as many more the other way; undefined for ring neighbors. */
  readonly slot: number | undefined
}

export interface TopologyTuning {
  /** Long links on each side; with the 8 ring neighbors they make the degree that is aimed at. */
  readonly slotsPerSide: number
  /** Below this every link is welcome, and any known peer is dialed. */
  readonly leastLinks: number
  /** Above this spare links go once they are old enough. */
  readonly keptLinks: number
  readonly mostLinks: number
}

export interface TopologyOptions {
  /** Own ring position. */
  readonly position: number
  readonly rng: Rng
  readonly tuning?: Partial<TopologyTuning>
}
