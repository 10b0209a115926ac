import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LossLog } from '../../src/datastore/loss-log.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'

test('loss log: the first is told at once, the others a minute later, and then nothing', async () => {
  const clock = createSimulatedClock()
  const lines: string[] = []
  const losses = new LossLog({
    clock,
    logger: { ...silentLogger, warn: (line: string) => lines.push(line) },
  })
  for (let i = 0; i < 181; i++) losses.add()
  assert.deepEqual(lines, ['store: 1 block of inserts cannot be read any more'])
  await clock.runFor(59_000)
  assert.equal(lines.length, 1)
  await clock.runFor(2_000)
  assert.deepEqual(lines.slice(1), ['store: 180 more blocks of inserts cannot be read any more'])
  await clock.runFor(300_000)
  assert.equal(lines.length, 2)
})

test('loss log: who ends it is told of the rest, and no timer is left', async () => {
  let timers = 0
  const lines: string[] = []
  const clock = {
    now: () => 0,
    after: () => {
      timers++
      return () => timers--
    },
  }
  const losses = new LossLog({
    clock,
    logger: { ...silentLogger, warn: (line: string) => lines.push(line) },
  })
  for (let i = 0; i < 3; i++) losses.add()
  assert.equal(timers, 1)
  losses.tell()
  assert.deepEqual([timers, lines.length], [0, 2])
})
