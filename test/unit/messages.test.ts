import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { BLOCK_BYTES, toAddress, toBlock } from '../../src/keys/block.ts'
import {
  NO_PROOF,
  checkHandshake,
  decodeHandshake,
  encodeHandshake,
} from '../../src/routing/handshake.ts'
import {
  BLOCK_FRAME_BYTES,
  HEADER_BYTES,
  RESERVED_TYPES,
  decodeMessage,
  encodeMessage,
  offerFields,
  offerIn,
} from '../../src/routing/messages.ts'
import type { Message } from '../../src/routing/messages.ts'

const address = toAddress(Uint8Array.from({ length: 32 }, (_, index) => index))
const block = toBlock(new Uint8Array(BLOCK_BYTES).fill(7))
const request = {
  type: 'fetch',
  id: 7,
  phase: 'greedy',
  trafficClass: 'realtime',
  freshness: 0,
  home: 1,
  credit: 8,
  address,
} as const

const messages: Message[] = [
  request,
  { ...request, type: 'insert', phase: 'stem', credit: 0, freshness: 2, trafficClass: 'bulk' },
  { ...request, tail: [{ tag: 2, value: new Uint8Array(8) }] },
  { type: 'found', id: 2 ** 32 - 1, block },
  { type: 'data', id: 0, block },
  { type: 'receipt', id: 1, copies: 255 },
  ...(['not-found', 'overload', 'timeout', 'accept', 'have', 'cancel'] as const).map(
    (type): Message => ({ type, id: 9 }),
  ),
]

const fails = (change: (frame: Uint8Array) => Uint8Array, message: Message = request): void => {
  assert.throws(() => decodeMessage(change(encodeMessage(message))), { code: 'E_MESSAGE_CODEC' })
}

const set = (at: number, value: number) => (frame: Uint8Array) => {
  frame[at] = value
  return frame
}

test('every message comes back from its frame, and frames have one of two lengths', () => {
  for (const message of messages) {
    const frame = encodeMessage(message)
    const hasBlock = message.type === 'found' || message.type === 'data'
    assert.equal(frame.length, hasBlock ? BLOCK_FRAME_BYTES : HEADER_BYTES)
    assert.deepEqual(decodeMessage(frame), message)
  }
})

test('a FETCH is the bytes of the example in the spec', () => {
  const spec = readFileSync('docs/spec.md', 'utf8')
  const hex = /```hex fetch\n([^`]*)```/.exec(spec)?.[1]?.replaceAll(/\s/g, '') ?? ''
  assert.equal(hex.length, 2 * 44)
  const frame = Buffer.from(encodeMessage(request))
  assert.equal(frame.subarray(0, 44).toString('hex'), hex)
  assert.ok(frame.subarray(44).every((byte) => byte === 0))
})

test('frames of other lengths are malformed', () => {
  for (const length of [0, 1, 255, 257, BLOCK_FRAME_BYTES]) {
    assert.throws(() => decodeMessage(new Uint8Array(length).fill(1, 0, 1)), {
      code: 'E_MESSAGE_CODEC',
    })
  }
  fails((frame) => frame.slice(0, BLOCK_FRAME_BYTES - 1), { type: 'found', id: 1, block })
})

test('fields out of range are malformed', () => {
  fails(set(5, 3)) // phase
  fails(set(6, 2)) // class
  fails(set(7, 3)) // freshness
  fails(set(8, 3)) // home
  fails(set(9, 17)) // credit
  fails(set(9, 0)) // no credit outside the stem
})

test('padding that is not zero is malformed', () => {
  fails(set(44, 1))
  fails(set(255, 1))
  fails(set(255, 1), { type: 'found', id: 1, block })
})

test('a tail that is cut off, out of order or must be understood is malformed', () => {
  const withTail =
    (...bytes: number[]) =>
    (frame: Uint8Array) => {
      frame[42] = bytes.length
      frame.set(bytes, 44)
      return frame
    }
  assert.equal(decodeMessage(withTail(4, 0, 6, 1, 9)(encodeMessage(request)))?.tail?.length, 2)
  fails(withTail(4))
  fails(withTail(4, 2, 0))
  fails(withTail(4, 0, 4, 0))
  fails(withTail(6, 0, 4, 0))
  fails(withTail(5, 0))
  fails(set(43, 1)) // longer than the header
})

test('an INSERT says what it offers: a sequence, and the hash of the block', () => {
  const hash = new Uint8Array(32).fill(9)
  for (const sequence of [0, 1, 2 ** 32, 2 ** 53 - 1]) {
    for (const offer of [
      { sequence, hash },
      { sequence, hash: undefined },
    ]) {
      const message = { ...request, type: 'insert', tail: offerFields(offer) } as const
      const decoded = decodeMessage(encodeMessage(message))
      assert.deepEqual(decoded, message)
      assert.ok(decoded?.type === 'insert')
      assert.deepEqual(offerIn(decoded), offer)
    }
  }
  assert.equal(offerIn({}), undefined)
  assert.equal(offerIn({ tail: [{ tag: 4, value: hash }] }), undefined)
})

test('an INSERT with a sequence or hash of another length is malformed, and so is a sequence above 2^53 - 1', () => {
  const insert = { ...request, type: 'insert' } as const
  const fields = (tag: number, value: Uint8Array): Message => ({
    ...insert,
    tail: [{ tag, value }],
  })
  for (const length of [0, 1, 7, 9, 32]) fails((frame) => frame, fields(2, new Uint8Array(length)))
  for (const length of [0, 1, 31, 33]) fails((frame) => frame, fields(4, new Uint8Array(length)))
  const tooGreat = new Uint8Array(8)
  tooGreat[6] = 32 // 2^53
  fails((frame) => frame, fields(2, tooGreat))
  // in a FETCH these tags mean nothing, and are skipped
  const fetch = { ...request, tail: [{ tag: 2, value: new Uint8Array(3) }] }
  assert.deepEqual(decodeMessage(encodeMessage(fetch)), fetch)
})

test('types that are reserved or unknown are skipped', () => {
  for (const type of [0, ...Object.values(RESERVED_TYPES), 16, 255]) {
    assert.equal(decodeMessage(set(0, type)(encodeMessage(request))), undefined)
  }
})

test('what a decoded message holds is a copy, also of a Buffer that lies in a pool; a block is a view', () => {
  for (const sent of messages) {
    const frame = Buffer.concat([Buffer.alloc(3), encodeMessage(sent)]).subarray(3)
    const message = decodeMessage(frame)
    frame.fill(0xff, 0, HEADER_BYTES)
    if (message?.type !== 'found' && message?.type !== 'data') assert.deepEqual(message, sent)
    else assert.deepEqual({ ...message, block: new Uint8Array(message.block) }, sent)
  }
})

test('a handshake comes back, with and without a MAC, and its every truncation is malformed', () => {
  const network = new Uint8Array(32).fill(3)
  const base = { minVersion: 1, maxVersion: 2, features: 5, network, proof: NO_PROOF }
  for (const mac of [undefined, new Uint8Array(32).fill(9)]) {
    const bytes = encodeHandshake({ ...base, mac })
    assert.deepEqual(decodeHandshake(bytes), { ...base, mac })
    const pooled = Buffer.concat([Buffer.alloc(5, 0xff), bytes]).subarray(5)
    assert.deepEqual(decodeHandshake(pooled), { ...base, mac })
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeHandshake(bytes.slice(0, length)), { code: 'E_MESSAGE_CODEC' })
    }
    const longer = Uint8Array.of(...bytes, 0)
    assert.throws(() => decodeHandshake(longer), { code: 'E_MESSAGE_CODEC' })
  }
})

test('handshakes of another version, network or proof kind are refused, each for its reason', () => {
  const network = new Uint8Array(32).fill(3)
  const base = {
    minVersion: 1,
    maxVersion: 1,
    features: 0,
    network,
    proof: NO_PROOF,
    mac: undefined,
  }
  assert.equal(checkHandshake(base, network), 'accepted')
  assert.equal(checkHandshake({ ...base, maxVersion: 9 }, network), 'accepted')
  assert.equal(checkHandshake({ ...base, minVersion: 2, maxVersion: 3 }, network), 'version')
  assert.equal(checkHandshake({ ...base, minVersion: 0, maxVersion: 0 }, network), 'version')
  assert.equal(checkHandshake(base, new Uint8Array(32)), 'network')
  assert.equal(checkHandshake({ ...base, proof: Uint8Array.of(1, 5) }, network), 'proof')
  assert.equal(checkHandshake({ ...base, proof: Uint8Array.of(0, 0) }, network), 'proof')
})
