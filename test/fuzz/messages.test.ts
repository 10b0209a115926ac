import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isShoalError } from '../../src/errors.ts'
import { toAddress } from '../../src/keys/block.ts'
import {
  NO_PROOF,
  checkHandshake,
  createHandshake,
  decodeHandshake,
} from '../../src/routing/handshake.ts'
import {
  BLOCK_FRAME_BYTES,
  HEADER_BYTES,
  decodeMessage,
  encodeMessage,
} from '../../src/routing/messages.ts'
import type { Message, PeerRecord } from '../../src/routing/messages.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import { ProofVerifier } from '../../src/routing/position-proof.ts'

const numRuns = process.env['SLOW'] === undefined ? 500 : 50_000

/** Frames that get past the first checks, and some that do not. */
const frames = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .tuple(fc.integer({ min: 0, max: 18 }), fc.uint8Array({ maxLength: 60 }), fc.boolean())
    .map(([type, bytes, isLong]) => {
      const frame = new Uint8Array(isLong ? BLOCK_FRAME_BYTES : HEADER_BYTES)
      frame.set(bytes, 1)
      frame[0] = type
      return frame
    }),
)

const proofs = fc.uint8Array({ minLength: 1, maxLength: 16 })
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const u32 = fc.integer({ min: 1, max: 2 ** 32 - 1 })
const publicKeys = fc.uint8Array({ minLength: 32, maxLength: 32 })
const record = fc
  .tuple(publicKeys, proofs)
  .map(([publicKey, proof]): PeerRecord => ({ publicKey, proof }))
const exchanged: fc.Arbitrary<Message> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.array(record, { maxLength: 4 }))
    .map(([id, records]): Message => ({ type: 'peers', id, records })),
  fc.tuple(u32, u48).map(([id, target]): Message => ({ type: 'seek', id, target })),
  fc.array(u48, { maxLength: 32 }).map((positions): Message => ({ type: 'neighbors', positions })),
  publicKeys.map((bytes): Message => ({ type: 'has', address: toAddress(bytes) })),
)

test('what nodes tell of others comes back from its frame', () => {
  fc.assert(
    fc.property(exchanged, (message) => {
      assert.deepEqual(decodeMessage(encodeMessage(message)), message)
    }),
    { numRuns },
  )
})

test('what nodes tell of others, with some bytes changed, is another message or malformed', () => {
  const changes = fc.array(fc.tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 })), { minLength: 1 })
  fc.assert(
    fc.property(exchanged, changes, (message, changed) => {
      const frame = encodeMessage(message)
      for (const [at, value] of changed) if (at > 0) frame[at] = value
      let decoded: Message | undefined
      try {
        decoded = decodeMessage(frame)
      } catch (error) {
        assert.ok(isShoalError(error) && error.code === 'E_MESSAGE_CODEC')
        return
      }
      assert.deepEqual(decoded && encodeMessage(decoded), frame)
    }),
    { numRuns },
  )
})

test('no change of a byte leaves the handshake of a private network accepted, but for what is not proven by it', () => {
  const definition = networkDefinition('fuzz', new Uint8Array(32).fill(5))
  const publicKey = new Uint8Array(32).fill(1)
  const channelBinding = new Uint8Array(64).fill(2)
  const remotePublicKey = new Uint8Array(32).fill(3)
  const own = { definition, publicKey, proof: NO_PROOF }
  const sent = createHandshake(own, { remotePublicKey, channelBinding, isInitiator: true })
  fc.assert(
    fc.property(fc.nat({ max: sent.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, bits) => {
      const changed = sent.map((byte, index) => (index === at ? byte ^ bits : byte))
      try {
        const from = { remotePublicKey: publicKey, channelBinding }
        const verdict = checkHandshake(decodeHandshake(changed), definition, from)
        assert.ok(at < 6 || verdict !== 'accepted', `byte ${at}`) // versions and features
      } catch (error) {
        assert.ok(isShoalError(error) && error.code === 'E_MESSAGE_CODEC')
      }
    }),
    { numRuns },
  )
})

test('whatever arrives, decoding a message throws nothing but E_MESSAGE_CODEC', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      try {
        decodeMessage(frame)
      } catch (error) {
        assert.ok(isShoalError(error) && error.code === 'E_MESSAGE_CODEC')
      }
    }),
    { numRuns },
  )
})

test('a frame that decodes is the only frame of its message', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      let message: ReturnType<typeof decodeMessage>
      try {
        message = decodeMessage(frame)
      } catch {
        return
      }
      if (message !== undefined) assert.deepEqual(encodeMessage(message), frame)
    }),
    { numRuns },
  )
})

test('whatever arrives, decoding a handshake throws nothing but E_MESSAGE_CODEC', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeHandshake(bytes)
      } catch (error) {
        assert.ok(isShoalError(error) && error.code === 'E_MESSAGE_CODEC')
      }
    }),
    { numRuns },
  )
})

test('whatever is shown as a proof, it is no proof, and checking it throws nothing', async () => {
  const verifier = new ProofVerifier({
    ...networkDefinition('shoal'),
    proof: { kind: 1, difficultyBits: 200, passes: 1, memoryKib: 8 },
  })
  const shown = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ minLength: 14, maxLength: 14 }).map((bytes) => Uint8Array.of(1, ...bytes)),
  )
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), shown, async (publicKey, proof) => {
      assert.equal(await verifier.verify(publicKey, proof), 'invalid')
    }),
    { numRuns },
  )
})
