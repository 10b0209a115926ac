/**
 * The first thing that a dialer says, before this side has said anything (spec §7.2): it decides what
 * the connection is for.
 * @module
 */
import { guardMessages, readOpening } from './frame-guard.ts'
import type { Clock } from '../../runtime.ts'
import type { Opening } from './frame-guard.ts'
import type { NoiseStream } from 'hyperdht'

/** A stream silent for this long is dead, ms: three keep-alives lost. */
const SILENCE_MS = 6_000
const KEEP_ALIVE_MS = 2_000
/** A peer that speaks Noise and says nothing by then is none of ours, ms. */
const FIRST_MESSAGE_TIMEOUT_MS = 5_000

/** What every open stream is given, whoever dialed. Its errors end here. */
export function guardStream(stream: NoiseStream, clock: Clock): void {
  stream.on('error', () => {}) // whatever it was, `close` follows
  stream.setTimeout(SILENCE_MS)
  stream.setKeepAlive(KEEP_ALIVE_MS)
  guardMessages(stream, clock)
}

/**
 * Calls `onopening` once with the first message and what it opens; a stream on which something else, or
 * nothing, comes first is destroyed.
 */
export function awaitOpening(
  stream: NoiseStream,
  clock: Clock,
  onopening: (message: Uint8Array, opening: Opening) => void,
): void {
  const cancelTimeout = clock.after(FIRST_MESSAGE_TIMEOUT_MS, () => stream.destroy())
  stream.on('close', cancelTimeout)
  const look = (message: Uint8Array): void => {
    if (message.length === 0) return // a keep-alive
    stream.off('data', look)
    cancelTimeout()
    const opening = readOpening(message)
    if (opening === undefined) stream.destroy(new Error('malformed message'))
    else onopening(message, opening)
  }
  stream.on('data', look)
}
