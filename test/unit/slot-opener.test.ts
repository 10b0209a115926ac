import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { openSlab } from '../../src/datastore/slab.ts'
import type { Slab } from '../../src/datastore/slab.ts'
import { decodeJobs, encodeJobs } from '../../src/datastore/slot-batch.ts'
import type { SlotJob } from '../../src/datastore/slot-batch.ts'
import { SlotOpener } from '../../src/datastore/slot-opener.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { createStoreSecret, deriveSealKeys, sealSlot, slotSecret } from '../../src/keys/seal.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const SLOTS = 40
const keys = deriveSealKeys(createStoreSecret())

/** Threads that never answer, and that fail before and in the middle of their work. */
const IS_SILENT = new URL('data:text/javascript,setInterval(() => {}, 1000)')
const FAILS_AT_ONCE = new URL('data:text/javascript,throw new Error("no thread")')
const FAILS_LATER = new URL(
  `data:text/javascript,${encodeURIComponent(
    "import { parentPort } from 'node:worker_threads'; parentPort.once('message', () => process.exit(1))",
  )}`,
)

test('slot opener: slots wanted at once come whole, each with its own bytes', async (t) => {
  const { slab, sealed } = await filledSlab(t)
  const opener = openerOf(t, slab)
  for (let round = 0; round < 3; round++) await assertAllOpen(opener, sealed)
})

test('slot opener: a disk that is slow is asked for all of a batch at once, and gives the same', async (t) => {
  const { slab, sealed } = await filledSlab(t)
  const opener = openerOf(t, slab, { slowReadMs: 0 })
  await slab.truncate(SLOTS - 1)
  const all = sealed.slice(0, -1)
  for (let round = 0; round < 6; round++) await assertAllOpen(opener, all)
})

test('slot opener: one after the other they are opened without a thread', async (t) => {
  const { slab, sealed } = await filledSlab(t)
  const opener = openerOf(t, slab, { script: IS_SILENT })
  for (const { address, block, content } of sealed)
    assert.deepEqual(await opener.open(address, content), block)
})

test('slot opener: among others one that is damaged does not open, and one beyond the end rejects', async (t) => {
  const { slab, sealed } = await filledSlab(t)
  const opener = openerOf(t, slab)
  await slab.write(20, new Uint8Array(32_768).fill(7))
  await slab.truncate(SLOTS - 1)
  const results = await Promise.allSettled(
    sealed.map(({ address, content }) => opener.open(address, content)),
  )
  results.forEach((result, slot) => {
    if (slot === SLOTS - 1) assert.equal(result.status, 'rejected')
    else {
      const block = slot === 20 ? undefined : sealed[slot]?.block
      assert.deepEqual(result, { status: 'fulfilled', value: block })
    }
  })
})

test('slot opener: a block under the address of another does not open', async (t) => {
  const { slab, sealed } = await filledSlab(t)
  const opener = openerOf(t, slab)
  const { address } = sealed[0] as Sealed
  const found = await Promise.all(
    sealed.map(({ content }) => opener.open(address, content).then((block) => block !== undefined)),
  )
  assert.deepEqual(
    found,
    sealed.map((_, slot) => slot === 0),
  )
})

for (const [name, script] of [
  ['cannot start', FAILS_AT_ONCE],
  ['ends in the middle', FAILS_LATER],
] as const) {
  test(`slot opener: where the thread ${name} all slots are opened nevertheless`, async (t) => {
    const { slab, sealed } = await filledSlab(t)
    const opener = openerOf(t, slab, { script })
    for (let round = 0; round < 2; round++) await assertAllOpen(opener, sealed)
  })
}

test('slot opener: closed in the middle it answers all that was asked', async (t) => {
  const { slab, sealed } = await filledSlab(t)
  const opener = openerOf(t, slab)
  const opened = assertAllOpen(opener, sealed)
  await opener.close()
  await opened
  await assertAllOpen(opener, sealed)
})

test('slot opener: a slab that is closed waits for the thread', async (t) => {
  const { slab, sealed } = await filledSlab(t)
  const opener = openerOf(t, slab)
  const opened = assertAllOpen(opener, sealed.slice(4), sealed.slice(0, 4))
  await new Promise((resolve) => setImmediate(resolve)) // it has been asked
  await Promise.all([slab.close(), opened])
})

test('slot batch: jobs come out as they went in', () => {
  const jobs = Array.from({ length: 3 }, (_, slot) => {
    const { address, block } = contentBlock(slot)
    const { nonce, tag } = sealSlot(keys, address, block)
    return { slot: slot + 2 ** 31, nonce, tag, address, secret: slotSecret(keys, address) }
  })
  const decoded = decodeJobs(encodeJobs(jobs))
  assert.deepEqual(decoded.map(plain), jobs.map(plain))
})

/** Whatever kind of array its bytes are in. */
function plain(job: SlotJob): unknown[] {
  const { slot, secret, address, nonce, tag } = job
  return [slot, ...[secret, address, nonce, tag].map((bytes) => [...bytes])]
}

interface Sealed {
  readonly address: Address
  readonly block: Block
  readonly content: { slot: number; generation: number; nonce: Uint8Array; tag: Uint8Array }
}

async function filledSlab(t: TestContext): Promise<{ slab: Slab; sealed: Sealed[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-opener-'))
  const slab = await openSlab(join(folder, 'slab'), SLOTS)
  t.after(async () => {
    await slab.close().catch(() => {}) // some tests have closed it
    await rm(folder, { recursive: true })
  })
  await slab.extend(SLOTS)
  const sealed = Array.from({ length: SLOTS }, (_, slot) => {
    const { address, block } = contentBlock(slot)
    const { nonce, tag, sealed: bytes } = sealSlot(keys, address, block)
    return { address, block, content: { slot, generation: 0, nonce, tag }, bytes }
  })
  for (const { content, bytes } of sealed) await slab.write(content.slot, bytes)
  return { slab, sealed }
}

function openerOf(
  t: TestContext,
  slab: Slab,
  thread?: { readonly script?: URL; readonly slowReadMs?: number },
): SlotOpener {
  const opener = new SlotOpener(slab, keys, thread)
  t.after(() => opener.close())
  return opener
}

/** Asks for all at once, `before` first. */
async function assertAllOpen(
  opener: SlotOpener,
  sealed: readonly Sealed[],
  before: readonly Sealed[] = [],
): Promise<void> {
  const all = [...before, ...sealed]
  const blocks = await Promise.all(all.map(({ address, content }) => opener.open(address, content)))
  assert.deepEqual(
    blocks,
    all.map(({ block }) => block),
  )
}
