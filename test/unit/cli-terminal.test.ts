/** Questions at a terminal. @module */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import { Interruption } from '../../src/cli/failures.ts'
import { askLine, askSecret, canAsk } from '../../src/cli/terminal-input.ts'
import { FakeTerminal } from '../helpers/fake-terminal.ts'

function terminal() {
  const stdin = new FakeTerminal()
  let written = ''
  const stderr = Object.assign(
    new Writable({
      write: (part: Buffer, _encoding, done) => {
        written += part.toString()
        done()
      },
    }),
    { isTTY: true },
  )
  const controller = new AbortController()
  return { stdin, stderr, signal: controller.signal, controller, written: () => written }
}

const TYPED: readonly (readonly [what: string, keys: string, taken: string])[] = [
  ['a line', 'open sesame\r', 'open sesame'],
  ['another end of line', 'open\n', 'open'],
  ['letters of all kinds', 'пароль 密码 🐟\r', 'пароль 密码 🐟'],
  ['one key too many', 'opeb\u007fn\r', 'open'],
  ['a fish too many', 'a🐟\b🐠\r', 'a🐠'],
  ['a new start', 'wrong\u0015right\r', 'right'],
  ['arrows and other keys', 'o\u001b[Dp\u001bOAen\u001b[3~\t\r', 'open'],
  ['nothing', '\r', ''],
]

for (const [what, keys, taken] of TYPED) {
  test(`${what} is taken as typed, and not shown`, async () => {
    const io = terminal()
    const answer = askSecret('Passphrase: ', io)
    assert.equal(io.stdin.isRaw, true)
    io.stdin.type(keys)
    assert.equal(await answer, taken)
    assert.deepEqual(
      [io.stdin.isRaw, io.stdin.isPaused(), io.written()],
      [false, true, 'Passphrase: \n'],
    )
    assert.equal(io.stdin.shown, '')
  })
}

test('keys that come one byte at a time make the same line', async () => {
  const io = terminal()
  const answer = askSecret('', io)
  for (const byte of Buffer.from('é🐟\r')) io.stdin.type(Uint8Array.of(byte))
  assert.equal(await answer, 'é🐟')
})

test('what was typed ahead answers the next question', async () => {
  const io = terminal()
  io.stdin.type('first\rsecond\rthi')
  assert.equal(await askSecret('', io), 'first')
  assert.equal(await askSecret('', io), 'second')
  const third = askSecret('', io)
  io.stdin.type('rd\r')
  assert.equal(await third, 'third')
})

test('Ctrl-C, the end of the input and the end of the command leave the terminal as it was', async () => {
  const endings: readonly (readonly [
    end: (io: ReturnType<typeof terminal>) => void,
    how: RegExp,
  ])[] = [
    [({ stdin }) => stdin.type('half\u0003'), /interrupted/],
    [({ stdin }) => stdin.type('\u0004'), /the input ended/],
    [({ stdin }) => stdin.push(null), /the input ended/],
    [({ controller }) => controller.abort(new Interruption()), /interrupted/],
    [({ stdin }) => stdin.type('x'.repeat(5000)), /too long/],
  ]
  for (const [end, how] of endings) {
    const io = terminal()
    const answer = askSecret('Passphrase: ', io)
    end(io)
    await assert.rejects(answer, how)
    assert.deepEqual([io.stdin.isRaw, io.stdin.isPaused()], [false, true])
    assert.equal(io.stdin.listenerCount('data'), 0)
  }
  const aborted = terminal()
  aborted.controller.abort(new Interruption())
  await assert.rejects(askSecret('', aborted), Interruption)
  assert.equal(aborted.stdin.isRaw, false)
})

test('a line that is no secret is shown as it is typed', async () => {
  const io = terminal()
  const answer = askLine('Really? ', io)
  io.stdin.type('yes\n')
  assert.equal(await answer, 'yes')
  assert.equal(io.stdin.shown, 'yes\n')
})

test('a person is asked only where both ends are a terminal', () => {
  const io = terminal()
  assert.equal(canAsk(io), true)
  assert.equal(canAsk({ ...io, stderr: new Writable() }), false)
  assert.equal(canAsk({ ...io, stdin: new Writable() as never }), false)
})
