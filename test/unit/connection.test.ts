/** What a node says of its connection, in words. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectionStatus, forecastText } from '../../src/connection.ts'
import type { ConnectionFacts } from '../../src/connection.ts'

const FACTS: ConnectionFacts = {
  state: 'seeking',
  withoutPeersMs: 12_300,
  work: undefined,
  dhtAnswers: undefined,
  isPrivate: false,
  peers: 0,
  failure: undefined,
}
const WORK = { tries: 220, expectedTries: 512, elapsedMs: 3_400 }

const SAYINGS: readonly (readonly [Partial<ConnectionFacts>, string])[] = [
  [{ state: 'alone' }, 'This node was started without a way to others.'],
  [
    { state: 'solving', work: { ...WORK, tries: 0, elapsedMs: 0 } },
    'This node is solving its place on the ring, once: 0 % of the expected work after 0 s. It meets others when that is done.',
  ],
  [
    { state: 'solving', work: WORK },
    'This node is solving its place on the ring, once: 42 % of the expected work after 3 s, of about 8 s. It meets others when that is done.',
  ],
  [
    { state: 'solving', work: { ...WORK, tries: 1024, elapsedMs: 16_000 } },
    'This node is solving its place on the ring, once: 200 % of the expected work after 16 s, chance decides when it ends. It meets others when that is done.',
  ],
  [{}, 'No peers for 12 s: looking for them.'],
  [
    { dhtAnswers: true, withoutPeersMs: 150_000 },
    'No peers for 3 min: looking for them. The DHT answers.',
  ],
  [
    { dhtAnswers: false, withoutPeersMs: 10_800_000 },
    'No peers for 3 h: looking for them. The DHT does not answer: is this machine online, and may it send UDP?',
  ],
  [
    { isPrivate: true },
    'No peers for 12 s: looking for them. Private network: peers with another key are not seen.',
  ],
  [{ state: 'connected', peers: 1 }, 'Connected to 1 peer.'],
  [{ state: 'connected', peers: 23 }, 'Connected to 23 peers.'],
]

test('every state of the connection has words, and they say what can be done', () => {
  for (const [facts, words] of SAYINGS) {
    assert.equal(connectionStatus({ ...FACTS, ...facts }).words, words)
  }
})

test('the forecast is the average of what this machine needs', () => {
  const work = { tries: 16, expectedTries: 512, elapsedMs: 250 }
  assert.match(forecastText(work), /about 8 s of work/)
})
