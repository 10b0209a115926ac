/**
 * A short body as text, within a short time: a login is sent by people who have shown no token yet, and
 * connections are few.
 * @module
 */
import type { Request } from 'express'

import { ShoalError } from '../errors.ts'

/** Time for all of it, ms. */
export const SHORT_TEXT_MS = 10_000

interface TextLimit {
  readonly maxBytes: number
  readonly tooLong: ShoalError
}

/** The whole body, at most `maxBytes`. @throws `tooLong`; ShoalError E_REQUEST where it is not here in time. */
export async function shortText(request: Request, limit: TextLimit): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const isLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const seconds = SHORT_TEXT_MS / 1000
      reject(new ShoalError('E_REQUEST', `The body has ${seconds} seconds to be sent.`))
    }, SHORT_TEXT_MS)
  })
  try {
    return await Promise.race([wholeText(request, limit), isLate])
  } finally {
    clearTimeout(timer)
  }
}

async function wholeText(request: Request, { maxBytes, tooLong }: TextLimit): Promise<string> {
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > maxBytes) throw tooLong
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
