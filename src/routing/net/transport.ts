/**
 * What the driver needs of a network: keys of others, and links that carry whole frames, in order, to
 * one peer each. Who is dialed is the driver's choice alone (spec §7.1, §7.4). Implemented in memory
 * under a simulated clock (`memory.ts`) and on hyperswarm (`hyperswarm.ts`).
 * @module
 */

/** Largest frame a transport hands over, bytes; a longer one costs the link (spec §7.3). */
export const MAX_FRAME_BYTES = 65_536

/** The two ends of a link, before anything was said on it. */
export interface LinkEnds {
  /** The peer's Ed25519 public key, proven by the transport (Noise). */
  readonly remotePublicKey: Uint8Array
  /** The same bytes on both sides of this link and on no other. */
  readonly channelBinding: Uint8Array
  /** Whether this node dialed. */
  readonly isInitiator: boolean
}

export interface Link extends LinkEnds {
  /** What the peer sent to open the channel: hostile, unchecked, at most MAX_FRAME_BYTES. */
  readonly remoteHandshake: Uint8Array
  /** IP address of the peer; undefined where there is none, or another relays for it. */
  readonly remoteHost: string | undefined
  /** Whether a third node passes its bytes on, unread (spec §7.7). */
  readonly isRelayed: boolean
  /** Round trip as measured until now, ms; undefined: not yet. */
  readonly rttMs: number | undefined
  /**
   * Queues one frame: `frame`, and `rest` after it where there is one, so that who sends a block need
   * not join what the link copies anyway. False: the link is no longer drained (or closed): send no
   * more than what is already in hand until `ondrain`. The bytes must not be changed afterwards.
   */
  send(frame: Uint8Array, rest?: Uint8Array): boolean
  /** Ends the link, idempotent. With `ban`, this key is refused for the next hour. */
  close(options?: { readonly ban?: boolean }): void
}

/** Callbacks of one link; the driver returns them when it accepts a link. */
export interface LinkHandlers {
  /**
   * One whole frame. Must not throw. Nobody writes into `frame` afterwards, so a block in it may be
   * kept without a copy; it may be a view of a larger buffer, so what is small is better copied.
   */
  onframe(frame: Uint8Array): void
  /** A message has begun to arrive and is not all there: the peer speaks, if slowly. False: now it is. */
  onprogress?(isArriving: boolean): void
  ondrain(): void
  /** Last call; comes once, also after an own `close()`. */
  onclose(): void
}

export interface TransportHandlers {
  /** What this node says when a channel opens; made for each link. */
  handshake(of: LinkEnds): Uint8Array
  /**
   * A link whose handshake has arrived; undefined refuses it (it is closed). On the side that was
   * dialed this comes before this side has said anything at all: a refused dialer hears nothing.
   */
  onlink(link: Link): LinkHandlers | undefined
  /** A key of somebody who is, or was, on the network; comes again and again. `topic`: where it was found. */
  onfound(publicKey: Uint8Array, topic?: Uint8Array): void
  /**
   * What `dial` was asked for came to nothing: no answer, or not dialed at all; `wasRefused`: the peer is
   * there, and one of the two did not take the link, or there is one that its user did not ask for.
   */
  onfailed(publicKey: Uint8Array, wasRefused: boolean): void
}

export interface Transport {
  /**
   * Starts announcing, looking for others and accepting links. Resolves when it listens; finding goes on
   * in the background and an unreachable DHT is a warning, not a failure.
   */
  open(handlers: TransportHandlers): Promise<void>
  /**
   * Seeks a link with this key: `onlink` follows, or `onfailed`, once for all dials under way; where there is
   * a link already, `onfailed` as refused, never inside this call. Nothing follows `drop`. `through`: a peer that is linked to both, perhaps, and passes the bytes on, unread,
   * where there is no other way.
   */
  dial(publicKey: Uint8Array, options?: { readonly through?: Uint8Array }): void
  /** Ends the link with this key or the dial under way; without either, nothing. */
  drop(publicKey: Uint8Array): void
  /** Region topics to announce under and to look up, in place of those given before; at most 8. */
  seek(topics: readonly Uint8Array[]): void
  /** What was passed on between peers since the start; undefined where nothing is. */
  readonly relayed?: { readonly circuits: number; readonly bytes: number }
  /** Closes all links and stops everything that runs in the background. Idempotent. */
  close(): Promise<void>
}
