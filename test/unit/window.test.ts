/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Window, WindowShares } from '../../src/content/window.ts'

/** In runs of three. */
async function* numbers(count: number): AsyncGenerator<number[], void> {
  for (let first = 0; first < count; first += 3) {
    yield Array.from({ length: Math.min(3, count - first) }, (_, index) => first + index)
  }
}

test('results come in order, whatever order they are done in', async () => {
  const fetch = async (number: number): Promise<number> => {
    for (let turns = (number * 7) % 5; turns > 0; turns--) await turn()
    return number
  }
  const window = new Window(numbers(100), new WindowShares(), fetch)
  for (let number = 0; number < 100; number++) assert.equal(await window.next(), number)
  assert.equal(await window.next(), undefined)
})

test('a reader that does not read on has no more in hand than its window, which trouble halves', async () => {
  let started = 0
  let trouble = false
  const window = new Window(numbers(10_000), new WindowShares(), (number, onTrouble) => {
    started++
    if (trouble) onTrouble()
    return Promise.resolve(number)
  })
  let read = 0
  for (; read < 1000; read++) await window.next()
  for (let turns = 0; turns < 50; turns++) await turn()
  assert.ok(started - read <= 128, `${started - read} ahead`)
  trouble = true
  for (; read < 2000; read++) await window.next()
  for (let turns = 0; turns < 50; turns++) await turn()
  assert.ok(started - read <= 4, `${started - read} ahead in trouble`)
})

test('many readers share what one alone may have', () => {
  const shares = new WindowShares()
  assert.equal(shares.most, 128)
  for (let reader = 0; reader < 100; reader++) shares.enter()
  assert.equal(shares.most, 10)
  for (let reader = 0; reader < 5000; reader++) shares.enter()
  assert.equal(shares.most, 2)
})

test('a fetch that fails rejects in its turn', async () => {
  const window = new Window(numbers(3), new WindowShares(), (number) =>
    number === 1 ? Promise.reject(new Error('one')) : Promise.resolve(number),
  )
  assert.equal(await window.next(), 0)
  await assert.rejects(window.next(), { message: 'one' })
})

test('what is there is taken together, in order, and never beyond what is not there', async () => {
  const done = new Map<number, () => void>()
  const window = new Window(numbers(6), new WindowShares(), async (number) => {
    await new Promise<void>((resolve) => done.set(number, resolve))
    return number
  })
  const first = window.take(4)
  for (let turns = 0; turns < 10; turns++) await turn()
  for (const number of [2, 1, 0, 4]) done.get(number)?.()
  assert.deepEqual(await first, [0, 1, 2])
  const second = window.take(1)
  for (let turns = 0; turns < 10; turns++) await turn()
  done.get(3)?.()
  assert.deepEqual(await second, [3])
  assert.deepEqual(await window.take(4), [4])
  done.get(5)?.()
  assert.deepEqual(await window.take(4), [5])
  assert.deepEqual(await window.take(4), [])
})

test('results before one that failed are taken before it is told', async () => {
  const window = new Window(numbers(4), new WindowShares(), (number) =>
    number === 2 ? Promise.reject(new Error('two')) : Promise.resolve(number),
  )
  await window.take(1)
  for (let turns = 0; turns < 10; turns++) await turn()
  assert.deepEqual(await window.take(4), [1])
  await assert.rejects(window.take(4), { message: 'two' })
})
