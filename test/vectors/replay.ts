/**
 * Replays a vector through src/keys: once whole, and where bytes come in pieces, in odd pieces and
 * byte by byte too.
 * @module
 */
import assert from 'node:assert/strict'

import { isShoalError } from '../../src/errors.ts'
import { homePosition, supersedes, toAddress, toBlock, verify } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { base32 } from '../../src/keys/bytes.ts'
import { blake2b256 } from '../../src/keys/primitives.ts'
import { formatUri, formatUrn, parseUri } from '../../src/keys/uri.ts'
import { capabilityBytes, capabilityOf } from '../reference/eris.ts'
import { hex, join, ofHex } from '../reference/text.ts'
import { replayNetwork } from './replay-network.ts'
import { replaySigned } from './replay-signed.ts'
import { decodeWhole, encodeInPieces, readLeaves } from './tree.ts'
import type { Encoded } from './tree.ts'
import { bytesOfRule, textOfUri } from './vector.ts'
import type { Input, NetworkInput, Vector } from './vector.ts'

/** Contents up to this are also fed byte by byte. */
const BYTE_BY_BYTE_LIMIT = 40_000
const ODD_PIECES = [1, 7, 1000, 1023, 1025, 32_767, 40_001]

type InputOf<Key extends string> = Extract<Input, Record<Key, unknown>>

/** @throws AssertionError where src/keys does not what the vector says. */
export async function replay(vector: Vector): Promise<void> {
  const { input } = vector
  if ('encode' in input) replayEncode(vector, input)
  else if ('decode' in input) replayDecode(vector, input)
  else if ('verify' in input) replayVerify(vector, input)
  else if ('replace' in input) replayReplace(vector, input)
  else if ('home' in input) replayHome(vector, input)
  else if ('uri' in input) replayUri(vector, input)
  else if (isOfNetwork(input)) await replayNetwork(vector, input)
  else await replaySigned(vector, input)
}

function isOfNetwork(input: Input): input is NetworkInput {
  const operations = ['network', 'region', 'position', 'puzzle', 'handshake', 'message']
  return operations.some((operation) => operation in input)
}

function replayEncode(vector: Vector, { encode }: InputOf<'encode'>): void {
  const content = bytesOfRule(encode.content)
  const under = { secret: ofHex(encode.secret), blockBytes: encode.blockBytes }
  const whole = encodeInPieces(content, under, [Math.max(1, content.length)])
  assert.deepEqual(summaryOf(whole), vector.output)
  assert.deepEqual(summaryOf(encodeInPieces(content, under, ODD_PIECES)), vector.output)
  if (content.length <= BYTE_BY_BYTE_LIMIT) {
    assert.deepEqual(summaryOf(encodeInPieces(content, under, [1])), vector.output)
  }
  assert.equal(hex(decodeWhole(whole)), hex(content))
  checkRanges(whole, content)
}

function summaryOf(encoded: Encoded): Record<string, unknown> {
  const { capability, blocks, roots } = encoded
  assert.deepEqual(roots, [hex(capability.reference)], 'one root, and it is the one that is named')
  return {
    level: capability.level,
    urn: `urn:eris:${base32(capabilityBytes(capability))}`,
    blocks: blocks.size,
    references: hex(blake2b256(ofHex([...blocks.keys()].sort().join('')))),
  }
}

/** First, last, middle, pairs across a node's edge, and all. */
function checkRanges(encoded: Encoded, content: Uint8Array): void {
  const { blockBytes } = encoded.capability
  const last = Math.floor(content.length / blockBytes)
  const edges = [0, 1, 14, 15, 16, 17, 255, 256, last >> 1, last - 1, last]
  const inside = [...new Set(edges)].filter((leaf) => leaf >= 0 && leaf <= last)
  for (const first of inside) {
    for (const end of inside.filter((leaf) => leaf >= first)) {
      const leaves = readLeaves(encoded, { first, last: end })
      assert.deepEqual([...leaves.keys()], range(first, end))
      const bytes = join(...leaves.values()).slice(0, content.length - first * blockBytes)
      const expected = content.subarray(first * blockBytes, (end + 1) * blockBytes)
      assert.equal(Buffer.compare(bytes, expected), 0, `leaves ${first} to ${end}`)
    }
  }
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function replayDecode(vector: Vector, { decode }: InputOf<'decode'>): void {
  const blocks = new Map(
    decode.blocks.map((rule) => {
      const block = bytesOfRule(rule)
      return [hex(blake2b256(block)), block]
    }),
  )
  const capability = capabilityOf(ofHex(decode.capability))
  assert.throws(() => decodeWhole({ capability, blocks }), { code: vector.expect })
}

function replayVerify(vector: Vector, input: InputOf<'verify'>): void {
  const address = toAddress(ofHex(input.verify.address))
  const block = toBlock(bytesOfRule(input.verify.block))
  const before = hex(block)
  assert.equal(verify(address, block), vector.expect)
  assert.equal(hex(block), before, 'verifying changes nothing')
}

function replayReplace(vector: Vector, { replace }: InputOf<'replace'>): void {
  const [next, held] = [toBlock(bytesOfRule(replace.next)), toBlock(bytesOfRule(replace.held))]
  assert.deepEqual({ replaces: supersedes(next, held) }, vector.output)
}

function replayHome(vector: Vector, { home }: InputOf<'home'>): void {
  const position = homePosition(toAddress(ofHex(home.address)), home.home as Home)
  assert.deepEqual({ position }, vector.output)
}

function replayUri(vector: Vector, input: InputOf<'uri'>): void {
  const text = textOfUri(input.uri)
  if (vector.expect === 'ok') {
    assert.deepEqual(describeUri(text), vector.output)
    return
  }
  const part = String(vector.output?.['part'])
  assert.throws(
    () => parseUri(text),
    (error) => isShoalError(error) && error.code === vector.expect && error.message.includes(part),
    `an E_URI that says "${part}"`,
  )
}

/** What src/keys reads in a URI, as the vectors write it; and that its canonical form says the same. */
function describeUri(text: string): Record<string, unknown> {
  const uri = parseUri(text)
  const canonical = formatUri(uri)
  assert.deepEqual(parseUri(canonical), uri)
  assert.equal(formatUri(parseUri(canonical)), canonical)
  if (uri.type === 'ksk') return { ...uri, canonical }
  const readKey = hex(uri.readKey)
  if (uri.type !== 'chk') return { ...uri, publicKey: hex(uri.publicKey), readKey, canonical }
  const urn = uri.kind === 'bare' ? formatUrn(uri) : undefined
  if (urn !== undefined) assert.deepEqual(parseUri(urn), uri)
  const { type, reference, level, kind, name, path } = uri
  return {
    type,
    reference: hex(reference),
    readKey,
    level,
    kind,
    ...(name === undefined ? {} : { name }),
    ...(path.length === 0 ? {} : { path }),
    canonical,
    ...(urn === undefined ? {} : { urn }),
  }
}
