/**
 * Replays a vector of networks, positions, handshakes and messages through src/routing.
 * @module
 */
import assert from 'node:assert/strict'

import { digest, slowDigest } from '../../src/keys/digest.ts'
import { checkHandshake, createHandshake, decodeHandshake } from '../../src/routing/handshake.ts'
import { decodeMessage, encodeMessage } from '../../src/routing/messages.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'
import { networkTopic, nodePosition, regionOf, regionTopic } from '../../src/routing/position.ts'
import { verifyProof } from '../../src/routing/position-proof.ts'
import { bytesOf, hex, join, ofHex } from '../reference/text.ts'
import { bytesOfRule } from './vector.ts'
import type { NetworkInput, NetworkName, Vector } from './vector.ts'

type InputOf<Key extends string> = Extract<NetworkInput, Record<Key, unknown>>

/** @throws AssertionError where src/routing does not what the vector says. */
export async function replayNetwork(vector: Vector, input: NetworkInput): Promise<void> {
  if ('network' in input) replayName(vector, input)
  else if ('region' in input) replayRegion(vector, input)
  else if ('position' in input) replayPosition(vector, input)
  else if ('puzzle' in input) await replayPuzzle(vector, input)
  else if ('handshake' in input) replayHandshake(vector, input)
  else replayMessage(vector, input)
}

function definitionOf({ name, key }: NetworkName): NetworkDefinition {
  return networkDefinition(name, key === undefined ? undefined : ofHex(key))
}

function replayName({ output }: Vector, { network }: InputOf<'network'>): void {
  const { hash } = definitionOf(network)
  assert.deepEqual({ hash: hex(hash), topic: hex(networkTopic(hash)) }, output)
}

function replayRegion({ output }: Vector, { region: of }: InputOf<'region'>): void {
  const region = regionOf(of.position, of.bits)
  const topic = hex(regionTopic(ofHex(of.network), of.bits, region))
  assert.deepEqual({ region, topic }, output)
}

function replayPosition({ output }: Vector, { position: of }: InputOf<'position'>): void {
  const position = nodePosition(ofHex(of.network), ofHex(of.publicKey), ofHex(of.proof))
  assert.deepEqual({ position }, output)
}

async function replayPuzzle({ output }: Vector, { puzzle }: InputOf<'puzzle'>): Promise<void> {
  const definition = definitionOf(puzzle)
  const publicKey = ofHex(puzzle.publicKey)
  const proof = ofHex(puzzle.proof)
  assert.ok(definition.proof.kind === 1)
  const password = join(definition.hash, publicKey, proof.slice(1, 9))
  const salt = digest([bytesOf('shoal/proof/1'), definition.hash]).slice(0, 16)
  const hash = hex(await slowDigest(password, salt, definition.proof))
  assert.deepEqual({ hash, isGood: await verifyProof(definition, publicKey, proof) }, output)
}

function replayHandshake({ output }: Vector, { handshake: of }: InputOf<'handshake'>): void {
  const definition = definitionOf(of)
  const own = { definition, publicKey: ofHex(of.publicKey), proof: ofHex(of.proof) }
  const channelBinding = ofHex(of.binding)
  const link = { channelBinding, remotePublicKey: new Uint8Array(32), isInitiator: true }
  const bytes = createHandshake(own, link)
  assert.deepEqual({ handshake: hex(bytes) }, output)
  const from = { channelBinding, remotePublicKey: own.publicKey }
  assert.equal(checkHandshake(decodeHandshake(bytes), definition, from), 'accepted')
}

function replayMessage({ expect, output }: Vector, { message: rule }: InputOf<'message'>): void {
  const frame = bytesOfRule(rule)
  if (expect !== 'ok') {
    assert.throws(() => decodeMessage(frame), { code: expect })
    return
  }
  const message = decodeMessage(frame)
  assert.ok(message !== undefined)
  assert.equal(hex(encodeMessage(message)), hex(frame))
  assert.deepEqual(JSON.parse(JSON.stringify(message, hexOfBytes)), output)
}

function hexOfBytes(_name: string, value: unknown): unknown {
  return value instanceof Uint8Array ? hex(value) : value
}
