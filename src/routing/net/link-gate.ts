/**
 * Holds what a peer says while its position proof is being checked: the driver sees the link when that
 * is good, and nothing of it when it is not (spec §6.4).
 * @module
 */
import { copyOf } from '../../keys/bytes.ts'
import type { LinkHandlers } from './transport.ts'

/** A check takes some ten milliseconds; who sends more meanwhile does not wait for an answer. */
const MAX_HELD_FRAMES = 64
const MAX_HELD_BYTES = 256 * 1024

/** Handlers for a link that nobody has yet. */
export class LinkGate implements LinkHandlers {
  readonly #onoverflow: () => void
  readonly #held: Uint8Array[] = []
  #heldBytes = 0
  #handlers: LinkHandlers | undefined
  #isDrained = false
  #isClosed = false

  /** `onoverflow`: more has come than is held; the link must end. */
  constructor(onoverflow: () => void) {
    this.#onoverflow = onoverflow
  }

  get isClosed(): boolean {
    return this.#isClosed
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
    } else this.#held.push(copyOf(frame))
  }

  onprogress(): void {
    this.#handlers?.onprogress?.()
  }

  ondrain(): void {
    this.#isDrained = true
    this.#handlers?.ondrain()
  }

  onclose(): void {
    this.#isClosed = true
    this.#held.length = 0
    this.#handlers?.onclose()
  }
}
