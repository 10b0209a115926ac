/** The reference itself, against the examples of the RFCs and against Node's own cryptography. */
import assert from 'node:assert/strict'
import { createCipheriv, createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { test } from 'node:test'

import { blake2b } from '../reference/blake2b.ts'
import { chacha20, keyStream } from '../reference/chacha20.ts'
import * as ed from '../reference/ed25519.ts'
import {
  bytesOf,
  hex,
  ofBase32,
  ofBase64url,
  ofHex,
  toBase32,
  toBase64url,
} from '../reference/text.ts'
import { seedOf } from './vector.ts'

test('BLAKE2b: the example of RFC 7693 appendix A', () => {
  const expected =
    'ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1' +
    '7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923'
  assert.equal(hex(blake2b(bytesOf('abc'), 64)), expected)
})

test('BLAKE2b: the self-test of RFC 7693 appendix E, keyed and unkeyed', () => {
  const sequence = (length: number, seed: number): Uint8Array => {
    let a = Math.imul(0xdead4bad, seed) >>> 0
    let b = 1
    return Uint8Array.from({ length }, () => {
      const sum = (a + b) >>> 0
      a = b
      b = sum
      return sum >>> 24
    })
  }
  const results: number[] = []
  for (const outBytes of [20, 32, 48, 64]) {
    for (const length of [0, 3, 128, 129, 255, 1024]) {
      const input = sequence(length, length)
      results.push(...blake2b(input, outBytes))
      results.push(...blake2b(input, outBytes, sequence(outBytes, outBytes)))
    }
  }
  const expected = 'c23a7800d98123bd10f506c61e29da5603d763b8bbad2e737f5e765a7bccd475'
  assert.equal(hex(blake2b(Uint8Array.from(results), 32)), expected)
})

test('BLAKE2b: lengths around its blocks, as Node has them', () => {
  for (const length of [0, 1, 127, 128, 129, 255, 256, 257]) {
    const input = keyStream(seedOf('input'), length)
    const expected = createHash('blake2b512').update(input).digest('hex')
    assert.equal(hex(blake2b(input, 64)), expected, `${length} bytes`)
  }
})

test('ChaCha20: the example of RFC 8439 §2.4.2, but for its counter', () => {
  const secret = Uint8Array.from({ length: 32 }, (_, i) => i)
  const nonce = ofHex('000000000000004a00000000')
  for (const length of [0, 1, 63, 64, 65, 1000]) {
    const input = keyStream(seedOf('input'), length)
    const cipher = createCipheriv('chacha20', secret, Buffer.concat([Buffer.alloc(4), nonce]))
    assert.equal(hex(chacha20(secret, nonce, input)), cipher.update(input).toString('hex'))
  }
  const first = '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e'
  const rfc = chacha20(secret, ofHex('000000090000004a00000000'), new Uint8Array(128)).slice(64)
  assert.equal(hex(rfc).slice(0, 64), first) // RFC 8439 §2.3.2, counter 1
})

test('Ed25519: the first two examples of RFC 8032 §7.1', () => {
  const examples = [
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
  ] as const
  for (const [seed, publicKey, message, signature] of examples) {
    assert.equal(hex(ed.keyPairOf(ofHex(seed)).publicKey), publicKey)
    assert.equal(hex(ed.sign(ofHex(message), ofHex(seed))), signature)
    for (const cofactor of [1n, 8n] as const) {
      assert.ok(ed.verifySignature(ofHex(signature), ofHex(message), ofHex(publicKey), cofactor))
    }
  }
})

test('Ed25519: signs and verifies as Node does', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const message = bytesOf('a message')
  const seed = ofBase64url(privateKey.export({ format: 'jwk' }).d ?? '') as Uint8Array
  const signature = ed.sign(message, seed)
  assert.equal(hex(signature), sign(null, message, privateKey).toString('hex'))
  assert.ok(verify(null, message, publicKey, signature))
})

test('Ed25519: the torsion point has order 8, and mixing it in leaves the subgroup', () => {
  const torsion = ed.torsionPoint()
  assert.ok(ed.samePoint(ed.multiply(8n, torsion), ed.IDENTITY))
  assert.ok(!ed.samePoint(ed.multiply(4n, torsion), ed.IDENTITY))
  assert.ok(ed.isPrimeOrder(ed.BASE))
  assert.ok(!ed.isPrimeOrder(torsion))
  assert.ok(!ed.isPrimeOrder(ed.IDENTITY))
  assert.ok(!ed.isPrimeOrder(ed.add(ed.BASE, torsion)))
})

test('base64url and base32 read what they write, and Node agrees', () => {
  for (let length = 0; length < 20; length++) {
    const bytes = keyStream(seedOf('text'), length)
    assert.equal(toBase64url(bytes), Buffer.from(bytes).toString('base64url'))
    assert.deepEqual(ofBase64url(toBase64url(bytes)), bytes)
    assert.deepEqual(ofBase32(toBase32(bytes)), bytes)
  }
})
