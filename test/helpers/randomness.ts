/**
 * Tests of randomness, each as one number that is a draw from the normal distribution where the bytes
 * are random: what lies beyond LIMIT is not random. Byte and pair histograms are chi-squares, made
 * normal after Wilson and Hilferty.
 * @module
 */
import { deflateSync } from 'node:zlib'

/** Passed by chance once in 10^9 draws: a test that fails has found something. */
export const LIMIT = 6
/** Two-sample Kolmogorov-Smirnov, the same chance: sqrt(-ln(10^-9 / 2) / 2). */
const SMIRNOV_LIMIT = 3.28

/** Numbers for a run of bytes, by name. */
export function measure(bytes: Uint8Array): Record<string, number> {
  return {
    bytes: byteBalance(bytes),
    'pairs of bytes': chiSquare(pairHistogram(bytes), Math.floor(bytes.length / 2)),
    'ones and zeros': bitBalance(bytes),
    runs: bitRuns(bytes),
  }
}

/** How much shorter zlib makes the bytes: at most 0 where nothing can be predicted. */
export function compressedAway(bytes: Uint8Array): number {
  return bytes.length - deflateSync(bytes, { level: 1 }).length
}

/** A chi-square of `counts` that should be even, as a draw from the normal distribution. */
function chiSquare(counts: Uint32Array, total: number): number {
  const expected = total / counts.length
  let sum = 0
  for (let i = 0; i < counts.length; i++) sum += ((counts[i] as number) - expected) ** 2
  const freedom = counts.length - 1
  const spread = 2 / (9 * freedom)
  return (Math.cbrt(sum / expected / freedom) - (1 - spread)) / Math.sqrt(spread)
}

/** Whether two samples may come from one distribution: above 1 they do not. */
export function smirnov(left: readonly number[], right: readonly number[]): number {
  const [a, b] = [Float64Array.from(left).sort(), Float64Array.from(right).sort()]
  let [i, j, most] = [0, 0, 0]
  while (i < a.length && j < b.length) {
    const at = Math.min(a[i] as number, b[j] as number)
    while (i < a.length && (a[i] as number) <= at) i++
    while (j < b.length && (b[j] as number) <= at) j++
    most = Math.max(most, Math.abs(i / a.length - j / b.length))
  }
  return (most * Math.sqrt((a.length * b.length) / (a.length + b.length))) / SMIRNOV_LIMIT
}

/**
 * Whether some place within slots of `slotBytes` has some values more often than others, over all
 * slots: a magic number, a length, a counter. The greatest of all places, which are twice as many draws
 * as bytes: compare with PLACE_LIMIT.
 */
export function unevenPlace(slab: Uint8Array, slotBytes: number): number {
  const slots = Math.floor(slab.length / slotBytes)
  const counts = new Uint32Array(slotBytes * 2 * 16)
  for (let slot = 0; slot < slots; slot++) {
    for (let at = 0, from = slot * slotBytes; at < slotBytes; at++) {
      const byte = slab[from + at] as number
      const low = at * 32 + (byte & 15)
      const high = at * 32 + 16 + (byte >> 4)
      counts[low] = (counts[low] as number) + 1
      counts[high] = (counts[high] as number) + 1
    }
  }
  let most = 0
  for (let at = 0; at < counts.length; at += 16) {
    most = Math.max(most, chiSquare(counts.subarray(at, at + 16), slots))
  }
  return most
}
export const PLACE_LIMIT = 7.5

/** Sectors of 512 bytes whose first 16 are those of another one. */
export function repeatedSectors(bytes: Uint8Array): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const seen = new Set<string>()
  for (let at = 0; at < bytes.length; at += 512) seen.add(view.toString('latin1', at, at + 16))
  return Math.ceil(bytes.length / 512) - seen.size
}

/** How even the histogram of bytes is. */
export function byteBalance(bytes: Uint8Array): number {
  const counts = new Uint32Array(256)
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    counts[byte] = (counts[byte] as number) + 1
  }
  return chiSquare(counts, bytes.length)
}

function pairHistogram(bytes: Uint8Array): Uint32Array {
  const counts = new Uint32Array(65_536)
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const pair = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
    counts[pair] = (counts[pair] as number) + 1
  }
  return counts
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  return byte.toString(2).replaceAll('0', '').length
})

export function bitBalance(bytes: Uint8Array): number {
  let ones = 0
  for (let at = 0; at < bytes.length; at++) ones += ONES[bytes[at] as number] as number
  const bits = 8 * bytes.length
  return (ones - bits / 2) / Math.sqrt(bits / 4)
}

/** Changes from one bit to the next: half of all where each is drawn alone. */
export function bitRuns(bytes: Uint8Array): number {
  let changes = 0
  let last = (bytes[0] as number) >> 7
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    changes += ONES[byte ^ ((byte >> 1) | (last << 7))] as number
    last = byte & 1
  }
  const bits = 8 * bytes.length
  return (changes - bits / 2) / Math.sqrt(bits / 4)
}
