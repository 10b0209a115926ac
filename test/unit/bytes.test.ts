/** src/keys/bytes.ts: joining, order, numbers, canonical text. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  base32,
  base64url,
  compare,
  concat,
  equals,
  fromBase32,
  fromBase64url,
  mapKey,
  readUint48,
  readUint64,
  uint48,
  uint64,
  utf8,
  utf8Text,
} from '../../src/keys/bytes.ts'
import { ofHex } from '../reference/text.ts'

test('concat joins any number of parts, empty ones too', () => {
  assert.deepEqual(concat(), new Uint8Array(0))
  const parts = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]
  assert.deepEqual(concat(...parts), Uint8Array.of(1, 2, 3))
})

test('concat copies: its parts may change afterwards', () => {
  const part = Uint8Array.of(1)
  const joined = concat(part)
  part[0] = 9
  assert.deepEqual(joined, Uint8Array.of(1))
})

test('compare orders by the first difference, unsigned, and a prefix before what goes on', () => {
  assert.ok(compare(Uint8Array.of(1, 0xff), Uint8Array.of(2, 0)) < 0)
  assert.ok(compare(Uint8Array.of(0x80), Uint8Array.of(0x7f)) > 0)
  assert.ok(compare(Uint8Array.of(1), Uint8Array.of(1, 0)) < 0)
  assert.equal(compare(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), 0)
  assert.equal(compare(new Uint8Array(0), new Uint8Array(0)), 0)
})

test('equals looks at length and bytes', () => {
  assert.ok(equals(Uint8Array.of(1), Uint8Array.of(1)))
  assert.ok(!equals(Uint8Array.of(1), Uint8Array.of(1, 0)))
  assert.ok(!equals(Uint8Array.of(1), Uint8Array.of(2)))
})

test('equals sees bytes, not the buffer they lie in', () => {
  const inside = Uint8Array.of(9, 1, 2, 9).subarray(1, 3)
  assert.ok(equals(inside, Uint8Array.of(1, 2)))
})

test('mapKey tells any two byte strings apart', () => {
  const keys = Array.from({ length: 256 }, (_, byte) => mapKey(Uint8Array.of(byte)))
  keys.push(mapKey(new Uint8Array(0)), mapKey(Uint8Array.of(0, 0)))
  assert.equal(new Set(keys).size, 258)
})

test('uint64 is little endian and is read back up to 2^53 - 1', () => {
  assert.deepEqual(uint64(0x0102), Uint8Array.of(2, 1, 0, 0, 0, 0, 0, 0))
  for (const value of [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    assert.equal(readUint64(uint64(value), 0), value)
  }
})

test('readUint64 gives nothing above 2^53 - 1', () => {
  assert.equal(readUint64(ofHex('0000000000002000'), 0), undefined)
  assert.equal(readUint64(ofHex('ffffffffffffffff'), 0), undefined)
})

test('readUint64 reads at an offset, within a part of a buffer', () => {
  const inside = concat(Uint8Array.of(9), uint64(77)).subarray(1)
  assert.equal(readUint64(inside, 0), 77)
  assert.equal(readUint64(concat(Uint8Array.of(9, 9), uint64(77)), 2), 77)
})

test('uint48 is what readUint48 reads', () => {
  for (const value of [0, 1, 0x0102_0304_0506, 2 ** 32 - 1, 2 ** 32, 2 ** 47, 2 ** 48 - 1]) {
    assert.equal(uint48(value).length, 6)
    assert.equal(readUint48(uint48(value)), value)
  }
  assert.deepEqual(uint48(0x0102_0304_0506), Uint8Array.of(1, 2, 3, 4, 5, 6))
})

test('readUint48 is big endian and looks at six bytes', () => {
  assert.equal(readUint48(ofHex('000000000102ff')), 0x0102)
  assert.equal(readUint48(ofHex('ffffffffffff')), 2 ** 48 - 1)
  assert.equal(readUint48(ofHex('800000000000')), 2 ** 47)
})

/** RFC 4648 §10, without the padding. */
const RFC_4648 = [
  ['', '', ''],
  ['f', 'Zg', 'MY'],
  ['fo', 'Zm8', 'MZXQ'],
  ['foo', 'Zm9v', 'MZXW6'],
  ['foob', 'Zm9vYg', 'MZXW6YQ'],
  ['fooba', 'Zm9vYmE', 'MZXW6YTB'],
  ['foobar', 'Zm9vYmFy', 'MZXW6YTBOI'],
] as const

test('base64url and base32 are those of RFC 4648', () => {
  for (const [text, in64, in32] of RFC_4648) {
    assert.equal(base64url(utf8(text)), in64)
    assert.equal(base32(utf8(text)), in32)
    assert.deepEqual(fromBase64url(in64), utf8(text))
    assert.deepEqual(fromBase32(in32), utf8(text))
  }
  assert.equal(base64url(Uint8Array.of(0xfb, 0xff)), '-_8')
})

test('base64url refuses what is not canonical', () => {
  const wrong = [
    'A',
    'Zh',
    'Zm9=',
    'Zg==',
    'Z+==',
    '+/8',
    'Zm9v ',
    ' Zm9v',
    'Zm9v\n',
    'Zm9vA',
    'é',
    '🐟',
    'Zm8é',
  ]
  for (const text of wrong) assert.equal(fromBase64url(text), undefined, text)
})

test('base32 refuses what is not canonical', () => {
  const wrong = [
    'M',
    'MZX',
    'MZXW6Y',
    'MZ',
    'my',
    'MY======',
    '0Y',
    '1Y',
    '8Y',
    'MY ',
    'MZXW6YQ=',
    'MR',
    '🐟',
  ]
  for (const text of wrong) assert.equal(fromBase32(text), undefined, text)
})

test('utf8Text gives text back, keeps a byte order mark, and refuses what is not UTF-8', () => {
  for (const text of ['', 'fish', '鱼🐟', '\ufeffx']) assert.equal(utf8Text(utf8(text)), text)
  for (const bytes of ['ff', 'c0af', 'eda080', 'e9b1', 'f4908080']) {
    assert.equal(utf8Text(ofHex(bytes)), undefined, bytes)
  }
})
