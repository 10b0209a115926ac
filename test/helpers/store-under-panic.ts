/**
 * A process with a busy store, which says "open", works until the store key is destroyed under it, and
 * then says "destroyed": `node store-under-panic.js FOLDER`.
 * @module
 */
import { openDiskStore } from '../../src/datastore/disk-store.ts'
import { isShoalError } from '../../src/errors.ts'
import { createSystemRng, silentLogger, systemClock } from '../../src/runtime.ts'
import { MIB } from './disk-store.ts'
import { contentBlock } from './signed-block.ts'

const [, , dataDir = ''] = process.argv
const store = await openDiskStore({
  dataDir,
  storeBytes: 64 * MIB,
  rng: createSystemRng(),
  clock: systemClock,
  logger: silentLogger,
})
const life = { isOver: false }
void store.care.destroyed.then(() => {
  life.isOver = true
})
const insertId = await store.outbox.begin()
for (let i = 0; !life.isOver; i++) {
  try {
    const { address, block } = contentBlock(i % 5000)
    await store.blocks.put({ address, block, home: 0, area: i % 2 ? 'store' : 'cache', link: 1 })
    await store.blocks.get(contentBlock(i >> 1).address, { link: 2 })
    if (i < 50) await store.outbox.add({ insertId, address, block, homes: [0, 1] })
    if (i === 50) await store.outbox.commit(insertId)
    if (i === 100) console.log('open')
  } catch (error) {
    if (!isShoalError(error) || error.code !== 'E_CLOSED') throw error
    await store.care.destroyed
  }
}
console.log('destroyed')
