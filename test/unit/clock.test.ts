import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { createSimulatedClock } from '../helpers/clock.ts'
import { createSeededRng } from '../helpers/rng.ts'

describe('simulated clock', () => {
  it('runs events in order of time, and of asking where times are equal', async () => {
    const clock = createSimulatedClock()
    const ran: string[] = []
    for (const [name, ms] of [
      ['d', 30],
      ['a', 10],
      ['e', 30],
      ['b', 20],
      ['c', 20],
    ] as const) {
      clock.after(ms, () => ran.push(`${name}${clock.now()}`))
    }
    await clock.runUntil(20)
    assert.deepEqual(ran, ['a10', 'b20', 'c20'])
    await clock.runFor(100)
    assert.deepEqual(ran, ['a10', 'b20', 'c20', 'd30', 'e30'])
    assert.equal(clock.now(), 120)
  })

  it('keeps the order of a thousand events, some of them taken back', async () => {
    const clock = createSimulatedClock()
    const rng = createSeededRng(7)
    const ran: number[] = []
    const expected: number[] = []
    for (let i = 0; i < 1000; i++) {
      const ms = rng.below(50)
      const cancel = clock.after(ms, () => ran.push(ms))
      if (rng.below(3) === 0) cancel()
      else expected.push(ms)
    }
    await clock.runFor(50)
    assert.deepEqual(
      ran,
      expected.sort((a, b) => a - b),
    )
  })

  it('forgets an event that was taken back, also when that comes late', async () => {
    const clock = createSimulatedClock()
    let runs = 0
    const cancel = clock.after(10, () => runs++)
    clock.after(20, () => runs++)()
    await clock.runFor(100)
    cancel()
    assert.equal(runs, 1)
  })

  it('lets promises get on between two events', async () => {
    const clock = createSimulatedClock()
    const times: number[] = []
    const sleep = (ms: number): Promise<void> => new Promise((done) => clock.after(ms, done))
    const walk = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await sleep(10)
        times.push(clock.now())
      }
    }
    clock.after(1000, () => {})
    await clock.runUntilSettled(walk())
    assert.deepEqual(times, [10, 20, 30])
  })

  it('runUntilSettled passes on a rejection, waits for real work, and gives up at its limit', async () => {
    const clock = createSimulatedClock()
    await assert.rejects(clock.runUntilSettled(Promise.reject(new Error('mine'))), /mine/)
    const real = new Promise<string>((resolve) => setTimeout(resolve, 5, 'done'))
    assert.equal(await clock.runUntilSettled(real, 1000), 'done')
    const never = new Promise<void>(() => {})
    clock.after(1500, () => {})
    await assert.rejects(clock.runUntilSettled(never, 1000), /not settled/)
  })
})

describe('seeded rng', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number): number[] => {
      const rng = createSeededRng(seed)
      return Array.from({ length: 8 }, () => rng.below(2 ** 48))
    }
    assert.deepEqual(draw(1), draw(1))
    assert.notDeepEqual(draw(1), draw(2))
  })

  it('spreads evenly over small and large bounds', () => {
    const rng = createSeededRng(3)
    const counts = Array.from({ length: 10 }, () => 0)
    for (let i = 0; i < 10_000; i++) {
      const digit = rng.below(10)
      counts[digit] = (counts[digit] as number) + 1
    }
    for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts))
    let high = 0
    for (let i = 0; i < 1000; i++) if (rng.below(2 ** 48) >= 2 ** 47) high++
    assert.ok(high > 430 && high < 570, String(high))
    assert.equal(rng.below(1), 0)
  })

  it('refuses a bound it cannot keep', () => {
    const rng = createSeededRng(0)
    for (const bound of [0, -1, 1.5, 2 ** 48 + 1, NaN]) {
      assert.throws(() => rng.below(bound), RangeError)
    }
  })
})
