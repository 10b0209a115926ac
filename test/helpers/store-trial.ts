/**
 * A disk store under a random mixed load, beside a model of what it may answer. Work on one address is
 * done in order, so that the model is exact; work on different ones goes on at the same time.
 * @module
 */
import assert from 'node:assert/strict'

import { KeyedLock } from '../../src/datastore/keyed-lock.ts'
import type { OutboxEntry, StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES, sequenceOf } from '../../src/keys/block.ts'
import type { Block, Home } from '../../src/keys/block.ts'
import { equals, mapKey } from '../../src/keys/bytes.ts'
import type { Rng } from '../../src/runtime.ts'
import { contentBlock, signedBlock } from './signed-block.ts'
import type { NamedBlock } from './signed-block.ts'

const PUBLISHERS = 6
const BODIES = 2
const MAX_OPEN_ENTRIES = 12

/** What the store is known to hold of an address, as far as nothing was evicted since. */
interface Known {
  readonly block: Block
  readonly evictions: number
}

export class StoreTrial {
  store: StorePair
  readonly #rng: Rng
  readonly #contents: number
  readonly #lock = new KeyedLock()
  readonly #known = new Map<string, Known>()
  /** Blocks that committed inserts wait for, by insert and address. */
  readonly #pending = new Map<string, { entry: OutboxEntry; block: Block }>()
  /** All that ever were, since a copy that was done may be forgotten by a crash. */
  readonly #blocks = new Map<string, Block>()
  #sequence = 0
  #isAlone = false

  /** `contents`: how many content blocks there are to choose from. */
  constructor(store: StorePair, rng: Rng, contents: number) {
    this.store = store
    this.#rng = rng
    this.#contents = contents
  }

  /** `count` random things to do, `width` of them at a time. */
  async run(count: number, width: number): Promise<void> {
    this.#isAlone = width === 1
    let left = count
    const work = async (): Promise<void> => {
      while (left-- > 0) await this.#step()
    }
    await Promise.all(Array.from({ length: width }, work))
  }

  /** Of all blocks there are, those that are found; every one is looked at. */
  async found(): Promise<Map<string, { area: string; sequence: number | undefined }>> {
    const found = new Map<string, { area: string; sequence: number | undefined }>()
    for (const { address } of this.#all()) {
      const got = await this.store.blocks.get(address)
      const has = await this.store.blocks.has(address)
      assert.equal(got?.area, has?.area)
      if (got === undefined || has === undefined) continue
      this.#checkBlock({ address, block: got.block })
      found.set(mapKey(address), { area: has.area, sequence: has.sequence })
    }
    return found
  }

  /** What must hold whenever nothing is under way. */
  async checkAtRest(): Promise<void> {
    const found = await this.found()
    const { blocks } = this.store.blocks.status()
    assert.equal(found.size, blocks, 'each slot in use is found under an address')
    await this.checkOutbox()
    const { cache, store, outbox, slots } = this.store.care.stats()
    assert.ok(store.used <= store.slots, `store ${store.used} of ${store.slots}`)
    assert.ok(cache.used + outbox.used <= cache.slots, `cache ${cache.used} and ${outbox.used}`)
    assert.ok(this.store.blocks.status().usedBytes <= slots * BLOCK_BYTES)
  }

  /** Nothing of a committed insert may be lost, whatever happened. */
  async checkOutbox(): Promise<void> {
    const { outbox } = this.store
    for (const { entry, block } of this.#pending.values()) {
      const got = await outbox.get(entry.address)
      assert.ok(got !== undefined, 'a block of a committed insert')
      const isSigned = contentOf(entry.address) === undefined && sequenceOf(block) > 0
      if (!isSigned) assert.ok(equals(got, block))
    }
    const left = [...this.#pending.values()].map(({ entry }) => stateOf(entry))
    assert.deepEqual([...outbox.entries()].map(stateOf).sort(), left.sort())
  }

  /**
   * Goes on with the store as it was opened again. `killed`: what was evicted may be back, what was put
   * last may be gone; else it begins to count its evictions anew.
   */
  goOn(store: StorePair, how: 'stopped' | 'killed'): void {
    for (const [name, { block, evictions }] of this.#known) {
      if (how === 'killed' || evictions !== this.#evictions()) this.#known.delete(name)
      else this.#known.set(name, { block, evictions: 0 })
    }
    this.store = store
    if (how === 'killed') this.#adopt()
  }

  #adopt(): void {
    const entries = [...this.store.outbox.entries()]
    for (const [name, { entry }] of this.#pending) {
      const now = entries.find((each) => nameOf(each) === name)
      assert.ok(now !== undefined, 'a block of a committed insert')
      for (const home of entry.homesLeft) assert.ok(now.homesLeft.includes(home))
    }
    for (const entry of entries) {
      const block = this.#blocks.get(nameOf(entry))
      assert.ok(block !== undefined, 'no block of an insert that was not committed')
      this.#pending.set(nameOf(entry), { entry, block })
    }
  }

  async #step(): Promise<void> {
    const what = this.#rng.below(100)
    if (what < 45) await this.#put(this.#random())
    else if (what < 80) await this.#get(this.#random())
    else if (what < 85) await this.#getUnordered(this.#random())
    else if (what < 92) await this.#insert()
    else if (what < 98) await this.#homeDone()
    else await this.#walk()
  }

  async #put(named: NamedBlock): Promise<void> {
    const { address, block } = named
    const area = this.#rng.below(2) === 0 ? 'store' : 'cache'
    const home = this.#rng.below(3) as Home
    await this.#lock.run(mapKey(address), async () => {
      const { blocks } = this.store
      const evictionsBefore = this.#evictions()
      const result = await blocks.put({ ...named, area, home, link: this.#rng.below(4) })
      if (area === 'cache' && this.store.care.stats().cache.slots === 0) return
      assert.notEqual(result, 'refused')
      const known = this.#current(address)
      if (result === 'older') {
        if (known !== undefined) assert.ok(sequenceOf(known.block) >= sequenceOf(block))
        return
      }
      if (known !== undefined && contentOf(address) === undefined) {
        assert.ok(sequenceOf(known.block) <= sequenceOf(block), 'a newer one was here')
      }
      // beside others it may be evicted as soon as it is there
      const evictions = this.#isAlone ? this.#evictions() : evictionsBefore
      this.#known.set(mapKey(address), { block, evictions })
    })
  }

  async #get({ address }: NamedBlock): Promise<void> {
    await this.#lock.run(mapKey(address), async () => {
      const got = await this.store.blocks.get(address, { link: this.#rng.below(4) })
      const known = this.#known.get(mapKey(address))
      if (got === undefined) {
        assert.ok(this.#current(address) === undefined, 'a block that was put and not evicted')
        this.#known.delete(mapKey(address))
        return
      }
      this.#checkBlock({ address, block: got.block })
      if (known !== undefined) assert.ok(equals(got.block, known.block), 'what was put last')
    })
  }

  /** Beside puts of the same address: any edition that was ever made is right. */
  async #getUnordered({ address }: NamedBlock): Promise<void> {
    const got = await this.store.blocks.get(address)
    if (got !== undefined) this.#checkBlock({ address, block: got.block })
  }

  async #insert(): Promise<void> {
    const { outbox } = this.store
    if (outbox.pendingBlocks > MAX_OPEN_ENTRIES) return
    const insertId = await outbox.begin()
    const added: { entry: OutboxEntry; block: Block }[] = []
    for (let i = this.#rng.below(3); i >= 0; i--) {
      const { address, block } = this.#random()
      const homesLeft: readonly Home[] = [0, 2]
      const entry = { insertId, address, homesLeft }
      if (added.some((other) => equals(other.entry.address, address))) continue
      const result = await outbox.add({ insertId, address, block, homes: homesLeft })
      if (result === 'added') added.push({ entry, block })
    }
    if (this.#rng.below(4) === 0) return outbox.discard(insertId)
    await outbox.commit(insertId)
    for (const each of added) {
      this.#pending.set(nameOf(each.entry), each)
      this.#blocks.set(nameOf(each.entry), each.block)
    }
  }

  async #homeDone(): Promise<void> {
    const all = [...this.#pending.keys()]
    const name = all[this.#rng.below(Math.max(1, all.length))]
    const found = name === undefined ? undefined : this.#pending.get(name)
    if (name === undefined || found === undefined) return
    const [home, ...homesLeft] = found.entry.homesLeft
    if (home === undefined) return
    if (homesLeft.length === 0) this.#pending.delete(name)
    else this.#pending.set(name, { ...found, entry: { ...found.entry, homesLeft } })
    await this.store.outbox.homeDone(found.entry, home)
  }

  async #walk(): Promise<void> {
    const seen = new Set<string>()
    for await (const { address, home } of this.store.blocks.walk({ from: 0, to: 2 ** 48 - 1 })) {
      const name = `${home}${mapKey(address)}`
      assert.equal(seen.has(name), false, 'once each')
      seen.add(name)
    }
  }

  /** What must be here: put, and nothing was evicted since. */
  #current(address: Uint8Array): Known | undefined {
    const known = this.#known.get(mapKey(address))
    return known?.evictions === this.#evictions() ? known : undefined
  }

  #evictions(): number {
    const { store, cache } = this.store.care.stats()
    const counts = [...Object.values(store.evictions), ...Object.values(cache.evictions)]
    return counts.reduce((sum, count) => sum + count, 0)
  }

  #checkBlock({ address, block }: NamedBlock): void {
    const number = contentOf(address)
    if (number !== undefined) assert.ok(equals(block, contentBlock(number).block), 'its own bytes')
    else assert.ok(EDITIONS.get(mapKey(address))?.some((made) => equals(made, block)))
  }

  #random(): NamedBlock {
    if (this.#rng.below(4) > 0) return remember(this.#rng.below(this.#contents))
    const publisher = this.#rng.below(PUBLISHERS)
    const back = this.#rng.below(4)
    const sequence = Math.max(1, ++this.#sequence - back)
    return edition(publisher, sequence, this.#rng.below(BODIES))
  }

  *#all(): Generator<NamedBlock> {
    for (let number = 0; number < this.#contents; number++) yield remember(number)
    for (let publisher = 0; publisher < PUBLISHERS; publisher++) yield edition(publisher, 1, 0)
  }
}

const NUMBERS = new Map<string, number>()
const EDITIONS = new Map<string, Block[]>()

function remember(number: number): NamedBlock {
  const named = contentBlock(number)
  NUMBERS.set(mapKey(named.address), number)
  return named
}

function edition(publisher: number, sequence: number, body: number): NamedBlock {
  const named = signedBlock(publisher, sequence, body)
  const key = mapKey(named.address)
  EDITIONS.set(key, [...(EDITIONS.get(key) ?? []), named.block])
  return named
}

function contentOf(address: Uint8Array): number | undefined {
  return NUMBERS.get(mapKey(address))
}

function nameOf({ insertId, address }: OutboxEntry): string {
  return `${insertId} ${mapKey(address)}`
}

function stateOf(entry: OutboxEntry): string {
  return `${nameOf(entry)} ${entry.homesLeft.join()}`
}
