/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Turns } from '../../src/uploads/turns.ts'

/** Work that ends when a test says so. */
function work(log: string[], name: string) {
  let end = (_error?: Error): void => {}
  const ended = new Promise<string>((resolve, reject) => {
    end = (error) => {
      if (error === undefined) resolve(name)
      else reject(error)
    }
  })
  const run = (): Promise<string> => {
    log.push(name)
    return ended
  }
  return { run, end }
}

test('work is done one after the other, in the order in which it came, whether it fails or not', async () => {
  const log: string[] = []
  const turns = new Turns()
  const works = ['a', 'b', 'c'].map((name) => work(log, name))
  const [a, b, c] = works.map(({ run }) => turns.run(run))
  assert.deepEqual(log, ['a'])
  works[0]?.end(new Error('broken'))
  await assert.rejects(a ?? assert.fail(), /broken/)
  assert.deepEqual(log, ['a', 'b'])
  const late = turns.run(work(log, 'late').run)
  works[1]?.end()
  assert.equal(await b, 'b')
  works[2]?.end()
  assert.equal(await c, 'c')
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(log, ['a', 'b', 'c', 'late'])
  late.catch(() => {})
})

test('who waits and leaves is not waited for, and nothing of it is done', async () => {
  const log: string[] = []
  const turns = new Turns()
  const first = work(log, 'first')
  const running = turns.run(first.run)
  const leave = new AbortController()
  const waiting = turns.run(work(log, 'waiting').run, leave.signal)
  leave.abort(new Error('gone'))
  await assert.rejects(waiting, /gone/)
  await assert.rejects(turns.run(work(log, 'too late').run, leave.signal), /gone/)
  first.end()
  assert.equal(await running, 'first')
  assert.equal(await turns.run(() => Promise.resolve('next')), 'next')
  assert.deepEqual(log, ['first'])
})
