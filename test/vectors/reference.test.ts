/** The reference itself, against the examples of the RFCs and against Node's own cryptography. */
import assert from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { createCipheriv, createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { test } from 'node:test'

import { blake2b, hash } from '../reference/blake2b.ts'
import { chacha20, hchacha20, keyStream } from '../reference/chacha20.ts'
import * as ed from '../reference/ed25519.ts'
import {
  bytesOf,
  hex,
  join,
  ofBase32,
  ofBase64url,
  ofHex,
  toBase32,
  toBase64url,
} from '../reference/text.ts'
import { openXChaCha, poly1305, sealXChaCha } from '../reference/xchacha20poly1305.ts'
import { readVectors, seedOf } from './vector.ts'

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

test('HChaCha20: the example of draft-irtf-cfrg-xchacha §2.2.1', () => {
  const secret = Uint8Array.from({ length: 32 }, (_, i) => i)
  const subkey = hchacha20(secret, ofHex('000000090000004a0000000031415927'))
  assert.equal(hex(subkey), '82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc')
})

test('Poly1305: the example of RFC 8439 §2.5.2', () => {
  const key = ofHex('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b')
  const tag = poly1305(bytesOf('Cryptographic Forum Research Group'), key)
  assert.equal(hex(tag), 'a8061dc1305136c6c22b8baf0c0127a9')
})

test('XChaCha20-Poly1305: the example of draft-irtf-cfrg-xchacha §A.3.1, and what is changed does not open', () => {
  const text =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
  const under = {
    secret: Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i),
    nonce: Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i),
    associated: ofHex('50515253c0c1c2c3c4c5c6c7'),
  }
  const sealed = sealXChaCha(bytesOf(text), under)
  assert.equal(
    hex(sealed),
    'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39' +
      'ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9' +
      '21f9664c97637da9768812f615c68b13b52e' +
      'c0875924c1c7987947deafd8780acf49',
  )
  assert.deepEqual(openXChaCha(sealed, under), bytesOf(text))
  for (const at of [0, sealed.length - 1]) {
    const changed = sealed.slice()
    changed[at] = (changed[at] as number) ^ 1
    assert.equal(openXChaCha(changed, under), undefined)
  }
})

test('XChaCha20-Poly1305: of any length as Node has it, by the subkey', () => {
  for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 1000]) {
    const under = {
      secret: seedOf('secret'),
      nonce: keyStream(seedOf('nonce'), 24),
      associated: keyStream(seedOf('associated'), length % 40),
    }
    const plaintext = keyStream(seedOf('plaintext'), length)
    const subkey = hchacha20(under.secret, under.nonce.slice(0, 16))
    const nonce = Buffer.concat([Buffer.alloc(4), under.nonce.slice(16)])
    const cipher = createCipheriv('chacha20-poly1305', subkey, nonce, { authTagLength: 16 })
    cipher.setAAD(under.associated, { plaintextLength: length })
    const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    assert.equal(hex(sealXChaCha(plaintext, under)), expected.toString('hex'))
  }
})

test('blinding: the blinded scalar belongs to the blinded key, and Node takes its signature', () => {
  const { scalar, publicKey } = ed.keyPairOf(seedOf('publisher'))
  for (const blinding of [bytesOf(''), bytesOf('a'), keyStream(seedOf('blinding'), 300)]) {
    const blinded = ed.blindPoint(publicKey, blinding)
    const blindedScalar = ed.blindScalar(scalar, blinding)
    assert.equal(hex(ed.encodePoint(ed.multiply(blindedScalar, ed.BASE))), hex(blinded))
    const signature = ed.signBlinded(bytesOf('a message'), blindedScalar)
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64url(blinded) }
    const key = crypto.createPublicKey({ key: jwk, format: 'jwk' })
    assert.ok(verify(null, bytesOf('a message'), key, signature))
  }
})

test('the two traps of blinding: either gives the master scalar away', () => {
  const { scalar } = ed.keyPairOf(seedOf('publisher'))
  const blinding = bytesOf('what a reader of the URI knows')
  const blinded = ed.blindScalar(scalar, blinding)
  const n = ed.blindingScalar(blinding)
  const modulo = (value: bigint): bigint => ((value % ed.L) + ed.L) % ed.L
  assert.equal(modulo(blinded - n), scalar % ed.L, 'the blinded scalar is known')

  // one message and nonce, two public keys
  const message = bytesOf('a message')
  const r = 77n
  const R = ed.encodePoint(ed.multiply(r, ed.BASE))
  const own = ed.encodePoint(ed.multiply(blinded, ed.BASE))
  const signed = [own, ed.encodePoint(ed.BASE)].map((publicKey) => {
    const signature = ed.signWith({ scalar: blinded, publicKey, r, R }, message)
    return { S: ed.decodeNumber(signature.slice(32)), h: ed.hashToScalar(R, publicKey, message) }
  }) as [{ S: bigint; h: bigint }, { S: bigint; h: bigint }]
  const difference = modulo(signed[0].h - signed[1].h)
  let inverse = 1n
  for (let base = difference, rest = ed.L - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) inverse = modulo(inverse * base)
    base = modulo(base * base)
  }
  assert.equal(modulo((signed[0].S - signed[1].S) * inverse), blinded, 'solved for')
})

/** Node 24.7 and later has it; before that libsodium is the only witness. */
interface WithArgon2 {
  readonly argon2Sync?: (algorithm: string, parameters: Record<string, unknown>) => Buffer
}

test('Argon2id: what the vectors of words have is what Node makes, where it can', () => {
  const { argon2Sync } = crypto as WithArgon2
  const salt = hash(bytesOf('shoal/keyword/1')).slice(0, 16)
  const cost = { parallelism: 1, tagLength: 32, memory: 64 * 1024, passes: 3 }
  let words = 0
  for (const { input, expect, output } of readVectors('signed')) {
    if (!('word' in input) || expect !== 'ok') continue
    words++
    const message = bytesOf(String(output?.['word']))
    const seed = argon2Sync?.('argon2id', { message, nonce: salt, ...cost }).toString('hex')
    if (argon2Sync !== undefined) assert.equal(seed, output?.['seed'])
    assert.match(String(output?.['seed']), /^[0-9a-f]{64}$/)
  }
  assert.ok(words > 2)
})

test('Argon2id: what the vectors of puzzles have is what Node makes, where it can', () => {
  const { argon2Sync } = crypto as WithArgon2
  const network = hash(bytesOf('shoal/network/1shoal'))
  const nonce = hash(join(bytesOf('shoal/proof/1'), network)).slice(0, 16)
  const cost = { parallelism: 1, tagLength: 32, memory: 16 * 1024, passes: 2 }
  let puzzles = 0
  for (const { input, output } of readVectors('network')) {
    if (!('puzzle' in input)) continue
    puzzles++
    const { publicKey, proof } = input.puzzle
    const message = join(network, ofHex(publicKey), ofHex(proof.slice(2, 18)))
    const made = argon2Sync?.('argon2id', { message, nonce, ...cost }).toString('hex')
    if (argon2Sync !== undefined) assert.equal(made, output?.['hash'])
    assert.match(String(output?.['hash']), /^[0-9a-f]{64}$/)
  }
  assert.equal(puzzles, 3)
})
