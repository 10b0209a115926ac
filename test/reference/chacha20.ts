/**
 * ChaCha20 as RFC 8439 §2.1-§2.4 writes it: 12-byte nonce, 32-bit counter from 0.
 * @module
 */

const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]

/** Columns, then diagonals (RFC 8439 §2.3). */
const QUARTER_ROUNDS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const

/** C of the specification (§1.2): `input` XOR the key stream. */
export function chacha20(secret: Uint8Array, nonce: Uint8Array, input: Uint8Array): Uint8Array {
  const out = new Uint8Array(input.length)
  for (let offset = 0; offset < input.length; offset += 64) {
    const stream = chacha20Block(secret, nonce, offset / 64)
    for (let i = 0; i < 64 && offset + i < input.length; i++) {
      out[offset + i] = (input[offset + i] as number) ^ (stream[i] as number)
    }
  }
  return out
}

/** The first `length` bytes of the key stream: contents that look random and are known to all. */
export function keyStream(secret: Uint8Array, length: number): Uint8Array {
  return chacha20(secret, new Uint8Array(12), new Uint8Array(length))
}

/** RFC 8439 §2.3: one block of 64 bytes. */
export function chacha20Block(secret: Uint8Array, nonce: Uint8Array, counter: number): Uint8Array {
  const initial = Uint32Array.of(...CONSTANTS, ...words(secret), counter, ...words(nonce))
  const state = twentyRounds(initial)
  return bytesOfWords(state.map((value, i) => value + (initial[i] as number)))
}

/** HChaCha20 (draft-irtf-cfrg-xchacha §2.2): a key from a key and the first 16 bytes of a nonce. */
export function hchacha20(secret: Uint8Array, nonce: Uint8Array): Uint8Array {
  const state = twentyRounds(Uint32Array.of(...CONSTANTS, ...words(secret), ...words(nonce)))
  return bytesOfWords(Uint32Array.of(...state.slice(0, 4), ...state.slice(12)))
}

function twentyRounds(initial: Uint32Array): Uint32Array {
  const state = initial.slice()
  for (let round = 0; round < 10; round++) {
    for (const indices of QUARTER_ROUNDS) quarterRound(state, indices)
  }
  return state
}

function bytesOfWords(values: Uint32Array): Uint8Array {
  const out = new DataView(new ArrayBuffer(4 * values.length))
  values.forEach((value, i) => {
    out.setUint32(4 * i, value, true)
  })
  return new Uint8Array(out.buffer)
}

/** RFC 8439 §2.1. */
function quarterRound(
  state: Uint32Array,
  [a, b, c, d]: readonly [number, number, number, number],
): void {
  addThenRotate(state, [a, b, d], 16)
  addThenRotate(state, [c, d, b], 12)
  addThenRotate(state, [a, b, d], 8)
  addThenRotate(state, [c, d, b], 7)
}

/** x += y; z ^= x; z <<<= bits. A Uint32Array keeps each sum modulo 2^32. */
function addThenRotate(
  state: Uint32Array,
  [x, y, z]: readonly [number, number, number],
  bits: number,
): void {
  state[x] = (state[x] as number) + (state[y] as number)
  const mixed = (state[z] as number) ^ state[x]
  state[z] = (mixed << bits) | (mixed >>> (32 - bits))
}

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true))
}
