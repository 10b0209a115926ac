/**
 * What the driver needs of a network: links that carry whole frames, in order, to one peer each.
 * Implemented in memory under a simulated clock (`memory.ts`) and on hyperswarm (`hyperswarm.ts`).
 * @module
 */

/** Largest frame a transport hands over, bytes; a longer one costs the link (spec §7.3). */
export const MAX_FRAME_BYTES = 65_536

export interface Link {
  /** The peer's Ed25519 public key, proven by the transport (Noise). */
  readonly remotePublicKey: Uint8Array
  /** What the peer sent to open the channel: hostile, unchecked, at most MAX_FRAME_BYTES. */
  readonly remoteHandshake: Uint8Array
  /**
   * Queues one frame. False: the link is no longer drained (or closed): send no more than what is
   * already in hand until `ondrain`. The bytes must not be changed afterwards.
   */
  send(frame: Uint8Array): boolean
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
  ondrain(): void
  /** Last call; comes once, also after an own `close()`. */
  onclose(): void
}

export interface Transport {
  /**
   * Starts announcing, looking for peers and accepting them, up to 32 at a time. `handshake` is sent
   * on every channel. `onlink` is called once a link whose handshake has arrived; returning undefined
   * refuses it (it is closed). Resolves when it listens; finding peers goes on in the background and
   * an unreachable DHT is a warning, not a failure.
   */
  open(options: {
    readonly handshake: Uint8Array
    onlink(link: Link): LinkHandlers | undefined
  }): Promise<void>
  /** Closes all links and stops everything that runs in the background. Idempotent. */
  close(): Promise<void>
}
