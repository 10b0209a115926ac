/**
 * The whole interface between the router and the world: inputs in, outputs out (spec §9). The router
 * does no I/O and knows no clock: the driver, the in-memory cluster and the simulator run the same one.
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'
import type { HeldCopy } from './held-copy.ts'
import type { Freshness, Message, TrafficClass } from './messages.ts'

/** Number of one connection, at least 1 and never used again; two connections are two peers. */
export type PeerId = number
/**
 * Number of one public key, at least 1; 0: this node itself. A peer that connects again is another
 * `PeerId` with the same link number, so that its shares of the store go on.
 */
export type LinkNumber = number
/** Number of a request that this node started itself. */
export type LocalId = number
export type TimerId = number
/** Number of a write that the router waits for. */
export type Ticket = number

export type Input =
  /** Fetch for this node's own gateway; its store has been looked into already. */
  | {
      readonly type: 'fetch'
      readonly id: LocalId
      readonly address: Address
      /** Homes to try: 0 at once, the others at its not-found or after silence. */
      readonly homes: readonly Home[]
      readonly freshness: Freshness
      readonly trafficClass: TrafficClass
    }
  /**
   * The newest signed block of an address for this node itself, from all `homes` at once with
   * freshness 2; `held` is its own copy, which counts too.
   */
  | {
      readonly type: 'fetch-newest'
      readonly id: LocalId
      readonly address: Address
      /** At least one. */
      readonly homes: readonly Home[]
      readonly trafficClass: TrafficClass
      readonly held: HeldCopy | undefined
    }
  /** Insert of one copy set of an own block at one home. */
  | {
      readonly type: 'insert'
      readonly id: LocalId
      readonly address: Address
      readonly home: Home
      readonly block: Block
      readonly trafficClass: TrafficClass
    }
  /** This node no longer wants its request; nothing more is output for it. */
  | { readonly type: 'abort'; readonly id: LocalId }
  /**
   * A decoded message. The driver answers a FETCH to which its own copy is the answer, and hands in one
   * that is a rival (`roleInFetch`); with an INSERT it hands in the copy that makes the offered block
   * needless (`settlesInsert`). FOUND and DATA come with blocks that it verified.
   */
  | {
      readonly type: 'message'
      readonly from: PeerId
      readonly message: Message
      readonly held?: HeldCopy | undefined
    }
  | { readonly type: 'timer'; readonly timer: TimerId }
  /**
   * A `keep` with this ticket is done; not kept: it could not be written. `block`: what is in the place
   * now, the one that was to be kept or a signed one that supersedes it.
   */
  | {
      readonly type: 'kept'
      readonly ticket: Ticket
      readonly isKept: boolean
      readonly block: Block
    }
  | {
      readonly type: 'peer-up'
      readonly peer: PeerId
      readonly link: LinkNumber
      readonly position: number
      /** Round trip of the link, ms; clipped to [1, 1000]; undefined: taken for 100. */
      readonly rttMs?: number | undefined
    }
  | { readonly type: 'peer-down'; readonly peer: PeerId }
  /** A message of the peer has begun to arrive and is not all there: it speaks, if slowly. */
  | { readonly type: 'receiving'; readonly peer: PeerId; readonly isArriving: boolean }
  /** The round trip of a link as the transport measures it, ms; clipped to [1, 1000]. */
  | { readonly type: 'peer-rtt'; readonly peer: PeerId; readonly rttMs: number }
  /** Positions of the peer's own links: the first 32 are used. The array is kept, not copied. */
  | {
      readonly type: 'neighbors'
      readonly peer: PeerId
      readonly positions: readonly number[] | Float64Array
    }

export type FetchResult =
  | { readonly type: 'found'; readonly block: Block }
  /** Every home was asked and said no. */
  | { readonly type: 'not-found' }
  /** Some home did not answer in time. */
  | { readonly type: 'timed-out' }
  | { readonly type: 'no-peers' }

export type Output =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: Message }
  | { readonly type: 'start-timer'; readonly timer: TimerId; readonly delayMs: number }
  | { readonly type: 'stop-timer'; readonly timer: TimerId }
  /** Put the block; `store`: this node is responsible for it, `cache`: it passed by. */
  | {
      readonly type: 'keep'
      readonly address: Address
      readonly home: Home
      readonly block: Block
      readonly area: 'store' | 'cache'
      /** For whom it is kept: who inserted it, or asked for it; 0: this node itself. */
      readonly link: LinkNumber
      /** Answer with `kept` when it is written; undefined: nobody waits for that. */
      readonly ticket: Ticket | undefined
    }
  | { readonly type: 'fetched'; readonly id: LocalId; readonly result: FetchResult }
  /** Copies that were acknowledged, this node's own included; 0: none, try again later. */
  | { readonly type: 'inserted'; readonly id: LocalId; readonly copies: number }
  /** The peer broke the protocol: end the link and refuse the key for a while. */
  | { readonly type: 'ban'; readonly peer: PeerId }

/** What a router did so far, for tests and the simulator: whole numbers that only grow. */
export interface RouterStats {
  /** FETCH messages sent. */
  readonly fetchesSent: number
  /** Those of them that were a second try beside one that was late. */
  readonly hedges: number
  /** First tries that went to another than the directly nearest peer, for a peer's neighbors' sake. */
  readonly lookAheads: number
  /** Fetches that joined one that was open already. */
  readonly joins: number
  /** Tries whose peer said nothing at all in its time. */
  readonly silences: number
  /** Fetches answered not-found because the same one failed just before. */
  readonly failedRecently: number
  /** HAS messages sent. */
  readonly hintsSent: number
  /** HAS messages that were not looked at, for there were too many. */
  readonly hintsIgnored: number
  /** Times that a peer came last because it had its share of own first tries. */
  readonly overShare: number
}
