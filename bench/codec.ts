/**
 * ERIS encoding against the sum of its primitives over the same blocks, in turn.
 * `npm run bench:codec -- [MiB] [rounds]`
 * @module
 */
import { BLOCK_BYTES } from '../src/keys/block.ts'
import { ErisEncoder } from '../src/keys/eris.ts'
import { blake2b256, chacha20 } from '../src/keys/primitives.ts'
import { freshBytes, median, report } from './processes.ts'

const MIB = 1024 * 1024
const bytes = Number(process.argv[2] ?? 128) * MIB
const rounds = Number(process.argv[3] ?? 5)
const pieces = [...freshBytes(bytes)]
const secret = new Uint8Array(32).fill(1)
const nonce = new Uint8Array(12)

/** Two hashes and one pass of the cipher over each block: what cannot be saved. */
function primitivesMs(): number {
  const startMs = performance.now()
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
      const leaf = piece.subarray(at, at + BLOCK_BYTES)
      const readKey = blake2b256(leaf, secret)
      blake2b256(chacha20(leaf, nonce, readKey))
    }
  }
  return performance.now() - startMs
}

function encodeMs(): number {
  const startMs = performance.now()
  const encoder = new ErisEncoder(secret, BLOCK_BYTES)
  let blocks = 0
  for (const piece of pieces) for (const { block } of encoder.update(piece)) blocks += block.length
  const last = encoder.finish()
  while (last.next().done !== true) blocks++
  return performance.now() - startMs
}

primitivesMs()
encodeMs()
const ratios = []
for (let round = 1; round <= rounds; round++) {
  const primitives = primitivesMs()
  const encode = encodeMs()
  ratios.push(primitives / encode)
  report({
    bench: 'codec',
    round,
    bytes,
    primitivesMBps: bytes / 1e3 / primitives,
    encodeMBps: bytes / 1e3 / encode,
    ratio: primitives / encode,
  })
}
report({ bench: 'codec', medianRatio: median(ratios), target: 0.7 })
