/**
 * Signed documents: making one (blind, seal, sign) and reading one (verify, blind, open), against
 * plain Ed25519 and the bare cipher over as many bytes, in turn.
 * `npm run bench:signed -- [blocks] [rounds]`
 * @module
 */
import hypercoreCrypto from 'hypercore-crypto'

import { BLOCK_BYTES, SIGNED_HEADER_BYTES, verify } from '../src/keys/block.ts'
import { keyPairFromSeed, open, randomBytes, seal, verifyEd25519 } from '../src/keys/primitives.ts'
import {
  documentAddress,
  IMMUTABLE_SEQUENCE,
  MAX_DOCUMENT_BYTES,
  openDocument,
  publisherFromSeed,
} from '../src/keys/signed.ts'
import { median, report } from './processes.ts'

const blocks = Number(process.argv[2] ?? 500)
const rounds = Number(process.argv[3] ?? 7)

/** The product signs blinded only, so plain signing is not among its primitives. */
const { sign } = hypercoreCrypto as unknown as {
  readonly sign: (message: Uint8Array, secretKey: Uint8Array) => Uint8Array
}

const plaintext = randomBytes(MAX_DOCUMENT_BYTES)
const document = { sequence: IMMUTABLE_SEQUENCE, plaintext }
const publisher = publisherFromSeed(randomBytes(32))
const key = publisher.documentKey('bench')
const placeOf = (edition: number) => ({ kind: 'edition' as const, edition })
const block = publisher.seal(key, placeOf(0), document)
const address = documentAddress(key, placeOf(0))

const message = randomBytes(BLOCK_BYTES - SIGNED_HEADER_BYTES + 22)
const pair = keyPairFromSeed(randomBytes(32))
const signature = sign(message, pair.secretKey)
const under = { secret: randomBytes(32), nonce: randomBytes(24), associated: randomBytes(40) }
const sealed = new Uint8Array(plaintext.length)
const tag = seal(sealed, plaintext, under)

const WORK: Readonly<Record<string, (index: number) => unknown>> = {
  ed25519Sign: () => sign(message, pair.secretKey),
  ed25519Verify: () => verifyEd25519(signature, message, pair.publicKey),
  aeadSeal: () => seal(sealed, plaintext, under),
  aeadOpen: () => open(sealed, tag, under),
  sealDocument: (index) => publisher.seal(key, placeOf(index), document),
  verifyBlock: () => verify(address, block),
  openDocument: () => openDocument(key, placeOf(0), block),
}

/** Microseconds for one of each kind of work. */
function measure(): Record<string, number> {
  return Object.fromEntries(
    Object.entries(WORK).map(([name, work]) => {
      const startMs = performance.now()
      for (let index = 0; index < blocks; index++) work(index)
      return [name, ((performance.now() - startMs) * 1000) / blocks]
    }),
  )
}

if (verify(address, block) !== 'signed') throw new Error('the block does not verify')
if (openDocument(key, placeOf(0), block) === undefined) throw new Error('it does not open')
measure()
const results = Array.from({ length: rounds }, measure)
const us = Object.fromEntries(
  Object.keys(WORK).map((name) => [
    name,
    median(results.map((round) => round[name] ?? Number.NaN)),
  ]),
)
const sumOf = (...names: string[]): number => names.reduce((sum, name) => sum + (us[name] ?? 0), 0)
const rounded = Object.entries(us).map(([name, value]) => [
  `${name}Us`,
  Math.round(value * 10) / 10,
])
report({
  bench: 'signed',
  blocks,
  rounds,
  ...Object.fromEntries(rounded),
  writeRatio: sumOf('sealDocument') / sumOf('ed25519Sign', 'aeadSeal'),
  verifyRatio: sumOf('verifyBlock') / sumOf('ed25519Verify'),
  readRatio: sumOf('verifyBlock', 'openDocument') / sumOf('ed25519Verify', 'aeadOpen'),
})
