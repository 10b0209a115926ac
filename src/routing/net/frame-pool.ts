/**
 * Memory of messages that carry a block, taken again when the peer has them. In a node that relays,
 * such buffers are most of what makes V8 collect, and each collection walks the whole heap.
 * @module
 */
import { BLOCK_FRAME_BYTES } from '../messages.ts'
import type { NoiseStream } from 'hyperdht'

/** A frame with a block, and the numbers of channel and message type that protomux puts before it. */
const MESSAGE_BYTES = BLOCK_FRAME_BYTES + 2
/** What secret-stream puts around a message: its length and a tag before it, a MAC after it. */
const HEAD_BYTES = 4
const MAC_BYTES = 16
/** Messages of a link after which it is asked for when the peer has them: asking costs a few promises. */
const BATCH = 8
/** Most buffers that wait to be taken again, of all links, 4 MiB; those beyond are left to V8. */
const MAX_FREE = 128

/**
 * For all links: each message overwrites all of its buffer. Until then what is left there is what Noise made
 * of the last one, or, where that waited behind others, its plain bytes: a header and a block, which is
 * ciphertext in itself. The next peer never sees them.
 */
const free: Uint8Array[] = []

/** The sending side of one stream: gives room for messages, in place of the stream's own `alloc`. */
export class FramePool {
  readonly #stream: NoiseStream
  /** Given out since it was last asked for. */
  #sent: Uint8Array[] = []

  constructor(stream: NoiseStream) {
    this.#stream = stream
  }

  /** Room for a message of `length` bytes, to be written to the stream before the next call. */
  alloc(length: number): Uint8Array {
    if (length !== MESSAGE_BYTES) return this.#stream.alloc(length)
    if (this.#sent.length >= BATCH) void this.#reclaim()
    const wrapped = free.pop() ?? Buffer.allocUnsafeSlow(HEAD_BYTES + length + MAC_BYTES)
    const plain = wrapped.subarray(HEAD_BYTES, HEAD_BYTES + length)
    this.#sent.push(wrapped)
    /* oxlint-disable no-underscore-dangle -- as the stream's `alloc` does: it encrypts in place */
    this.#stream._outgoingWrapped = wrapped
    this.#stream._outgoingPlain = plain
    /* oxlint-enable no-underscore-dangle */
    return plain
  }

  /** All that was written by now is acknowledged before `flush` resolves; on a stream that ends it never is. */
  async #reclaim(): Promise<void> {
    const sent = this.#sent
    this.#sent = []
    if (!(await this.#stream.flush())) return
    for (const wrapped of sent) if (free.length < MAX_FREE) free.push(wrapped)
  }
}
