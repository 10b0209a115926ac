/**
 * A mixed load on a store: puts from many links and homes, reads, signed blocks with rising sequences,
 * inserts that are committed, discarded and spread, checks, walks, a resize. Everything that was
 * acknowledged is said.
 * @module
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

import type { Area, StorePair } from '../../src/datastore/store.ts'
import { isShoalError } from '../../src/errors.ts'
import type { Home } from '../../src/keys/block.ts'
import type { Rng } from '../../src/runtime.ts'
import { blockOf, say } from './fault-report.ts'
import type { BlockName, ExpectedInsert, Orders } from './fault-report.ts'
import { readContent } from './fault-verify.ts'
import { contentBlock, signedBlock } from './signed-block.ts'

const LINKS = 200
const PUBLISHERS = 4
/** Blocks that may wait in the outbox before the load holds back. */
const MAX_PENDING = 60
const WATCH_COMMITS_MS = 15
const WATCH_QUOTA_MS = 120
const ALL = { from: 0, to: 2 ** 48 - 1 }

interface Pending {
  readonly insertId: number
  readonly name: BlockName
  homes: Home[]
}

export class Load {
  readonly #store: StorePair
  readonly #orders: Orders
  readonly #rng: Rng
  readonly #fresh: Record<Area, number>
  /** Numbers of content that was put, by area. */
  readonly #known: Record<Area, number[]> = { store: [], cache: [] }
  readonly #pending: Pending[] = []
  #next: number
  #quotas: number[]
  #isOver = false

  constructor(store: StorePair, orders: Orders, rng: Rng) {
    this.#store = store
    this.#orders = orders
    this.#rng = rng
    this.#fresh = { ...orders.fresh }
    this.#next = orders.firstNumber
    this.#quotas = [store.blocks.status().quotaBytes, orders.storeBytes ?? 0]
    for (const [number, area] of orders.expect.blocks) this.#known[area].push(number)
  }

  /** Resolves only when it was stopped, by `stop` or by the end of the store. */
  async run(inserts: readonly ExpectedInsert[]): Promise<void> {
    for (const { insertId, blocks } of inserts) {
      for (const [name, mask] of blocks) {
        this.#pending.push({ insertId, name, homes: homesIn(mask) })
      }
    }
    const actors = [
      ...[0, 1, 2].map(() => () => this.#putContent('store')),
      ...[0, 1].map(() => () => this.#putContent('cache')),
      ...[0, 1].map(() => () => this.#insert()),
      ...[0, 1].map((worker) => () => this.#putSigned(worker)),
      () => this.#read(),
      () => this.#spread(),
      () => this.#care(),
      () => this.#watchCommits(),
      () => this.#watchQuota(),
    ]
    await Promise.all(actors.map((act) => this.#repeat(act)))
  }

  stop(): void {
    this.#isOver = true
  }

  async #repeat(act: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      try {
        await act()
      } catch (error) {
        if (this.#isOver && isShoalError(error) && error.code === 'E_CLOSED') return
        say({ type: 'wrong', message: `the load failed: ${inspect(error).replaceAll('\n', ' ')}` })
        await sleep(50)
      }
    }
  }

  async #putContent(area: Area): Promise<void> {
    const isFresh = this.#fresh[area] > 0 && this.#chance(3, 4)
    if (isFresh) this.#fresh[area]--
    // a block of the cache may come to the store, never the other way: there it would be `known`
    const from = area === 'store' && this.#chance(1, 10) ? 'cache' : area
    const number = isFresh ? this.#next++ : this.#anyOf(this.#known[from])
    if (number === undefined) return sleep(2)
    // one home in the cache: a slot of several may be evicted while the slab shrinks
    const home = (area === 'store' ? this.#rng.below(3) : number % 3) as Home
    const request = { ...contentBlock(number), home, area, link: this.#rng.below(LINKS) }
    const result = await this.#store.blocks.put(request)
    say({ type: 'put', number, area, home, result })
    if (isFresh) this.#known[area].push(number)
    else await sleep(this.#rng.below(3))
  }

  async #putSigned(worker: number): Promise<void> {
    // each publisher has one writer, so that its sequences arrive in order
    const publisher = worker + 2 * this.#rng.below(PUBLISHERS / 2)
    const sequence = this.#next++
    const home = this.#rng.below(3) as Home
    const named = signedBlock(publisher, sequence)
    const link = this.#rng.below(LINKS)
    const result = await this.#store.blocks.put({ ...named, home, area: 'store', link })
    say({ type: 'signed', publisher, sequence, result })
    if (result === 'stored' && this.#orders.expect.isRoomy) {
      const older = { ...signedBlock(publisher, sequence - 1), home, area: 'store', link } as const
      const again = await this.#store.blocks.put(older)
      if (again !== 'older') say({ type: 'wrong', message: `an older edition was ${again}` })
    }
    await sleep(this.#rng.below(8))
  }

  async #insert(): Promise<void> {
    const { outbox } = this.#store
    if (outbox.pendingBlocks > MAX_PENDING) return sleep(2)
    const insertId = await outbox.begin()
    say({ type: 'begun', insertId })
    if (insertId <= this.#orders.expect.lastInsertId) {
      say({ type: 'wrong', message: `insert number ${insertId} is used again` })
    }
    const added: Pending[] = []
    for (let i = this.#rng.below(6); i >= 0; i--) {
      const name = this.#anyName()
      const homes = homesIn(1 + this.#rng.below(7))
      if (added.some((other) => blockKey(other.name) === blockKey(name))) continue
      if ((await outbox.add({ insertId, ...blockOf(name), homes })) === 'full') break
      say({ type: 'added', insertId, name, homes: maskIn(homes) })
      added.push({ insertId, name, homes })
    }
    if (this.#chance(1, 6)) {
      say({ type: 'discarding', insertId })
      return outbox.discard(insertId)
    }
    if (this.#chance(1, 3)) this.#pending.push(...added.splice(0)) // copies before the commit
    say({ type: 'committing', insertId })
    await outbox.commit(insertId)
    say({ type: 'committed', insertId })
    this.#pending.push(...added)
  }

  /** One home of one block has its copies. */
  async #spread(): Promise<void> {
    const { outbox } = this.#store
    await sleep(outbox.pendingBlocks > MAX_PENDING / 2 ? 0 : this.#rng.below(12))
    const at = this.#rng.below(Math.max(1, this.#pending.length))
    const entry = this.#pending[at]
    const home = this.#anyOf(entry?.homes ?? [])
    if (entry === undefined || home === undefined) return
    const { insertId, name } = entry
    const { address } = blockOf(name)
    entry.homes = entry.homes.filter((other) => other !== home)
    if (entry.homes.length === 0) this.#pending.splice(at, 1)
    say({ type: 'homing', insertId, name, home })
    await outbox.homeDone({ insertId, address, homesLeft: [] }, home)
    say({ type: 'homed', insertId, name, home })
  }

  async #read(): Promise<void> {
    await sleep(this.#rng.below(4))
    const number = this.#anyOf(this.#known[this.#chance(1, 2) ? 'store' : 'cache'])
    if (number === undefined) return
    await readContent(this.#store, number, (message) => say({ type: 'wrong', message }))
  }

  async #care(): Promise<void> {
    const { blocks, care } = this.#store
    const { resizeTo } = this.#orders
    await sleep(this.#rng.below(40))
    if (resizeTo !== undefined && !this.#quotas.includes(resizeTo)) {
      this.#quotas.push(resizeTo)
      say({ type: 'resizing', quotaBytes: resizeTo })
      await care.resize(resizeTo).catch((error: unknown) => {
        if (!isShoalError(error) || !['E_BUSY', 'E_STORE_FULL'].includes(error.code)) throw error
      })
      say({ type: 'resized', quotaBytes: blocks.status().quotaBytes })
    } else if (this.#chance(1, 4)) {
      const { freed } = await care.check()
      say({ type: 'checked', freed })
    } else if (this.#chance(1, 3)) {
      let entries = 0
      for await (const { address } of blocks.walk(ALL)) entries += address.length > 0 ? 1 : 0
      if (entries === 0) await sleep(5)
    }
  }

  async #watchCommits(): Promise<void> {
    const { counts } = this.#store.care.stats().latency.commit
    say({ type: 'commits', count: counts.reduce((sum, count) => sum + count, 0) })
    await sleep(WATCH_COMMITS_MS)
  }

  async #watchQuota(): Promise<void> {
    const bytes = await allocatedBytes(this.#orders.dataDir)
    const most = Math.max(...this.#quotas)
    if (bytes > most) say({ type: 'wrong', message: `${bytes} bytes on disk, over ${most}` })
    await sleep(WATCH_QUOTA_MS)
  }

  #anyName(): BlockName {
    const known = this.#anyOf(this.#known[this.#chance(1, 2) ? 'store' : 'cache'])
    if (known !== undefined && this.#chance(1, 4)) return `c${known}`
    if (this.#chance(1, 6)) return `s${this.#rng.below(PUBLISHERS)}.${this.#next++}`
    return `c${this.#next++}`
  }

  #anyOf<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#rng.below(items.length)]
  }

  #chance(times: number, of: number): boolean {
    return this.#rng.below(of) < times
  }
}

/** What the folder takes on disk, all files and folders in it. */
export async function allocatedBytes(path: string): Promise<number> {
  const names = ['.', ...(await readdir(path, { recursive: true }).catch(() => []))]
  const sizes = names.map((name) => stat(join(path, name)).catch(() => undefined))
  return (await Promise.all(sizes)).reduce((sum, found) => sum + (found?.blocks ?? 0) * 512, 0)
}

/** What two names of blocks of one address have in common. */
function blockKey(name: BlockName): string {
  return name.split('.')[0] as string
}

function homesIn(mask: number): Home[] {
  return ([0, 1, 2] as const).filter((home) => (mask & (1 << home)) !== 0)
}

function maskIn(homes: readonly Home[]): number {
  return homes.reduce<number>((mask, home) => mask | (1 << home), 0)
}
