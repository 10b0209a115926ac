/**
 * Chance that can be had again: one 32-bit seed decides every draw.
 * @module
 */
import { randomInt } from 'node:crypto'

import type { Rng } from '../../src/runtime.ts'

const TWO_24 = 2 ** 24
const TWO_32 = 2 ** 32
const TWO_48 = 2 ** 48

/** sfc32 (PractRand's small fast counter), seeded by one whole number in [0, 2^32). */
export function createSeededRng(seed: number): Rng {
  const next = sfc32(seed >>> 0)
  const draw48 = (): number => (next() >>> 8) * TWO_24 + (next() >>> 8)
  return {
    below(bound) {
      if (!Number.isSafeInteger(bound) || bound < 1 || bound > TWO_48) {
        throw new RangeError(`below: a bound from 1 to 2^48, not ${bound}`)
      }
      const limit = TWO_48 - (TWO_48 % bound)
      let value = draw48()
      while (value >= limit) value = draw48()
      return value % bound
    },
  }
}

/** The number in SEED, or a random one: print it in the message of every assertion that depends on it. */
export function seedFromEnvironment(): number {
  const given = process.env['SEED']
  if (given === undefined || given === '') return randomInt(TWO_32)
  const seed = Number(given)
  if (!Number.isInteger(seed) || seed < 0 || seed >= TWO_32) {
    throw new RangeError(`SEED: a whole number in [0, 2^32), not ${given}`)
  }
  return seed
}

function sfc32(seed: number): () => number {
  let a = 0
  let b = 0x9e3779b9
  let c = seed
  let counter = 1
  const next = (): number => {
    const out = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + out
    return out >>> 0
  }
  for (let round = 0; round < 16; round++) next()
  return next
}
