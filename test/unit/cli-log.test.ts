/** @module */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import type { LogSettings } from '../../src/cli/log-options.ts'
import { createOperatorLog } from '../../src/cli/operator-log.ts'
import { runCli } from '../helpers/cli-io.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

function logInto(settings: LogSettings) {
  const lines: string[] = []
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  return { lines, log: createOperatorLog(settings, stderr) }
}

test('a line of the JSON log has a level, a time and a message, and nothing that names the machine', () => {
  const { lines, log } = logInto({ format: 'json', level: 'info' })
  log.info('the store is open')
  log.warn('two\nlines')
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, string>)
  assert.deepEqual(
    parsed.map(({ time, ...rest }) => [Number.isNaN(Date.parse(time ?? '')), rest]),
    [
      [false, { level: 'info', message: 'the store is open' }],
      [false, { level: 'warn', message: 'two lines' }],
    ],
  )
  assert.ok(lines.every((line) => line.endsWith('}\n')))
})

test('the level says what is logged, in both formats', () => {
  for (const format of ['text', 'json'] as const) {
    const counts = (['info', 'warn', 'silent'] as const).map((level) => {
      const { lines, log } = logInto({ format, level })
      log.info('a')
      log.warn('b')
      return lines.length
    })
    assert.deepEqual(counts, [2, 1, 0])
  }
})

test('keys, URIs, long words and addresses of other machines are in no line, whatever the message says', () => {
  const seed = seedFromEnvironment()
  const rng = createSeededRng(seed)
  const bytes = Buffer.from(Array.from({ length: 32 }, () => rng.below(256)))
  const node = createFakeNode()
  const secrets = [
    node.add('x', { name: 'film.webm' }),
    node.add('x', { bare: true }),
    node.addEdition('blog', 'a'),
    node.addFixed('blog', 'a'),
    'KSK@secret-word',
    encodeURIComponent(node.add('y')),
    bytes.toString('hex'),
    bytes.toString('base64url'),
    '203.0.113.7',
    '203.0.113.7:4000',
    '2001:db8::7',
    '[2001:db8::7]:4000',
    'fe80::1:2:3:4',
  ]
  for (const format of ['text', 'json'] as const) {
    const { lines, log } = logInto({ format, level: 'info' })
    for (const secret of secrets) {
      for (const message of [secret, `peer ${secret} left`, `"${secret}"`, `x=${secret}, y`]) {
        log.warn(message)
        const line = lines.at(-1) ?? ''
        assert.ok(!line.includes(secret), `seed ${seed}: ${line}`)
        assert.match(line, /\[(?:key|address)\]/)
      }
    }
  }
})

test('what an operator must read stays as it is', () => {
  const { lines, log } = logInto({ format: 'text', level: 'info' })
  const messages = [
    '--host 0.0.0.0: whoever reaches this address can use the gateway',
    'gateway on 127.0.0.1:8888 and [::1]:8888 at 12:30:45',
    'E_STORE_FULL at Object.write (file:///opt/shoal/dist/gateway/server.js:12:34)',
    'version 0.1.0 of 2026-01-31T12:00:00.000Z',
  ]
  for (const message of messages) log.info(message)
  assert.deepEqual(
    lines,
    messages.map((message) => `${message}\n`),
  )
})

test('a format or level that there is not is a usage error', async () => {
  for (const words of [
    ['--log-format', 'xml'],
    ['--log-level', 'debug'],
  ]) {
    const { exit, stderr } = await runCli(['start', ...words])
    assert.equal(exit, 2)
    assert.match(stderr, /^shoal start: --log-(?:format|level): one of /)
  }
})
