/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlockResult } from '../../src/content/blocks.ts'
import { SpreadRecord } from '../../src/content/spread-record.ts'
import type { Address } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const { signal } = new AbortController()

function blocks(count: number): Address[] {
  return Array.from({ length: count }, (_, i) => {
    const address = new Uint8Array(32)
    new DataView(address.buffer).setUint32(0, i + 1)
    return address as Address
  })
}

/** The record of a publication of `before`, in another one of the same document. */
async function nextOf(
  before: readonly Address[],
  {
    answer = 'found',
    later,
    network = 'a',
    pending = [],
  }: {
    answer?: BlockResult['type']
    /** To all but the first question. */
    later?: BlockResult['type']
    network?: string
    pending?: readonly Address[]
  } = {},
) {
  const asked: { address: Address; signal: AbortSignal }[] = []
  const forgotten: number[] = []
  const common = {
    today: 20_000,
    clock: createSimulatedClock(),
    rng: createSeededRng(seed),
    isPending: (address: Address) => Promise.resolve(pending.includes(address)),
    askOthers: (address: Address, given: AbortSignal) => {
      asked.push({ address, signal: given })
      return Promise.resolve(asked.length > 1 ? (later ?? answer) : answer)
    },
    forget: () => {
      forgotten.push(1)
      return Promise.resolve()
    },
  }
  const first = new SpreadRecord({ ...common, network: 'a', saved: undefined })
  for (const address of before) assert.equal(await first.isSpread(address, signal), false)
  const record = new SpreadRecord({ ...common, network, saved: first.toSave() })
  return { record, asked, forgotten, clock: common.clock }
}

async function countSpread(record: SpreadRecord, all: readonly Address[]): Promise<number> {
  let count = 0
  for (const address of all) if (await record.isSpread(address, signal)) count++
  return count
}

test('no block is asked of others twice', async () => {
  const all = blocks(2)
  const { record, asked } = await nextOf(all)
  const [first, second] = all as [Address, Address]
  assert.equal(await countSpread(record, [first, first, second, first, second]), 5)
  assert.deepEqual(
    asked.map(({ address }) => mapKey(address)),
    all.map(mapKey),
  )
  assert.ok(asked.every((one) => one.signal === signal))
})

test('of a small site everything is asked for', async () => {
  const all = blocks(120)
  const { record, asked } = await nextOf(all)
  assert.equal(await countSpread(record, all), 120)
  assert.equal(asked.length, 120)
})

test('of a large site 128 at most are asked for, and some of its end too', async () => {
  const all = blocks(20_000)
  const { record, asked } = await nextOf(all)
  assert.equal(await countSpread(record, all), 20_000)
  assert.ok(asked.length > 60 && asked.length <= 128, `${at}: ${asked.length}`)
  const late = new Set(all.slice(15_000))
  assert.ok(
    asked.some(({ address }) => late.has(address)),
    at,
  )
})

test('new blocks and those on their way are not asked for', async () => {
  const all = blocks(4)
  const { record, asked } = await nextOf(all.slice(0, 2), { pending: all.slice(0, 2) })
  assert.equal(await countSpread(record, all), 0)
  assert.equal(asked.length, 0)
})

test('a block that nobody has any more ends it, and all is forgotten', async () => {
  const all = blocks(3)
  const { record, forgotten, clock } = await nextOf(all, { answer: 'not-found' })
  const asking = clock.runUntilSettled(record.isSpread(all[0] as Address, signal))
  await assert.rejects(asking, { code: 'E_FADED' })
  assert.equal(forgotten.length, 1)
})

test('a block that is not found at first counts if it is found a moment later', async () => {
  const all = blocks(1)
  const { record, asked, forgotten, clock } = await nextOf(all, {
    answer: 'not-found',
    later: 'found',
  })
  const asking = clock.runUntilSettled(record.isSpread(all[0] as Address, signal))
  assert.equal(await asking, true)
  assert.deepEqual([asked.length, forgotten.length], [2, 0])
})

test('without an answer the block asked for is inserted, without peers it is not', async () => {
  const all = blocks(3)
  const silent = await nextOf(all, { answer: 'timed-out' })
  assert.equal(await countSpread(silent.record, all), all.length - silent.asked.length)
  assert.ok(silent.asked.length >= 2)
  const alone = await nextOf(all, { answer: 'no-peers' })
  assert.equal(await countSpread(alone.record, all), 3)
})

test('what was spread in one network is not spread in another', async () => {
  const all = blocks(3)
  const { record, asked } = await nextOf(all, { network: 'b' })
  assert.equal(await countSpread(record, all), 0)
  assert.equal(asked.length, 0)
  const [day, network] = [...record.toSave()]
  assert.match(day ?? '', /^day:[0-9a-f]{4}$/)
  assert.match(network ?? '', /^net:[0-9a-f]{4}$/)
})
