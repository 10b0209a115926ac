/**
 * What somebody with the disk can tell without the store key (spec §11.1, threat model): not which
 * slots are in use, nor whether any is; not one of a thousand blocks that they know.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES, contentAddress, toBlock } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { panic } from '../../src/store-admin.ts'
import { copyFolder, temporaryFolder, withStore } from '../helpers/fault-folder.ts'
import { entriesIn } from '../helpers/fault-index.ts'
import { PieceFinder } from '../helpers/piece-finder.ts'
import {
  LIMIT,
  PLACE_LIMIT,
  bitBalance,
  bitRuns,
  byteBalance,
  compressedAway,
  measure,
  repeatedSectors,
  smirnov,
  unevenPlace,
} from '../helpers/randomness.ts'
import { signedBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'

const MIB = 1024 * 1024
const STORE_BYTES = 64 * MIB
/** As much of a slab as zlib is tried on: 4 of 38 MiB. */
const COMPRESSED_BYTES = 4 * MIB
const OUTBOX_BLOCKS = 60
/** Of those: have all their copies and have left it again. */
const DONE_BLOCKS = 20
/** Contents that have nothing in common, so that each piece of each is worth looking for. */
const BLOCKS: NamedBlock[] = [
  ...Array.from({ length: 960 }, () => {
    const block = toBlock(new Uint8Array(randomBytes(BLOCK_BYTES)))
    return { address: contentAddress(block), block }
  }),
  ...Array.from({ length: 40 }, (_, i) => signedBlock(i, 1 + i, 65 + i)),
]
const cleanUps: (() => Promise<void>)[] = []
let [used, unused] = ['', '']
/** The used slab before its first block, and closed in the end. */
let [filled, final] = [Buffer.alloc(0), Buffer.alloc(0)]
let blank = Buffer.alloc(0)

before(async () => {
  const scope = { after: (run: () => Promise<void>) => cleanUps.push(run) } as never
  ;[used, unused] = [await temporaryFolder(scope), await temporaryFolder(scope)]
  const make = (path: string): Promise<void> => {
    return withStore(path, untilFilled, { storeBytes: STORE_BYTES })
  }
  await Promise.all([make(used), make(unused)])
  filled = await readFile(join(used, 'slab'))
  await withStore(used, useStore)
  final = await readFile(join(used, 'slab'))
  blank = await readFile(join(unused, 'slab'))
})

after(async () => {
  for (const run of cleanUps) await run()
})

test('deniability: neither the slab nor the saved state tells by its length what is in the store', async () => {
  for (const name of ['slab', 'state', 'store.key', 'store.json']) {
    const [one, other] = await Promise.all([used, unused].map((path) => stat(join(path, name))))
    assert.equal(one?.size, other?.size, name)
  }
  assert.ok(changedSlots().length >= BLOCKS.length - DONE_BLOCKS, 'it is used indeed')
})

test('deniability: a used slab and an unused one are random by every measure', () => {
  for (const slab of [final, blank]) assertRandom(slab)
})

test('deniability: the measures do find a slab that is not random', () => {
  const marked = Buffer.from(final)
  for (let at = 0; at < marked.length; at += BLOCK_BYTES) marked[at] = (marked[at] as number) & 0x7f
  assert.ok(unevenPlace(marked, BLOCK_BYTES) > PLACE_LIMIT, 'one bit of each slot')
  const holed = Buffer.from(final).fill(0, 100 * BLOCK_BYTES, 101 * BLOCK_BYTES)
  assert.throws(() => assertRandom(holed), 'a slot of zeros')
  const repeated = Buffer.from(final)
  repeated.copy(repeated, 7 * BLOCK_BYTES, 90 * BLOCK_BYTES, 91 * BLOCK_BYTES)
  assert.throws(() => assertRandom(repeated), 'a slot twice')
  const plain = Buffer.from(final)
  for (let i = 0; i < 10; i++)
    plain.fill('a film, a letter, a secret; ', i * 3 * BLOCK_BYTES, (i * 3 + 1) * BLOCK_BYTES)
  assert.throws(() => assertRandom(plain), 'ten plain slots')
})

test('deniability: nothing tells used slots from unused ones, in one slab or between two', () => {
  const changed = new Set(changedSlots())
  const slots = slotsOf(final)
  const inUse = slots.filter((_, slot) => changed.has(slot))
  const never = slots.filter((_, slot) => !changed.has(slot))
  assert.ok(never.length > 50)
  for (const others of [never, slotsOf(blank)]) {
    for (const [name, look] of Object.entries(SLOT_LOOKS)) {
      const distance = smirnov(inUse.map(look), others.map(look))
      assert.ok(distance < 1, `${name} of used and unused slots: ${distance}`)
    }
  }
})

test('deniability: without the store key not one of 1,000 known blocks is found in what is left', async () => {
  const path = await temporaryFolder({ after: (run) => cleanUps.push(run as () => Promise<void>) })
  await copyFolder(used, path)
  await rm(join(path, 'store.key'))
  const names = await filesIn(path)
  for (const name of ['slab', 'state', 'store.json']) assert.ok(names.includes(name))
  assert.ok(names.some((name) => name.endsWith('.sst')))
  const finders = { address: addressFinder(), text: textFinder(), content: contentFinder() }
  const control = Buffer.concat([Buffer.alloc(5), BLOCKS[500]?.address ?? Buffer.alloc(0)])
  assert.equal(finders.address.countIn(control), 4, 'they find what is there')
  for (const name of names) {
    const bytes = await readFile(join(path, name))
    for (const [what, finder] of Object.entries(finders)) {
      assert.equal(finder.countIn(bytes), 0, `${what} in ${name}`)
    }
  }
})

test('deniability: index entries have one length, and keys and values are random', async () => {
  const path = await temporaryFolder({ after: (run) => cleanUps.push(run as () => Promise<void>) })
  await copyFolder(used, path)
  const entries = await entriesIn(path)
  assert.ok(entries.length > BLOCKS.length - DONE_BLOCKS)
  const names = entries.map(({ key }) => key.subarray(8))
  const addresses = addressFinder()
  for (const { key, value } of entries) {
    assert.deepEqual([key.length, value.length], [32, 148])
    assert.equal(addresses.countIn(key) + addresses.countIn(value), 0)
  }
  for (const bytes of [Buffer.concat(names), Buffer.concat(entries.map(({ value }) => value))]) {
    assert.ok(Math.abs(byteBalance(bytes)) < LIMIT)
  }
})

test('deniability: a panic leaves no file that one of the blocks is in', async () => {
  const path = await temporaryFolder({ after: (run) => cleanUps.push(run as () => Promise<void>) })
  await copyFolder(used, path)
  assert.equal(await panic(path), true)
  assert.deepEqual(await filesIn(path), [])
})

/** Until the slab is as long as it may be. */
async function untilFilled({ blocks }: StorePair): Promise<void> {
  while (blocks.status().filledShare < 1) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** All blocks in, some in the outbox, and some that have left it again: erased slots are slots, too. */
async function useStore({ blocks, outbox }: StorePair): Promise<void> {
  const waiting = BLOCKS.slice(0, OUTBOX_BLOCKS)
  const insertId = await outbox.begin()
  for (const named of waiting) {
    assert.equal(await outbox.add({ insertId, ...named, homes: [0, 1] }), 'added')
  }
  await outbox.commit(insertId)
  for (const { address } of waiting.slice(0, DONE_BLOCKS)) {
    for (const home of [0, 1] as const)
      await outbox.homeDone({ insertId, address, homesLeft: [] }, home)
  }
  for (const [i, named] of BLOCKS.slice(OUTBOX_BLOCKS).entries()) {
    const area = i % 5 === 0 ? 'cache' : 'store'
    assert.equal(await blocks.put({ ...named, home: (i % 3) as Home, area, link: i }), 'stored')
  }
}

function assertRandom(slab: Buffer): void {
  for (const [name, value] of Object.entries(measure(slab))) {
    assert.ok(Math.abs(value) < LIMIT, `${name}: ${value}`)
  }
  assert.ok(compressedAway(slab.subarray(0, COMPRESSED_BYTES)) <= 0, 'it compresses')
  assert.equal(repeatedSectors(slab), 0, 'something is in it twice')
  assert.ok(unevenPlace(slab, BLOCK_BYTES) < PLACE_LIMIT, 'a place in each slot is uneven')
}

const SLOT_LOOKS: Record<string, (slot: Buffer) => number> = {
  'histograms of bytes': byteBalance,
  'ones and zeros': bitBalance,
  runs: bitRuns,
  'compressed lengths': (slot) => compressedAway(slot.subarray(0, 4096)),
  'first bytes': (slot) => slot.readUIntBE(0, 6),
  'last bytes': (slot) => slot.readUIntBE(BLOCK_BYTES - 6, 6),
}

function changedSlots(): number[] {
  const [at, now] = [slotsOf(filled), slotsOf(final)]
  return now.flatMap((slot, i) => (Buffer.compare(slot, at[i] ?? slot) === 0 ? [] : [i]))
}

function slotsOf(slab: Buffer): Buffer[] {
  const slots = Math.floor(slab.length / BLOCK_BYTES)
  return Array.from({ length: slots }, (_, i) => {
    return slab.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)
  })
}

/** Eight bytes of an address that were somewhere would give it away. */
function addressFinder(): PieceFinder {
  return new PieceFinder(
    BLOCKS.map(({ address }) => address),
    8,
  )
}

/** Addresses as they are written down. */
function textFinder(): PieceFinder {
  const texts = BLOCKS.flatMap(({ address }) => {
    const bytes = Buffer.from(address)
    const hex = bytes.toString('hex')
    return [hex, hex.toUpperCase(), bytes.toString('base64url')].map((text) => Buffer.from(text))
  })
  return new PieceFinder(texts, 16)
}

function contentFinder(): PieceFinder {
  return new PieceFinder(
    BLOCKS.map(({ block }) => block),
    16,
  )
}

async function filesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return files.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
}
