/**
 * BLAKE2b as RFC 7693 §3 writes it, keyed and unkeyed, on BigInts.
 * @module
 */

const word = (value: bigint): bigint => BigInt.asUintN(64, value)

/** RFC 7693 §2.6: the fractions of the square roots of the first eight primes. */
const IV = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
] as const

/** RFC 7693 §2.7. Rounds 10 and 11 use rows 0 and 1 again. */
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
]

/** The indices that the eight mixings of a round work on: columns, then diagonals. */
const MIXINGS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
]

/** BLAKE2b of `outBytes` (1 to 64) bytes; `secret` has at most 64. */
export function blake2b(
  input: Uint8Array,
  outBytes: number,
  secret: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const padded = padToBlocks(input, secret)
  const length = BigInt(input.length + (secret.length > 0 ? 128 : 0))
  const h: bigint[] = [...IV]
  h[0] = word(at(h, 0) ^ 0x01010000n ^ (BigInt(secret.length) << 8n) ^ BigInt(outBytes))
  for (let offset = 0; offset < padded.length; offset += 128) {
    const isLast = offset + 128 === padded.length
    compress(h, padded.slice(offset, offset + 128), {
      t: isLast ? length : BigInt(offset + 128),
      isLast,
    })
  }
  return Uint8Array.from({ length: outBytes }, (_, i) =>
    Number((at(h, i >> 3) >> BigInt(8 * (i & 7))) & 0xffn),
  )
}

/** H of the specification (§1.2): 32 bytes of output. */
export function hash(input: Uint8Array, secret?: Uint8Array): Uint8Array {
  return blake2b(input, 32, secret)
}

/** RFC 7693 §3.3: the secret is a first block of its own; nothing at all is one block of zeros. */
function padToBlocks(input: Uint8Array, secret: Uint8Array): Uint8Array {
  const start = secret.length > 0 ? 128 : 0
  const out = new Uint8Array(Math.max(128, Math.ceil((start + input.length) / 128) * 128))
  out.set(secret)
  out.set(input, start)
  return out
}

/** RFC 7693 §3.2, function F. */
function compress(h: bigint[], block: Uint8Array, step: { t: bigint; isLast: boolean }): void {
  const view = new DataView(block.buffer)
  const m = Array.from({ length: 16 }, (_, i) => view.getBigUint64(8 * i, true))
  const v = [...h, ...IV]
  v[12] = word(at(v, 12) ^ step.t)
  if (step.isLast) v[14] = word(~at(v, 14))
  for (let round = 0; round < 12; round++) {
    const order = SIGMA[round % 10] as number[]
    MIXINGS.forEach((indices, i) => {
      mix(v, indices, [at(m, order[2 * i] as number), at(m, order[2 * i + 1] as number)])
    })
  }
  for (let i = 0; i < 8; i++) h[i] = at(h, i) ^ at(v, i) ^ at(v, i + 8)
}

/** RFC 7693 §3.1, function G. */
function mix(v: bigint[], indices: number[], [x, y]: [bigint, bigint]): void {
  const [a, b, c, d] = indices as [number, number, number, number]
  v[a] = word(at(v, a) + at(v, b) + x)
  v[d] = rotateRight(at(v, d) ^ at(v, a), 32n)
  v[c] = word(at(v, c) + at(v, d))
  v[b] = rotateRight(at(v, b) ^ at(v, c), 24n)
  v[a] = word(at(v, a) + at(v, b) + y)
  v[d] = rotateRight(at(v, d) ^ at(v, a), 16n)
  v[c] = word(at(v, c) + at(v, d))
  v[b] = rotateRight(at(v, b) ^ at(v, c), 63n)
}

function rotateRight(value: bigint, bits: bigint): bigint {
  return word((value >> bits) | (value << (64n - bits)))
}

function at(words: readonly bigint[], index: number): bigint {
  return words[index] as bigint
}
