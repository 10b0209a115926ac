/**
 * Holds what a peer says while its position proof is being checked, and whether it has taken the link is
 * not known yet: the driver sees the link when all is good, and nothing of it when not (spec §6.4, §7.4).
 * @module
 */
import { copyOf } from '../../keys/bytes.ts'
import type { LinkHandlers } from './transport.ts'

/**
 * A check takes tens of milliseconds, and half a second where many wait. Meanwhile an honest peer may ask
 * for all that a link may have open (256 requests) and say who its neighbors are.
 */
const MAX_HELD_FRAMES = 512
const MAX_HELD_BYTES = 256 * 1024

/** Handlers for a link that nobody has yet. */
export class LinkGate implements LinkHandlers {
  readonly #onoverflow: () => void
  readonly #held: Uint8Array[] = []
  #heldBytes = 0
  #handlers: LinkHandlers | undefined
  #onheard: ((first: Uint8Array | undefined) => void) | undefined
  #isDrained = false
  #isClosed = false

  /** `onoverflow`: more has come than is held; the link must end. */
  constructor(onoverflow: () => void) {
    this.#onoverflow = onoverflow
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Calls `run` once: with the first frame, at once if it is here; with undefined when it is closed. */
  whenHeard(run: (first: Uint8Array | undefined) => void): void {
    if (this.#isClosed || this.#held.length > 0) run(this.#held[0])
    else this.#onheard = run
  }

  /** Hands over what came, and from now on everything. */
  open(handlers: LinkHandlers): void {
    this.#handlers = handlers
    if (this.#isDrained) handlers.ondrain()
    for (const frame of this.#held.splice(0)) handlers.onframe(frame)
  }

  onframe(frame: Uint8Array): void {
    if (this.#handlers !== undefined) return this.#handlers.onframe(frame)
    this.#heldBytes += frame.length
    if (this.#held.length >= MAX_HELD_FRAMES || this.#heldBytes > MAX_HELD_BYTES) {
      this.#held.length = 0
      this.#onoverflow()
      return
    }
    this.#held.push(copyOf(frame))
    this.#heard(this.#held[0])
  }

  onprogress(isArriving: boolean): void {
    this.#handlers?.onprogress?.(isArriving)
  }

  ondrain(): void {
    this.#isDrained = true
    this.#handlers?.ondrain()
  }

  onclose(): void {
    this.#isClosed = true
    this.#held.length = 0
    this.#heard(undefined)
    this.#handlers?.onclose()
  }

  #heard(first: Uint8Array | undefined): void {
    const run = this.#onheard
    this.#onheard = undefined
    run?.(first)
  }
}
