/**
 * Replays the vectors of publishers and their documents through src/keys.
 * @module
 */
import assert from 'node:assert/strict'

import { isShoalError } from '../../src/errors.ts'
import { signedAddress, toBlock, verify } from '../../src/keys/block.ts'
import { concat, utf8 } from '../../src/keys/bytes.ts'
import {
  argon2id,
  blake2b256,
  blindPublicKey,
  masterKeyFromSeed,
  open,
} from '../../src/keys/primitives.ts'
import {
  documentAddress,
  headSequence,
  IMMUTABLE_SEQUENCE,
  keywordPublisher,
  openDocument,
  publisherFromSeed,
} from '../../src/keys/signed.ts'
import { hex, ofHex } from '../reference/text.ts'
import { bytesOfRule } from './vector.ts'
import type { SignedInput, Vector } from './vector.ts'

type InputOf<Key extends string> = Extract<SignedInput, Record<Key, unknown>>

/** @throws AssertionError where src/keys does not what the vector says. */
export async function replaySigned(vector: Vector, input: SignedInput): Promise<void> {
  if ('publisher' in input) replayPublisher(vector, input)
  else if ('documentName' in input) replayName(vector, input)
  else if ('document' in input) replayDocument(vector, input)
  else if ('sign' in input) replaySign(vector, input)
  else if ('open' in input) replayOpen(vector, input)
  else await replayWord(vector, input)
}

function replayPublisher({ output }: Vector, { publisher: { seed } }: InputOf<'publisher'>): void {
  const publisher = publisherFromSeed(ofHex(seed))
  assert.equal(hex(publisher.publicKey), output?.['publicKey'])
  assert.equal(hex(publisher.convergenceSecret), output?.['convergenceSecret'])
  // the read secret stays inside, and shows in what comes from it
  const readSecret = ofHex(String(output?.['readSecret']))
  const input = concat(utf8('shoal/document/1'), Uint8Array.of(1, 0), utf8('a'))
  assert.deepEqual(publisher.documentKey('a').readKey, blake2b256(input, readSecret))
}

function replayName(vector: Vector, { documentName }: InputOf<'documentName'>): void {
  const publisher = publisherFromSeed(new Uint8Array(32))
  if (vector.expect === 'ok') {
    assert.deepEqual({ name: publisher.documentKey(documentName).name }, vector.output)
    return
  }
  assert.throws(() => publisher.documentKey(documentName), { code: vector.expect })
}

function replayDocument({ output }: Vector, { document }: InputOf<'document'>): void {
  const { kind, edition } = document
  const place = { kind, edition }
  const publisher = publisherFromSeed(ofHex(document.seed))
  const key = publisher.documentKey(document.name)
  const sequence = kind === 'head' ? headSequence(key, document.headEdition) : IMMUTABLE_SEQUENCE
  const block = publisher.seal(key, place, { sequence, plaintext: utf8('a document') })
  const blinding = ofHex(String(output?.['blinding']))
  assert.equal(hex(blindPublicKey(key.publicKey, blinding) ?? ofHex('')), output?.['blindedKey'])
  const bodyKey = ofHex(String(output?.['bodyKey']))
  const under = {
    secret: bodyKey,
    nonce: block.subarray(104, 128),
    associated: concat(block.subarray(0, 32), block.subarray(96, 104)),
  }
  const padded = open(block.subarray(128, -16), block.subarray(-16), under)
  assert.ok(padded !== undefined, 'the body key opens what was sealed')
  assert.equal(verify(documentAddress(key, place), block), 'signed')
  const got = {
    readKey: hex(key.readKey),
    blinding: hex(blinding),
    blindedKey: hex(block.subarray(0, 32)),
    address: hex(documentAddress(key, place)),
    bodyKey: hex(bodyKey),
    sequence,
  }
  assert.deepEqual(got, output)
}

function replaySign({ output }: Vector, { sign }: InputOf<'sign'>): void {
  const key = masterKeyFromSeed(ofHex(sign.signSeed)).blind(ofHex(sign.blinding))
  const signature = key.sign(bytesOfRule(sign.message))
  assert.deepEqual({ publicKey: hex(key.publicKey), signature: hex(signature) }, output)
}

function replayOpen(vector: Vector, { open: input }: InputOf<'open'>): void {
  const key = {
    publicKey: ofHex(input.publicKey),
    readKey: ofHex(input.readKey),
    name: input.name,
  }
  const place = { kind: input.kind, edition: input.edition }
  const block = toBlock(bytesOfRule(input.block))
  const before = hex(block)
  assert.equal(verify(signedAddress(block.subarray(0, 32)), block), 'signed')
  if (vector.expect === 'E_URI') {
    assert.throws(() => openDocument(key, place, block), { code: 'E_URI' })
    assert.throws(() => documentAddress(key, place), { code: 'E_URI' })
    return
  }
  const plaintext = openDocument(key, place, block)
  assert.equal(hex(block), before, 'opening changes nothing')
  if (vector.expect === 'E_DECODE') {
    assert.equal(plaintext, undefined)
    return
  }
  assert.ok(plaintext !== undefined)
  const address = hex(documentAddress(key, place))
  const got = { address, length: plaintext.length, hash: hex(blake2b256(plaintext)) }
  assert.deepEqual(got, vector.output)
}

async function replayWord({ expect, output }: Vector, { word }: InputOf<'word'>): Promise<void> {
  if (expect !== 'ok') {
    await assert.rejects(
      keywordPublisher(word),
      (error) => isShoalError(error) && error.code === expect,
    )
    return
  }
  const { publisher, key } = await keywordPublisher(word)
  const salt = blake2b256(utf8('shoal/keyword/1')).subarray(0, 16)
  const cost = { passes: 3, memoryBytes: 64 * 1024 * 1024 }
  const seed = await argon2id(utf8(word.normalize('NFC')), salt, cost)
  const got = {
    word: key.name,
    seed: hex(seed),
    publicKey: hex(publisher.publicKey),
    readKey: hex(key.readKey),
    address: hex(documentAddress(key, { kind: 'ksk', edition: 0 })),
  }
  assert.deepEqual(got, output)
}
