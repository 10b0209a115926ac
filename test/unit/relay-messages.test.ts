import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { concat } from '../../src/keys/bytes.ts'
import {
  MAX_PAYLOAD_BYTES,
  WINDOW_BYTES,
  decodeCircuitMessage,
  encodeCircuitHeader,
} from '../../src/routing/relay-messages.ts'
import type { CircuitMessage } from '../../src/routing/relay-messages.ts'
import { bytesOf } from '../helpers/circuits.ts'

const publicKey = Uint8Array.from({ length: 32 }, (_, index) => index)
const EXAMPLES: Readonly<Record<string, CircuitMessage>> = {
  'relay-open': { type: 'open', circuit: 1, publicKey },
  'relay-invite': { type: 'invite', circuit: 2, publicKey },
  'relay-accept': { type: 'accept', circuit: 2 },
  'relay-close': { type: 'close', circuit: 0xffff_ffff },
  'relay-bytes': { type: 'bytes', circuit: 1, payload: Uint8Array.of(0xca, 0xfe) },
  'relay-ack': { type: 'ack', circuit: 1, bytes: 131_072 },
}

test('the examples of the spec are what is encoded, and decode to the same', () => {
  const spec = readFileSync(new URL('../../../docs/spec.md', import.meta.url), 'utf8')
  for (const [name, message] of Object.entries(EXAMPLES)) {
    const found = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(spec)
    const hex = found?.[1]?.replaceAll(/\s/g, '')
    assert.equal(Buffer.from(bytesOf(message)).toString('hex'), hex, name)
    assert.deepEqual(decodeCircuitMessage(bytesOf(message)), message)
  }
})

test('a type of another version is skipped, and what is malformed says so', () => {
  assert.equal(decodeCircuitMessage(new Uint8Array(5).fill(7)), undefined)
  assert.equal(decodeCircuitMessage(new Uint8Array(60_000)), undefined)
  const open = bytesOf({ type: 'open', circuit: 1, publicKey })
  const ack = (bytes: number): Uint8Array => encodeCircuitHeader({ type: 'ack', circuit: 1, bytes })
  for (const bytes of [
    new Uint8Array(0),
    Uint8Array.of(1, 0, 0, 0),
    open.subarray(0, 36),
    concat(open, Uint8Array.of(0)),
    concat(bytesOf({ type: 'accept', circuit: 1 }), Uint8Array.of(0)),
    bytesOf({ type: 'bytes', circuit: 1, payload: new Uint8Array(0) }),
    bytesOf({ type: 'bytes', circuit: 1, payload: new Uint8Array(MAX_PAYLOAD_BYTES + 1) }),
    ack(0),
    ack(WINDOW_BYTES + 1),
    ack(1).subarray(0, 8),
  ]) {
    assert.throws(() => decodeCircuitMessage(bytes), { code: 'E_MESSAGE_CODEC' })
  }
  const most = bytesOf({ type: 'bytes', circuit: 1, payload: new Uint8Array(MAX_PAYLOAD_BYTES) })
  assert.equal(decodeCircuitMessage(most)?.type, 'bytes')
  assert.ok(decodeCircuitMessage(ack(WINDOW_BYTES)))
})
