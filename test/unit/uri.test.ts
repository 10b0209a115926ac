/** src/keys/uri.ts: what is accepted and refused is in test/vectors/uris.json; here is the rest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isShoalError } from '../../src/errors.ts'
import { toAddress } from '../../src/keys/block.ts'
import { MAX_EDITION, documentNameFault, nameFault } from '../../src/keys/names.ts'
import { publisherFromSeed } from '../../src/keys/signed.ts'
import { formatUri, formatUrn, parseUri } from '../../src/keys/uri.ts'
import type { ContentUri, Path, ShoalUri, UskUri } from '../../src/keys/uri.ts'
import { keyStream } from '../reference/chacha20.ts'
import { parse } from '../reference/uri.ts'
import { toBase64url } from '../reference/text.ts'
import { seedOf } from '../vectors/vector.ts'

const URI: ContentUri = {
  type: 'chk',
  reference: toAddress(keyStream(seedOf('reference'), 32)),
  readKey: keyStream(seedOf('read key'), 32),
  level: 0,
  kind: 'bare',
  name: undefined,
  path: [],
}

const KEY = publisherFromSeed(seedOf('publisher')).documentKey('site')
const DOCUMENT = { publicKey: KEY.publicKey, readKey: KEY.readKey, document: 'site' }
const USK: UskUri = { type: 'usk', ...DOCUMENT, edition: 0, path: [] }

test('what is formatted is read back, with and without a name, at each level', () => {
  const names = [
    undefined,
    'film.webm',
    'a b',
    'ein Fürst',
    '鱼🐟',
    '100%',
    '%2F',
    'a?b#c',
    "!*'()",
    '...',
    '@,~',
  ]
  for (const name of names) {
    for (const level of [0, 1, 2, 3, 4, 5]) {
      const uri = { ...URI, level, name }
      assert.deepEqual(parseUri(formatUri(uri)), uri)
      assert.deepEqual(parseUri(formatUrn(uri)), uri)
    }
    const manifest = { ...URI, kind: 'manifest' as const, name }
    assert.deepEqual(parseUri(formatUri(manifest)), manifest)
  }
})

const PATHS: readonly Path[] = [[], [''], ['a b.html'], ['a', ''], ['F\u00fcrst', '鱼🐟', '100%']]

test('keys of publishers, words and folders are read back with their paths and slashes', () => {
  for (const path of PATHS) {
    const uris: ShoalUri[] = [
      { type: 'ssk', ...DOCUMENT, path },
      ...[0, 1, -1, MAX_EDITION, -MAX_EDITION, 'latest' as const].map((edition) => {
        return { ...USK, document: 'mein F\u00fcrst', edition, path }
      }),
      { type: 'ksk', word: 'gpl@2,~%.txt', path },
      { ...URI, kind: 'folder', name: 'site', path },
    ]
    for (const uri of uris) {
      assert.deepEqual(parseUri(formatUri(uri)), uri)
      assert.equal(formatUri(uri), parse(formatUri(uri)).canonical)
      const last = path.at(-1)
      assert.equal(formatUri(uri).endsWith('/'), last === '')
    }
  }
})

test('a folder has no path without a name, but its slash', () => {
  const folder: ContentUri = { ...URI, kind: 'folder' }
  assert.deepEqual(parseUri(`${formatUri(folder)}/`), { ...folder, path: [''] })
  assert.equal(formatUri({ ...folder, path: [''] }), `${formatUri(folder)}/`)
  assert.throws(() => formatUri({ ...folder, path: ['a'] }), RangeError)
})

test('what is formatted is what the reference calls canonical', () => {
  for (const name of [undefined, "a film! *'()~.webm", '鱼🐟']) {
    const uri = { ...URI, level: 2, name }
    const parsed = parse(formatUri(uri))
    assert.ok(parsed.type === 'chk')
    assert.equal(formatUri(uri), parsed.canonical)
    assert.equal(formatUrn(uri), parsed.urn)
  }
})

test('a canonical URI is plain ASCII that a path of a URL carries unchanged', () => {
  const uri = formatUri({ ...URI, name: 'ein Fürst?#[]{}|^`\'<>"' })
  assert.equal(new URL(`/${uri}`, 'http://127.0.0.1:8888').pathname, `/${uri}`)
})

test('a manifest has no URN', () => {
  assert.throws(() => formatUrn({ ...URI, kind: 'manifest' }), RangeError)
})

test('an error never repeats the key', () => {
  const secret = toBase64url(URI.readKey)
  const key = formatUri({ ...URI, name: 'private.txt' })
  const wrong = [
    key.replace('CHK', 'chk'),
    `${key}/more`,
    `${key}%`,
    key.replace(secret, `${secret}A`),
  ]
  const usk = formatUri(USK)
  wrong.push(
    usk.slice(0, -4),
    usk.replace('site', 'private%2F..'),
    usk.replace('site/0', `private${'n'.repeat(300)}/0`),
    usk.replace('site/0', 'site/private'),
    formatUri({ ...USK, publicKey: new Uint8Array(32), document: 'private' }),
  )
  for (const text of wrong) {
    assert.throws(
      () => parseUri(text),
      (error) =>
        isShoalError(error) &&
        !error.message.includes(secret) &&
        !error.message.includes(toBase64url(KEY.readKey)) &&
        !error.message.includes('private'),
    )
  }
})

test('what is parsed has bytes of its own, of the right length', () => {
  for (const text of [formatUri(URI), formatUrn(URI)]) {
    const uri = parseUri(text)
    assert.ok(uri.type === 'chk')
    assert.equal(uri.reference.length, 32)
    assert.equal(uri.readKey.length, 32)
    assert.equal(
      uri.readKey.byteLength,
      uri.readKey.buffer.byteLength,
      'no view of a larger secret',
    )
  }
})

test('a name is at fault for being a path, a control character, half a character, empty or too long', () => {
  for (const name of ['a film', 'ü☃', '...', 'n'.repeat(255)])
    assert.equal(nameFault(name), undefined)
  for (const name of [
    '',
    '.',
    '..',
    'a/b',
    'a\\b',
    'a\u0000',
    'a\u009f',
    'n'.repeat(256),
    '\udc00',
  ]) {
    assert.equal(typeof nameFault(name), 'string', JSON.stringify(name))
  }
})

test('a document is not called like an edition', () => {
  for (const name of ['site', '1a', '1.0', '-', '--1', '+1', 'Latest', 'latest ', '\u0661'])
    assert.equal(documentNameFault(name), undefined, name)
  for (const name of ['0', '7', '-7', '-0', '007', '9'.repeat(99), 'latest', '', '..', 'a/b'])
    assert.equal(typeof documentNameFault(name), 'string', name)
})
