import assert from 'node:assert/strict'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Area, StorePair } from '../../src/datastore/store.ts'
import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import type { Rng } from '../../src/runtime.ts'
import { SEED, folder } from '../helpers/disk-store.ts'
import { openAgain, openFilled, quotaOf } from '../helpers/resize-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

const ROUNDS = 4
const OPERATIONS = 250
const WORKERS = 6
/** What the smaller sizes have room for, so that nothing may be lost. */
const LEAST_SLOTS = 130
const MOST = { store: 60, cache: 14, inserts: 6 }
const PUBLISHERS = 5

test(`resize: under load nothing is lost that has room, whatever happens when (SEED=${SEED})`, async (t) => {
  const path = await folder(t)
  const rng = createSeededRng(SEED)
  const model = new Model(rng, true)
  let store = await openFilled(path, 300)
  for (let round = 0; round < ROUNDS; round++) {
    await model.churn(store)
    await model.check(store)
    const { used } = await shrink(store, LEAST_SLOTS + rng.below(50))
    assert.equal(store.care.stats().verifyFailures, 0, `round ${round}`)
    await store.blocks.close()
    // without its saved state the store reads the index: what is in use is what an entry names
    if (round % 2 === 0) await rm(join(path, 'state'))
    store = await openAgain(path)
    assert.deepEqual(usedOf(store), used, `round ${round}`)
    await model.check(store)
    assert.ok((await stat(join(path, 'slab'))).size % BLOCK_BYTES === 0)
  }
})

test(`resize: under load a full store never gives wrong bytes or leaks a slot (SEED=${SEED})`, async (t) => {
  const path = await folder(t)
  const rng = createSeededRng(SEED + 1)
  const model = new Model(rng, false)
  let store = await openFilled(path, 60)
  for (let round = 0; round < ROUNDS; round++) {
    await model.churn(store)
    await model.check(store)
    const { used, slots } = await shrink(store, 40 + rng.below(30))
    assert.ok(used.store <= slots.store && used.cache <= slots.cache, JSON.stringify(used))
    await store.blocks.close()
    if (round % 2 === 0) await rm(join(path, 'state'))
    store = await openAgain(path)
    assert.deepEqual(usedOf(store), used, `round ${round}`)
    await model.check(store)
  }
})

interface Used {
  readonly store: number
  readonly cache: number
  readonly outbox: number
}

/** A resize to fewer slots than there are ends with a sweep: no stale entry is left in the index. */
async function shrink(
  store: StorePair,
  slots: number,
): Promise<{ used: Used; slots: Omit<Used, 'outbox'> }> {
  if (store.care.stats().slots <= slots) await store.care.resize(quotaOf(slots + 7))
  await store.care.resize(quotaOf(slots))
  const stats = store.care.stats()
  assert.equal(stats.slots, slots)
  return { used: usedOf(store), slots: { store: stats.store.slots, cache: stats.cache.slots } }
}

function usedOf({ care }: StorePair): Used {
  const { store, cache, outbox } = care.stats()
  return { store: store.used, cache: cache.used, outbox: outbox.used }
}

class Model {
  readonly #rng: Rng
  readonly #isRoomy: boolean
  readonly #content: Record<Area, number[]> = { store: [], cache: [] }
  /** Greatest sequence that was stored, by publisher. */
  readonly #signed = new Map<number, number>()
  readonly #inserts: { insertId: number; number: number; homes: Home[] }[] = []
  #next = 0
  /** Inserts that are there or about to be. */
  #insertCount = 0

  constructor(rng: Rng, isRoomy: boolean) {
    this.#rng = rng
    this.#isRoomy = isRoomy
  }

  /** Workers act at random, while another one resizes the store and takes that back at random. */
  async churn(store: StorePair): Promise<void> {
    const churn = { done: 0, isOver: false }
    const worker = async (id: number): Promise<void> => {
      for (; !churn.isOver; churn.done++) {
        await this.#act(store, id)
        if (churn.done >= OPERATIONS) churn.isOver = true
      }
    }
    const resizer = async (): Promise<void> => {
      while (!churn.isOver) await this.#resize(store)
    }
    await Promise.all([...Array.from({ length: WORKERS }, (_, id) => worker(id)), resizer()])
  }

  async check(store: StorePair): Promise<void> {
    for (const area of ['store', 'cache'] as const) {
      for (const number of this.#content[area]) await this.#checkContent(store, number)
    }
    for (const [publisher, sequence] of this.#signed) {
      const { address, block } = signedBlock(publisher, sequence)
      const found = await store.blocks.get(address)
      if (this.#isRoomy) assert.ok(found, `edition ${sequence} of ${publisher} is lost`)
      if (found !== undefined) assert.deepEqual(found.block, block, `an older edition`)
    }
    for (const { number } of this.#inserts) {
      const { address, block } = contentBlock(number)
      assert.deepEqual(await store.outbox.get(address), block, `block ${number} of an insert`)
    }
  }

  async #checkContent(store: StorePair, number: number): Promise<void> {
    const { address, block } = contentBlock(number)
    const found = await store.blocks.get(address)
    if (this.#isRoomy) assert.ok(found, `block ${number} is lost`)
    if (found !== undefined) assert.deepEqual(found.block, block, `block ${number} is another`)
  }

  async #resize({ care }: StorePair): Promise<void> {
    const least = this.#isRoomy ? LEAST_SLOTS : 40
    const controller = new AbortController()
    const { signal } = controller
    const resizing = care.resize(quotaOf(least + this.#rng.below(2 * least)), { signal })
    if (this.#rng.below(4) === 0) {
      await sleep(this.#rng.below(20))
      controller.abort()
    }
    await resizing.catch((error: unknown) => {
      const isFull = isShoalError(error) && error.code === 'E_STORE_FULL'
      if (!signal.aborted && !isFull) throw error
    })
  }

  async #act(store: StorePair, worker: number): Promise<void> {
    const choice = this.#rng.below(10)
    if (choice < 3) await this.#putContent(store, 'store')
    else if (choice < 5) await this.#putContent(store, 'cache')
    else if (choice < 6) await this.#putSigned(store, worker)
    else if (choice < 7) await this.#insert(store)
    else if (choice < 8) await this.#spread(store)
    else await this.#read(store)
  }

  async #putContent({ blocks }: StorePair, area: Area): Promise<void> {
    const mayAdd = !this.#isRoomy || this.#content[area].length < MOST[area]
    const number = mayAdd && this.#rng.below(3) > 0 ? this.#next++ : this.#known(area)
    if (number === undefined) return
    // a block of the cache with several homes may be evicted while its slot goes
    const home = (area === 'store' ? this.#rng.below(3) : number % 3) as Home
    const link = this.#rng.below(50)
    const result = await blocks.put({ ...contentBlock(number), home, area, link })
    assert.ok(['stored', 'known'].includes(result), result)
    if (!this.#content[area].includes(number)) this.#content[area].push(number)
  }

  async #putSigned({ blocks }: StorePair, worker: number): Promise<void> {
    if (worker >= PUBLISHERS) return
    // one worker a publisher: what it has stored is what must be there
    const sequence = (this.#signed.get(worker) ?? 0) + 1
    const area = worker < 3 ? 'store' : 'cache'
    const named = signedBlock(worker, sequence)
    const home = (area === 'store' ? this.#rng.below(3) : worker % 3) as Home
    assert.equal(await blocks.put({ ...named, home, area, link: 3 }), 'stored')
    this.#signed.set(worker, sequence)
    const found = await blocks.get(named.address)
    if (this.#isRoomy) assert.deepEqual(found?.block, named.block, `edition ${sequence}`)
    else if (found !== undefined) assert.deepEqual(found.block, named.block)
  }

  async #insert({ outbox }: StorePair): Promise<void> {
    if (this.#insertCount >= MOST.inserts) return
    this.#insertCount++
    const insertId = await outbox.begin()
    const shared = this.#rng.below(2) === 0 ? this.#known('store') : this.#known('cache')
    const number = this.#rng.below(2) === 0 ? (shared ?? this.#next++) : this.#next++
    const homes: Home[] = this.#rng.below(2) === 0 ? [0, 1] : [2]
    const entry = { insertId, number, homes }
    if ((await outbox.add({ ...entry, ...contentBlock(number) })) === 'full') {
      this.#insertCount--
      return outbox.discard(insertId)
    }
    await outbox.commit(insertId)
    this.#inserts.push(entry)
  }

  async #spread({ outbox }: StorePair): Promise<void> {
    if (this.#inserts.length === 0) return
    const [entry] = this.#inserts.splice(this.#rng.below(this.#inserts.length), 1)
    if (entry === undefined) return
    const { insertId, number } = entry
    const { address } = contentBlock(number)
    const [home, ...rest] = entry.homes
    await outbox.homeDone({ insertId, address, homesLeft: entry.homes }, home as Home)
    if (rest.length > 0) this.#inserts.push({ insertId, number, homes: rest })
    else this.#insertCount--
  }

  async #read(store: StorePair): Promise<void> {
    const number = this.#known(this.#rng.below(2) === 0 ? 'store' : 'cache')
    if (number !== undefined) await this.#checkContent(store, number)
    await sleep(this.#rng.below(3))
  }

  #known(area: Area): number | undefined {
    const numbers = this.#content[area]
    return numbers[this.#rng.below(Math.max(1, numbers.length))]
  }
}
