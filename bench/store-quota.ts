/**
 * A full store under a mixed load for minutes, while what it takes on the disk is watched.
 * @module
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'

import type { StorePair } from '../src/datastore/store.ts'
import { BLOCK_BYTES, signedAddress, toAddress, toBlock } from '../src/keys/block.ts'
import type { Block, Home } from '../src/keys/block.ts'
import { randomBytes } from '../src/keys/primitives.ts'
import { report } from './processes.ts'
import { MIB, digits, inFolder, openStore } from './store-kit.ts'
import type { Row } from './store-kit.ts'
import { watchDiskUse } from './store-sampler.ts'
import type { Samples } from './store-sampler.ts'

const WORKERS = 32
const LINKS = 32
/** Blocks that reads draw from: the newest. */
const RECENT_BLOCKS = 4096
const PUBLISHERS = 200
const OUTBOX_BLOCKS = 64
/** Share of each kind of call; the rest are reads. */
const MIX = { store: 0.5, cache: 0.75, signed: 0.8 }
const SEQUENCE_AT = 96

export interface QuotaOptions {
  readonly storeMiB: number
  readonly minutes: number
}

/** Sets the exit code to 1 where the store was over its quota at any sampled moment. */
export async function measureQuota({ storeMiB, minutes }: QuotaOptions): Promise<Row[]> {
  return inFolder(async (folder) => {
    const quotaBytes = storeMiB * MIB
    const stopWatching = watchDiskUse(folder)
    const pair = await openStore(folder, quotaBytes)
    const calls = await churn(pair, minutes * 60_000)
    const stats = pair.care.stats()
    const slabBytes = (await stat(join(folder, 'slab'))).blocks * 512
    await pair.blocks.close()
    const samples = await stopWatching()
    if (samples.worstBytes > quotaBytes) process.exitCode = 1
    const amplification = slabBytes / (stats.filledSlots * BLOCK_BYTES)
    report({ bench: 'store', part: 'quota', quotaBytes, minutes, calls, ...samples, amplification })
    report({ bench: 'store', part: 'quota', stats: { ...stats, latency: undefined } })
    return rowsOf({ quotaBytes, minutes, calls, samples, amplification })
  })
}

function rowsOf(of: {
  readonly quotaBytes: number
  readonly minutes: number
  readonly calls: number
  readonly samples: Samples
  readonly amplification: number
}): Row[] {
  const { worstBytes, samples, longestGapMs } = of.samples
  const seconds = of.minutes * 60
  const load = `${digits(of.minutes)} min, ${digits(of.calls / seconds)} calls/s`
  return [
    {
      what: `disk at its worst, of a quota of ${digits(of.quotaBytes / MIB)} MiB (${load})`,
      measured: `${(worstBytes / of.quotaBytes).toFixed(4)} (${samples} looks, at most ${digits(longestGapMs)} ms apart)`,
      target: '≤ 1',
    },
    {
      what: 'space amplification of the slab: allocated / slots',
      measured: of.amplification.toFixed(4),
      target: '1.00',
    },
  ]
}

/** How many calls there were. */
async function churn(pair: StorePair, forMs: number): Promise<number> {
  const load = new Load(pair)
  const untilMs = performance.now() + forMs
  const outbox = insertUntil(pair, untilMs)
  await Promise.all(
    Array.from({ length: WORKERS }, async () => {
      while (performance.now() < untilMs) await load.call()
    }),
  )
  return load.calls + (await outbox)
}

class Load {
  calls = 0
  readonly #pair: StorePair
  readonly #pool = Array.from({ length: 256 }, () => toBlock(randomBytes(BLOCK_BYTES)))
  readonly #recent = Array.from({ length: RECENT_BLOCKS }, () => toAddress(randomBytes(32)))
  readonly #publishers = Array.from({ length: PUBLISHERS }, () => randomBytes(32))

  constructor(pair: StorePair) {
    this.#pair = pair
    pair.blocks.setRange({ from: 0, to: 2 ** 47 })
  }

  async call(): Promise<void> {
    const draw = Math.random()
    const number = this.calls++
    const link = 1 + (number % LINKS)
    if (draw < MIX.signed) return this.#put(draw, number, link)
    const address = this.#recent[below(RECENT_BLOCKS)]
    if (address !== undefined) await this.#pair.blocks.get(address, { link })
  }

  async #put(draw: number, number: number, link: number): Promise<void> {
    const block = draw < MIX.cache ? (this.#pool[number % 256] as Block) : this.#edition(number)
    const isContent = draw < MIX.cache
    const address = isContent ? toAddress(randomBytes(32)) : signedAddress(block.subarray(0, 32))
    const area = draw < MIX.store || !isContent ? 'store' : 'cache'
    this.#recent[number % RECENT_BLOCKS] = address
    const home = (isContent ? below(3) : 0) as Home
    await this.#pair.blocks.put({ address, home, block, area, link })
  }

  /** A newer block of one of the publishers. A store takes the signature as verified. */
  #edition(sequence: number): Block {
    const block = toBlock(Uint8Array.from(this.#pool[sequence % 256] as Block))
    block.set(this.#publishers[below(PUBLISHERS)] as Uint8Array)
    new DataView(block.buffer).setBigUint64(SEQUENCE_AT, BigInt(sequence), true)
    return block
  }
}

/** Own inserts, one after the other, that leave the outbox as soon as they are whole. */
async function insertUntil({ outbox }: StorePair, untilMs: number): Promise<number> {
  let calls = 0
  const block = toBlock(randomBytes(BLOCK_BYTES))
  while (performance.now() < untilMs) {
    const insertId = await outbox.begin()
    for (let number = 0; number < OUTBOX_BLOCKS; number++, calls++) {
      const address = toAddress(randomBytes(32))
      const added = await outbox.add({ insertId, address, block, homes: [0, 1] })
      if (added === 'full') break
    }
    await outbox.commit(insertId)
    for (const entry of outbox.entries()) {
      for (const home of entry.homesLeft) await outbox.homeDone(entry, home)
    }
  }
  return calls
}

function below(bound: number): number {
  return Math.floor(Math.random() * bound)
}
