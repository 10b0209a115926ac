import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { BLOCK_BYTES, toAddress, toBlock } from '../../src/keys/block.ts'
import { NO_PROOF } from '../../src/routing/handshake.ts'
import {
  BLOCK_FRAME_BYTES,
  HEADER_BYTES,
  RESERVED_TYPES,
  decodeMessage,
  encodeMessage,
  offerFields,
  offerIn,
} from '../../src/routing/messages.ts'
import type { Message, PeerRecord } from '../../src/routing/messages.ts'

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

const position = 2 ** 48 - 2
const record = { publicKey: Uint8Array.from({ length: 32 }, (_, at) => 32 + at), proof: NO_PROOF }
const puzzled = {
  ...record,
  proof: Uint8Array.of(1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)
const fill = (frame: Uint8Array, from: number, to: number, value: number): Uint8Array =>
  frame.fill(value, from, to)

const messages: Message[] = [
  request,
  { ...request, type: 'insert', phase: 'stem', credit: 0, freshness: 2, trafficClass: 'bulk' },
  { ...request, tail: [{ tag: 2, value: new Uint8Array(8) }] },
  { type: 'found', id: 2 ** 32 - 1, block },
  { type: 'data', id: 0, block },
  { type: 'receipt', id: 1, copies: 255 },
  { type: 'has', address },
  { type: 'has', address, tail: [{ tag: 2, value: address }] },
  { type: 'peers', id: 0, records: [] },
  { type: 'peers', id: 5, records: [record, puzzled], tail: [{ tag: 0, value: address }] },
  { type: 'peers', id: 5, records: times(5, puzzled) },
  { type: 'peers', id: 5, records: [{ ...record, tail: [{ tag: 2, value: address }] }] },
  { type: 'seek', id: 2 ** 32 - 1, target: position },
  { type: 'seek', id: 1, target: 0, tail: [{ tag: 254, value: address }] },
  { type: 'neighbors', positions: [] },
  { type: 'neighbors', positions: [0, 1, position, 2 ** 48 - 1] },
  { type: 'neighbors', positions: times(32, position) },
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

test('a message is the bytes of its example in the spec', () => {
  const spec = readFileSync('docs/spec.md', 'utf8')
  const examples: [word: string, message: Message, lengthBytes: number][] = [
    ['fetch', request, 44],
    ['peers', { type: 'peers', id: 7, records: [{ ...puzzled, publicKey: address }] }, 57],
    ['seek', { type: 'seek', id: 7, target: 0x0102_0304_0506 }, 13],
    ['has', { type: 'has', address }, 35],
    ['neighbors', { type: 'neighbors', positions: [0x0102_0304_0506, 2 ** 48 - 1] }, 16],
  ]
  for (const [word, message, lengthBytes] of examples) {
    const found = new RegExp(`\`\`\`hex ${word}\n([^\`]*)\`\`\``).exec(spec)
    const hex = found?.[1]?.replaceAll(/\s/g, '') ?? ''
    assert.equal(hex.length, 2 * lengthBytes, word)
    const frame = Buffer.from(encodeMessage(message))
    assert.equal(frame.subarray(0, lengthBytes).toString('hex'), hex)
    assert.ok(frame.subarray(lengthBytes).every((byte) => byte === 0))
  }
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
  for (const type of [0, ...Object.values(RESERVED_TYPES), 18, 255]) {
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

test('a PEERS with too many, cut-off or impossible records is malformed', () => {
  const peers = (...records: PeerRecord[]): Message => ({ type: 'peers', id: 5, records })
  const whole = (frame: Uint8Array): Uint8Array => frame
  fails(set(5, 6), peers()) // count
  fails(set(5, 255), peers())
  fails(set(6 + 32, 0), peers(record)) // proof length
  fails(set(6 + 32, 17), peers(record))
  fails(set(6 + 34, 1), peers(record)) // the tail of the record is cut off
  fails(set(6 + 34, 255), peers(record))
  const field = (tag: number) => ({ ...record, tail: [{ tag, value: new Uint8Array(0) }] })
  fails(whole, peers(field(1))) // must be understood
  fails(set(6 + 35, 3), peers(field(2)))
  // a fifth record of the greatest proofs is past the end, and a tail has no room after four and more
  const greatest = { ...record, proof: new Uint8Array(16).fill(2) }
  assert.deepEqual(
    decodeMessage(encodeMessage(peers(greatest, greatest, greatest, greatest))),
    peers(greatest, greatest, greatest, greatest),
  )
  fails(set(5, 5), peers(greatest, greatest, greatest, greatest))
  fails((frame) => fill(frame, 206, 255, 1), peers(greatest, greatest, greatest, greatest))
})

test('a record may end with the header only where there is room for the length of a tail', () => {
  const frame = encodeMessage({ type: 'peers', id: 5, records: [record] })
  for (const tailBytes of [213, 214, 215, 216]) {
    // 6 + 35 bytes, and a field that fills the rest but 2, 1, 0, -1 bytes
    fill(frame, 40, 256, 0).set([tailBytes, 0, tailBytes - 2], 40)
    if (tailBytes === 213) assert.equal(decodeMessage(frame)?.type, 'peers')
    else assert.throws(() => decodeMessage(frame), { code: 'E_MESSAGE_CODEC' })
  }
})

test('a SEEK without an id and NEIGHBORS of more than 32 positions are malformed', () => {
  fails((frame) => fill(frame, 1, 5, 0), { type: 'seek', id: 7, target: 1 })
  fails(set(1, 33), { type: 'neighbors', positions: [] })
  fails(set(1, 255), { type: 'neighbors', positions: [] })
  fails(set(1, 0), { type: 'neighbors', positions: [9] }) // what is not counted is padding
})

test('what would not fit or be refused is not encoded', () => {
  const greatest = { ...record, proof: new Uint8Array(16) }
  const long = { ...record, tail: [{ tag: 0, value: new Uint8Array(254) }] }
  const bad: Message[] = [
    { type: 'peers', id: 1, records: times(6, record) },
    { type: 'peers', id: 1, records: times(5, greatest) },
    { type: 'peers', id: 2 ** 32, records: [] },
    { type: 'peers', id: 1, records: [{ ...record, proof: new Uint8Array(17) }] },
    { type: 'peers', id: 1, records: [{ ...record, proof: new Uint8Array(0) }] },
    { type: 'peers', id: 1, records: [{ ...record, publicKey: new Uint8Array(31) }] },
    { type: 'peers', id: 1, records: [long] },
    { type: 'seek', id: 0, target: 1 },
    ...[-1, 0.5, 2 ** 48, Infinity, NaN].flatMap((target): Message[] => [
      { type: 'seek', id: 1, target },
      { type: 'neighbors', positions: [1, target] },
    ]),
    { type: 'neighbors', positions: times(33, 1) },
    { ...request, tail: [{ tag: 0, value: new Uint8Array(256) }] },
    { ...request, tail: [{ tag: 0, value: new Uint8Array(211) }] },
  ]
  for (const message of bad) assert.throws(() => encodeMessage(message), RangeError)
})
