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

/** The places for uploads of one gateway. */
export class UploadPlaces {
  readonly #node: Pick<Node, 'status'>
  readonly #idleMs: number
  #taken = 0

  /** `idleMs`: how long an upload may stand still, ms. */
  constructor(node: Pick<Node, 'status'>, idleMs: number) {
    this.#node = node
    this.#idleMs = idleMs
  }

  /** Hands the body to `take` while it has a place. @throws ShoalError E_BUSY, and what `take` throws. */
  async receive<T>(
    request: Request,
    take: (body: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    if (this.#taken >= MAX_UPLOADS) {
      throw new ShoalError('E_BUSY', `${MAX_UPLOADS} uploads are running already.`)
    }
    this.#taken++
    try {
      // the iterator must not take the socket with it: a full store still has to be told
      const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
      return await take(unlessStalled(body, this.#idleMs))
    } catch (error) {
      throw explainFull(error, this.#node)
    } finally {
      this.#taken--
    }
  }
}
