/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  MAX_INLINE_MANIFEST_BYTES,
  decodeDocument,
  encodeDocument,
} from '../../src/content/document.ts'
import type { Document } from '../../src/content/document.ts'
import { concat, uint64 } from '../../src/keys/bytes.ts'
import { MAX_DOCUMENT_BYTES, MAX_EDITION } from '../../src/keys/signed.ts'

const manifest = Uint8Array.of(1, 2, 3)
const hash = new Uint8Array(32).fill(7)
const inline: Document = { body: { type: 'manifest', manifest }, head: undefined }
const VERSION = Uint8Array.of(1)

function field(tag: number, value: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(tag, value.length & 255, value.length >> 8, 0, 0), value)
}

test('a document is read as it was written: inline or pointer, edition or head', () => {
  const pointer = {
    type: 'pointer',
    reference: new Uint8Array(32).fill(1),
    readKey: new Uint8Array(32).fill(2),
  } as const
  for (const body of [inline.body, pointer]) {
    for (const edition of [undefined, 0, 1, MAX_EDITION]) {
      const head = edition === undefined ? undefined : { edition, editionHash: hash }
      assert.deepEqual(decodeDocument(encodeDocument({ body, head })), { body, head })
    }
  }
})

test('the bytes of a document are those of the specification', () => {
  const head = { edition: 5, editionHash: hash }
  const expected = concat(VERSION, field(1, manifest), field(5, concat(uint64(5), hash)))
  assert.deepEqual(encodeDocument({ ...inline, head }), expected)
})

test('the longest manifest fits a signed block beside the fields of a head', () => {
  const longest = new Uint8Array(MAX_INLINE_MANIFEST_BYTES)
  const head = { edition: MAX_EDITION, editionHash: hash }
  const bytes = encodeDocument({ body: { type: 'manifest', manifest: longest }, head })
  assert.ok(bytes.length <= MAX_DOCUMENT_BYTES)
  assert.equal(decodeDocument(bytes).head?.edition, MAX_EDITION)
})

test('an even field that is not known is left out', () => {
  const bytes = concat(VERSION, field(1, manifest), field(2, hash), field(200, hash))
  assert.deepEqual(decodeDocument(bytes), inline)
})

const pointer = field(3, new Uint8Array(64))
const faults: Record<string, Uint8Array> = {
  'no bytes at all': new Uint8Array(),
  'another version': concat(Uint8Array.of(2), field(1, manifest)),
  'no manifest': VERSION,
  'a head without a manifest': concat(VERSION, field(5, new Uint8Array(40))),
  'two manifests': concat(VERSION, field(1, manifest), pointer),
  'a manifest given twice': concat(VERSION, field(1, manifest), field(1, manifest)),
  'fields out of order': concat(VERSION, field(5, new Uint8Array(40)), field(1, manifest)),
  'an odd field of the future': concat(VERSION, field(1, manifest), field(7, hash)),
  'a field cut off': concat(VERSION, field(1, manifest)).subarray(0, 8),
  'a header cut off': concat(VERSION, field(1, manifest), Uint8Array.of(2, 0)),
  'a length beyond the end': concat(VERSION, Uint8Array.of(1, 255, 255, 255, 255)),
  'too long a manifest': concat(VERSION, field(1, new Uint8Array(MAX_INLINE_MANIFEST_BYTES + 1))),
  'a short pointer': concat(VERSION, field(3, new Uint8Array(63))),
  'a long pointer': concat(VERSION, field(3, new Uint8Array(65))),
  'a short head': concat(VERSION, field(1, manifest), field(5, new Uint8Array(39))),
  'an edition that no head can have': concat(
    VERSION,
    field(1, manifest),
    field(5, concat(uint64(MAX_EDITION + 1), hash)),
  ),
  'an edition above 2^53 - 1': concat(
    VERSION,
    field(1, manifest),
    field(5, new Uint8Array(40).fill(255)),
  ),
}
for (const [name, bytes] of Object.entries(faults)) {
  test(`a document with ${name} is refused`, () => {
    assert.throws(() => decodeDocument(bytes), { code: 'E_DECODE' })
  })
}
