/**
 * A short body as text.
 * @module
 */
import type { Request } from 'express'

import type { ShoalError } from '../errors.ts'
import { UPLOAD_IDLE_MS, unlessStalled } from './stalled-upload.ts'

/** The whole body, at most `maxBytes`. @throws `tooLong`; ShoalError E_REQUEST where it stands still. */
export async function shortText(
  request: Request,
  { maxBytes, tooLong }: { readonly maxBytes: number; readonly tooLong: ShoalError },
): Promise<string> {
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of unlessStalled(body, UPLOAD_IDLE_MS)) {
    bytes += piece.length
    if (bytes > maxBytes) throw tooLong
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
