import assert from 'node:assert/strict'
import { test } from 'node:test'

import { KeyedLock } from '../../src/datastore/keyed-lock.ts'
import { isShoalError } from '../../src/errors.ts'

test('keyed lock: tasks of one name run one by one in order, an error passes by the next', async () => {
  const lock = new KeyedLock()
  const order: number[] = []
  const task = (number: number) => async (): Promise<number> => {
    await Promise.resolve()
    order.push(number)
    if (number === 1) throw new Error('one')
    return number
  }
  const runs = [0, 1, 2].map((number) => lock.run('name', task(number)))
  await assert.rejects(runs[1] as Promise<number>, /one/)
  assert.deepEqual(await Promise.all([runs[0], runs[2]]), [0, 2])
  assert.deepEqual(order, [0, 1, 2])
})

test('keyed lock: more than 4,096 waiting tasks are E_BUSY', async () => {
  const lock = new KeyedLock()
  let open: (() => void) | undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const runs = Array.from({ length: 4096 }, () => lock.run('name', () => gate))
  await assert.rejects(
    lock.run('other', () => gate),
    (error) => isShoalError(error) && error.code === 'E_BUSY',
  )
  open?.()
  await Promise.all(runs)
  await lock.run('other', () => gate)
})
