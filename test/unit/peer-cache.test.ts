import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodePeers, encodePeers } from '../../src/routing/net/peer-cache.ts'
import { peerFile } from '../../src/peer-file.ts'
import type { PeerRecord } from '../../src/routing/exchange.ts'

const record = fc.record(
  {
    publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    proof: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  },
  { noNullPrototype: true },
)

const peerOf = (number: number): PeerRecord => ({
  publicKey: new Uint8Array(32).fill(number),
  proof: Uint8Array.of(0),
})

test('what is written is read again, up to 256 peers', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 256 }), (peers) => {
      assert.deepEqual(decodePeers(encodePeers(peers)), peers)
    }),
  )
  const many = Array.from({ length: 300 }, (_, number) => ({
    publicKey: new Uint8Array(32).fill(number % 256),
    proof: new Uint8Array(16),
  }))
  assert.deepEqual(decodePeers(encodePeers(many)), many.slice(0, 256))
})

test('bytes of any other kind are no peers, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(decodePeers(bytes), undefined)
    }),
  )
  const key = 'A'.repeat(43)
  for (const text of [
    '',
    'null',
    '[]',
    '{"version":2,"peers":[]}',
    '{"version":1}',
    '{"version":1,"peers":[null]}',
    `{"version":1,"peers":[{"key":"AAAA","proof":"AA"}]}`,
    `{"version":1,"peers":[{"key":"${key}","proof":""}]}`,
    `{"version":1,"peers":[{"key":"${key}","proof":"${'A'.repeat(24)}"}]}`,
    `{"version":1,"peers":[{"key":"${key}"}]}`,
    `{"version":1,"peers":[${'{},'.repeat(300)}{}]}`,
    ' '.repeat(65_537),
  ]) {
    assert.equal(decodePeers(Buffer.from(text)), undefined, text.slice(0, 60))
  }
})

test('the file is its owner’s alone; a missing one is no peers, a damaged one a warning', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-peers-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const warnings: string[] = []
  const logger = { info: () => {}, warn: (message: string) => void warnings.push(message) }
  const file = peerFile(folder, logger)
  assert.deepEqual(await file.load(), [])
  await file.save([peerOf(1), peerOf(2)])
  assert.deepEqual(await file.load(), [peerOf(1), peerOf(2)])
  const path = join(folder, 'peers')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(warnings, [])
  await writeFile(path, (await readFile(path)).subarray(0, 40))
  assert.deepEqual(await file.load(), [])
  assert.equal(warnings.length, 1)
  await file.save([peerOf(3)])
  assert.deepEqual(await file.load(), [peerOf(3)])
  await rm(path)
  await mkdir(path)
  assert.deepEqual(await file.load(), [])
  await file.save([peerOf(4)])
  assert.deepEqual(warnings, [
    'the file peers is damaged: looking for peers anew',
    'peers is not a file that can be read: looking for peers anew',
    'the file peers could not be written',
  ])
})
