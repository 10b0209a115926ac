/**
 * A process that writes to a disk store until it is killed: `node store-writer.js <dataDir>`. Prints a
 * line for each insert that was committed, the numbers of its first and last content block.
 * @module
 */
import { openDiskStore } from '../../src/datastore/disk-store.ts'
import { createSystemRng, silentLogger, systemClock } from '../../src/runtime.ts'
import { contentBlock } from './signed-block.ts'

const BLOCKS_AN_INSERT = 5

const { blocks, outbox } = await openDiskStore({
  dataDir: process.argv[2] as string,
  storeBytes: 64 * 1024 * 1024,
  rng: createSystemRng(),
  clock: systemClock,
  logger: silentLogger,
})
for (let first = 0; ; first += BLOCKS_AN_INSERT) {
  const insertId = await outbox.begin()
  const last = first + BLOCKS_AN_INSERT - 1
  for (let i = first; i <= last; i++) {
    await outbox.add({ insertId, ...contentBlock(i), homes: [0, 1] })
    await blocks.put({ ...contentBlock(1_000_000 + i), home: 0, area: 'cache', link: 1 })
  }
  await outbox.commit(insertId)
  process.stdout.write(`${first} ${last}\n`)
}
