/** Handshakes: their codec, what refuses them, and what those of a private network tell a stranger. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_NETWORK, NETWORK_KEY_BYTES as OPTION_KEY_BYTES } from '../../src/options.ts'
import {
  NO_PROOF,
  checkHandshake,
  createHandshake,
  decodeHandshake,
  encodeHandshake,
} from '../../src/routing/handshake.ts'
import type { LinkIdentity } from '../../src/routing/handshake.ts'
import { NETWORK_KEY_BYTES, PUBLIC_NETWORK, networkDefinition } from '../../src/routing/network.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'
import {
  RING,
  networkTopic,
  nodePosition,
  regionOf,
  regionTopic,
} from '../../src/routing/position.ts'

const filled = (value: number, length = 32): Uint8Array => new Uint8Array(length).fill(value)
const PUZZLE_PROOF = Uint8Array.of(1, ...new Uint8Array(14).fill(7))
const DIALER = filled(1)
const DIALED = filled(2)
const BINDING = filled(9, 64)
const KEY = Uint8Array.from({ length: 32 }, (_, at) => 200 + at)

const open = networkDefinition('test')
const secret = networkDefinition('test', KEY)

/** What the dialer says to the one dialed. */
function sent(definition: NetworkDefinition, link: Partial<LinkIdentity> = {}): Uint8Array {
  const of = { remotePublicKey: DIALED, channelBinding: BINDING, isInitiator: true, ...link }
  return createHandshake({ definition, publicKey: DIALER, proof: NO_PROOF }, of)
}

/** What the one dialed thinks of it. */
function verdict(
  bytes: Uint8Array,
  definition: NetworkDefinition,
  link: Partial<LinkIdentity> = {},
): string {
  const of = { remotePublicKey: DIALER, channelBinding: BINDING, ...link }
  return checkHandshake(decodeHandshake(bytes), definition, of)
}

test('a handshake comes back, with and without a MAC, and its every truncation is malformed', () => {
  const base = { minVersion: 1, maxVersion: 2, features: 5, network: filled(3), proof: NO_PROOF }
  for (const mac of [undefined, filled(9)]) {
    const bytes = encodeHandshake({ ...base, mac })
    assert.deepEqual(decodeHandshake(bytes), { ...base, mac })
    const pooled = Buffer.concat([Buffer.alloc(5, 0xff), bytes]).subarray(5)
    assert.deepEqual(decodeHandshake(pooled), { ...base, mac })
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeHandshake(bytes.slice(0, length)), { code: 'E_MESSAGE_CODEC' })
    }
    const longer = Uint8Array.of(...bytes, 0)
    assert.throws(() => decodeHandshake(longer), { code: 'E_MESSAGE_CODEC' })
  }
})

test('a proof of more than 256 bytes, one of none, and a MAC of another length are malformed', () => {
  const base = { minVersion: 1, maxVersion: 1, features: 0, network: filled(3) }
  for (const length of [0, 257, 65_535]) {
    const bytes = encodeHandshake({ ...base, proof: filled(1, length), mac: undefined })
    assert.throws(() => decodeHandshake(bytes), { code: 'E_MESSAGE_CODEC' })
  }
  for (const length of [1, 31, 33, 64, 255]) {
    const bytes = encodeHandshake({ ...base, proof: NO_PROOF, mac: filled(1, length) })
    assert.throws(() => decodeHandshake(bytes), { code: 'E_MESSAGE_CODEC' })
  }
})

test('handshakes of another version, network or proof kind are refused, each for its reason', () => {
  const base = {
    minVersion: 1,
    maxVersion: 1,
    features: 0,
    network: open.hash,
    proof: NO_PROOF,
    mac: undefined,
  }
  const of = { remotePublicKey: DIALER, channelBinding: BINDING }
  const said = (change: Partial<Parameters<typeof checkHandshake>[0]>, definition = open): string =>
    checkHandshake({ ...base, ...change }, definition, of)
  assert.equal(said({}), 'accepted')
  assert.equal(said({ maxVersion: 9, features: 2 ** 32 - 1 }), 'accepted')
  assert.equal(said({ minVersion: 2, maxVersion: 3 }), 'version')
  assert.equal(said({ minVersion: 0, maxVersion: 0 }), 'version')
  assert.equal(said({ network: filled(0) }), 'network')
  assert.equal(said({ mac: filled(1) }), 'accepted') // nobody asked for it
  for (const proof of [PUZZLE_PROOF, Uint8Array.of(0, 0), Uint8Array.of(2)]) {
    assert.equal(said({ proof }), 'proof')
  }
})

test('the public network takes puzzles and nothing else, every other one no puzzle', () => {
  const shoal = networkDefinition(PUBLIC_NETWORK)
  assert.equal(PUBLIC_NETWORK, DEFAULT_NETWORK)
  assert.equal(NETWORK_KEY_BYTES, OPTION_KEY_BYTES)
  assert.equal(shoal.proof.kind, 1)
  for (const definition of [open, secret, networkDefinition(PUBLIC_NETWORK, KEY)]) {
    assert.equal(definition.proof.kind, 0)
  }
  const base = decodeHandshake(sent(shoal))
  const of = { remotePublicKey: DIALER, channelBinding: BINDING }
  assert.equal(checkHandshake({ ...base, proof: PUZZLE_PROOF }, shoal, of), 'accepted')
  const wrong = [NO_PROOF, Uint8Array.of(1), filled(1, 14), filled(1, 16), filled(2, 15)]
  for (const proof of wrong) {
    assert.equal(checkHandshake({ ...base, proof }, shoal, of), 'proof')
  }
})

test('the nodes of a private network accept each other, in both directions', () => {
  assert.equal(verdict(sent(secret), secret), 'accepted')
  const own = { definition: secret, publicKey: DIALED, proof: NO_PROOF }
  const link = { remotePublicKey: DIALER, channelBinding: BINDING, isInitiator: false }
  const answer = createHandshake(own, link)
  assert.equal(verdict(answer, secret, { remotePublicKey: DIALED }), 'accepted')
})

test('without the key, with another one or under another name nobody gets into a private network', () => {
  const otherKey = networkDefinition('test', filled(1))
  const otherName = networkDefinition('tests', KEY)
  for (const stranger of [open, otherKey, otherName]) {
    assert.equal(verdict(sent(stranger), secret), 'network')
    assert.equal(verdict(sent(secret), stranger), 'network')
  }
})

test('every MAC but the right one is refused', () => {
  const right = decodeHandshake(sent(secret))
  const of = { remotePublicKey: DIALER, channelBinding: BINDING }
  const mac = right.mac ?? filled(0, 0)
  assert.equal(mac.length, 32)
  assert.equal(checkHandshake({ ...right, mac: undefined }, secret, of), 'mac')
  for (const wrong of [filled(0), mac.subarray(1), Uint8Array.of(...mac, 0), new Uint8Array(0)]) {
    assert.equal(checkHandshake({ ...right, mac: wrong }, secret, of), 'mac')
  }
  for (let bit = 0; bit < 256; bit++) {
    const flipped = Uint8Array.from(mac)
    flipped[bit >> 3] = (mac[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(checkHandshake({ ...right, mac: flipped }, secret, of), 'mac')
  }
})

test('a handshake of a private network is worth nothing on another link, from another node, or sent back', () => {
  const bytes = sent(secret)
  assert.equal(verdict(bytes, secret, { channelBinding: filled(8, 64) }), 'network')
  assert.equal(verdict(bytes, secret, { remotePublicKey: filled(3) }), 'mac')
  // the one dialed sends back what the dialer said: it is not the dialer
  assert.equal(verdict(bytes, secret, { remotePublicKey: DIALED }), 'mac')
})

test('without a channel to bind to a private network says nothing and accepts nobody', () => {
  for (const length of [0, 31]) {
    const channelBinding = filled(9, length)
    assert.throws(() => sent(secret, { channelBinding }), RangeError)
    assert.equal(verdict(sent(secret), secret, { channelBinding }), 'mac')
  }
  assert.equal(verdict(sent(open, { channelBinding: filled(0, 0) }), open), 'accepted')
})

test('what a private network says to whoever was dialed leads to no topic, no position and no other link', () => {
  const first = decodeHandshake(sent(secret))
  const second = decodeHandshake(sent(secret, { channelBinding: filled(8, 64) }))
  assert.notDeepEqual(first.network, secret.hash)
  assert.notDeepEqual(first.network, second.network)
  assert.notDeepEqual(first.mac, second.mac)
  const text = Buffer.from(sent(secret))
  assert.equal(text.indexOf(Buffer.from(KEY)), -1)
  assert.equal(text.indexOf(Buffer.from(secret.hash)), -1)
})

test('topics and positions of a private network follow from its key', () => {
  const definitions = [open, secret, networkDefinition('test', filled(1))]
  const apart = (of: (definition: NetworkDefinition) => unknown): void => {
    assert.equal(new Set(definitions.map((each) => String(of(each)))).size, definitions.length)
  }
  apart(({ hash }) => hash)
  apart(({ hash }) => networkTopic(hash))
  apart(({ hash }) => regionTopic(hash, 4, 3))
  apart(({ hash }) => nodePosition(hash, DIALER, NO_PROOF))
})

test('a definition keeps its own copy of the key, and a key of another length is refused without being told', () => {
  const given = KEY.slice()
  const definition = networkDefinition('test', given)
  given.fill(0)
  assert.deepEqual(definition.key, KEY)
  for (const length of [0, 16, 31, 33, 64]) {
    const refused = { code: 'E_OPTION', message: 'networkKey: 32 bytes' }
    assert.throws(() => networkDefinition('test', filled(1, length)), refused)
  }
})

test('a region is the first bits of a position, and its topic says how many', () => {
  assert.equal(regionOf(RING - 1, 0), 0)
  assert.equal(regionOf(RING - 1, 1), 1)
  assert.equal(regionOf(RING / 2 - 1, 1), 0)
  assert.equal(regionOf(0x1234_5678_9abc, 16), 0x1234)
  assert.equal(regionOf(RING - 1, 32), 2 ** 32 - 1)
  for (const bits of [-1, 33, NaN]) assert.throws(() => regionOf(0, bits), RangeError)
  const topics = [
    networkTopic(open.hash),
    regionTopic(open.hash, 0, 0),
    regionTopic(open.hash, 1, 0),
    regionTopic(open.hash, 1, 1),
    regionTopic(open.hash, 32, 2 ** 32 - 1),
  ]
  assert.equal(new Set(topics.map(String)).size, topics.length)
})
