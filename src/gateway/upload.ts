/**
 * What all uploads have in common: only a few run at once, and one that stands still gives its place
 * back.
 * @module
 */
import type { Request } from 'express'

import { ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import { explainFull } from './full-disk.ts'
import { unlessStalled } from './stalled-upload.ts'

/** Uploads at once, each holding a few blocks in memory; one more is answered 429. */
const MAX_UPLOADS = 16

export interface UploadLimits {
  /** How long an upload may stand still, ms. */
  readonly idleMs: number
  /** Longest body, bytes. */
  readonly maxBytes: number
}

/** The places for uploads of one gateway. */
export class UploadPlaces {
  readonly #node: Pick<Node, 'status'>
  readonly #limits: UploadLimits
  #taken = 0

  constructor(node: Pick<Node, 'status'>, limits: UploadLimits) {
    this.#node = node
    this.#limits = limits
  }

  /** Longest body, and longest sum of parts, bytes. */
  get maxBytes(): number {
    return this.#limits.maxBytes
  }

  /** Of a body or of all parts together; undefined: not known. @throws ShoalError E_TOO_LARGE */
  checkLength(bytes: number | undefined): void {
    if (bytes !== undefined && bytes > this.maxBytes) throw tooLarge(this.maxBytes)
  }

  /**
   * Hands the body to `take` while it has a place. `bytesBefore`: of the same upload, in earlier parts.
   * @throws ShoalError E_BUSY, E_TOO_LARGE, and what `take` throws.
   */
  async receive<T>(
    request: Request,
    take: (body: AsyncIterable<Uint8Array>) => Promise<T>,
    bytesBefore = 0,
  ): Promise<T> {
    if (this.#taken >= MAX_UPLOADS) {
      throw new ShoalError('E_BUSY', `${MAX_UPLOADS} uploads are running already.`)
    }
    const { idleMs } = this.#limits
    this.checkLength(bytesBefore + Number(request.headers['content-length'] ?? 0))
    this.#taken++
    try {
      // the iterator must not take the socket with it: a full store still has to be told
      const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
      return await take(this.#unlessLonger(unlessStalled(body, idleMs), bytesBefore))
    } catch (error) {
      throw explainFull(error, this.#node)
    } finally {
      this.#taken--
    }
  }

  async *#unlessLonger(
    content: AsyncIterable<Uint8Array>,
    bytesBefore: number,
  ): AsyncGenerator<Uint8Array> {
    let bytes = bytesBefore
    for await (const piece of content) {
      bytes += piece.length
      this.checkLength(bytes)
      yield piece
    }
  }
}

function tooLarge(maxBytes: number): ShoalError {
  return new ShoalError('E_TOO_LARGE', `This gateway takes ${maxBytes} bytes at most in an upload.`)
}
