/**
 * Time, chance and words as objects, so that everything that uses them can be run again from a seed.
 * The interfaces, and the real ones; the simulated ones live in `test/helpers/`.
 * @module
 */
import { randomFillSync } from 'node:crypto'

export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number
  /** Call `run` once after `delayMs`; the returned function takes that back and may be called late. */
  after(delayMs: number, run: () => void): () => void
}

export interface Rng {
  /** A whole number in [0, bound), bound at most 2^48. */
  below(bound: number): number
}

/** Lines for the operator. Never a key, URI, name, plaintext or peer address (threat model §5). */
export interface Logger {
  info(message: string): void
  warn(message: string): void
}

/** The real clock. Its timers keep the process alive: what is waiting is unfinished work. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => {
      clearTimeout(timer)
    }
  },
}

const RNG_BUFFER_BYTES = 1536 // 256 draws a refill: one system call for many

/** Uniform numbers from the operating system's generator, by rejection (no modulo bias). */
export function createSystemRng(): Rng {
  const buffer = Buffer.alloc(RNG_BUFFER_BYTES)
  let at = buffer.length
  const draw48 = (): number => {
    if (at === buffer.length) {
      randomFillSync(buffer)
      at = 0
    }
    at += 6
    return buffer.readUIntBE(at - 6, 6)
  }
  return {
    below(bound) {
      const limit = 2 ** 48 - (2 ** 48 % bound)
      let value = draw48()
      while (value >= limit) value = draw48()
      return value % bound
    },
  }
}

export const silentLogger: Logger = { info: () => {}, warn: () => {} }
