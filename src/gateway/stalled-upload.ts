/**
 * An upload that stops in the middle gives its place back: only a few run at once.
 * @module
 */
import { ShoalError } from '../errors.ts'

/** A network that hesitates this long has usually gone, ms. */
export const UPLOAD_IDLE_MS = 60_000

/**
 * `content`, until its sender has been waited for `idleMs` without a byte. Time in which nobody asks for
 * more (a full outbox) does not count. @throws ShoalError E_REQUEST
 */
export async function* unlessStalled(
  content: AsyncIterable<Uint8Array>,
  idleMs: number,
): AsyncGenerator<Uint8Array, void> {
  const pieces = content[Symbol.asyncIterator]()
  try {
    for (;;) {
      const step = await nextWithin(pieces, idleMs)
      if (step.done === true) return
      yield step.value
    }
  } finally {
    // not awaited: a sender that hangs would hang here too
    pieces.return?.().catch(() => {})
  }
}

function nextWithin(
  pieces: AsyncIterator<Uint8Array>,
  idleMs: number,
): Promise<IteratorResult<Uint8Array>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const seconds = Math.round(idleMs / 1000)
      reject(new ShoalError('E_REQUEST', `The upload stood still for ${seconds} seconds.`))
    }, idleMs)
    pieces
      .next()
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer)
      })
  })
}
