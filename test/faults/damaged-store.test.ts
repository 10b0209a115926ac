/**
 * Slab, index and saved state that are damaged, missing, or of another time or node: the store opens
 * and has lost no more than it must, or says in one line why not and how to mend it (spec §11.5).
 */
import { appendFile, cp, mkdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { BLOCK_BYTES } from '../../src/keys/block.ts'
import {
  ANY,
  NONE_LEFT,
  damageIndexFiles,
  damageSlots,
  flipBit,
  flipBitsOf,
  garbage,
  replaceIndex,
  testRows,
} from '../helpers/fault-rows.ts'
import type { Refuses, Row } from '../helpers/fault-rows.ts'

const MIB = 1024 * 1024
const HALF = BLOCK_BYTES / 2
const DAMAGED: Refuses = { code: 'E_STORE_IO', says: /the index is damaged: remove/ }
const FOREIGN: Refuses = { code: 'E_STORE_FORMAT', says: /do not belong together: put back/ }
const TABLES = /\.sst$/
const LOG = /\.log$/
const MANIFEST = /^MANIFEST/

const SLAB: Record<string, Row> = {
  'slab: a slot of which only one half was written is lost, and no other': {
    damage: (path) => damageSlots(path, 1, (slab, at) => slab.write(garbage(HALF), 0, HALF, at)),
    expect: { mayLose: 1 },
  },
  'slab: torn slots are lost, after a kill too': {
    from: 'killed',
    damage: (path) =>
      damageSlots(path, 40, (slab, at) => slab.write(garbage(HALF), 0, HALF, at + HALF)),
    expect: { mayLose: 40, mustLose: 1 },
  },
  'slab: one flipped bit loses the block of its slot': {
    damage: (path, _, rng) =>
      damageSlots(path, 40, (slab, at) => flipBit(slab, rng, { at, bytes: BLOCK_BYTES })),
    expect: { mayLose: 40, mustLose: 1 },
  },
  'slab: cut off in the middle of a slot it is filled again': {
    damage: (path) => truncate(join(path, 'slab'), 50 * BLOCK_BYTES + 1000),
    expect: { ...ANY, mustLose: 1 },
  },
  'slab: cut off between two slots, after a kill, it is filled again': {
    from: 'killed',
    damage: (path) => truncate(join(path, 'slab'), 20 * BLOCK_BYTES),
    expect: { ...ANY, mustLose: 1 },
  },
  'slab: empty it is filled again': {
    damage: (path) => truncate(join(path, 'slab'), 0),
    expect: NONE_LEFT,
  },
  'slab: missing it is made anew': {
    damage: (path) => rm(join(path, 'slab')),
    expect: NONE_LEFT,
  },
  'slab: missing after a kill it is made anew': {
    from: 'killed',
    damage: (path) => rm(join(path, 'slab')),
    expect: NONE_LEFT,
  },
  'slab: longer than the store it is refused, and not cut': {
    damage: (path) => appendFile(join(path, 'slab'), garbage(200 * BLOCK_BYTES + 100)),
    expect: { code: 'E_STORE_IO', says: /write at least \d+ into it/ },
  },
  'slab: of zeros it has no block': {
    damage: async (path) => {
      const { size } = await stat(join(path, 'slab'))
      await truncate(join(path, 'slab'), 0)
      await truncate(join(path, 'slab'), size)
    },
    expect: NONE_LEFT,
  },
  'slab: that of another node has no block of this one': {
    damage: (path, { other }) => cp(join(other, 'slab'), join(path, 'slab')),
    expect: NONE_LEFT,
  },
  'slab: an older copy, with a newer index, has what was not replaced since': {
    from: 'later',
    damage: (path, { closed }) => cp(join(closed, 'slab'), join(path, 'slab')),
    expect: ANY,
  },
  'slab: a folder of its name is in the way, and is told': {
    damage: async (path) => {
      await rm(join(path, 'slab'))
      await mkdir(join(path, 'slab'))
    },
    expect: { code: 'E_STORE_IO', says: /data directory|slab/ },
  },
}

const INDEX: Record<string, Row> = {
  'index: missing it is made anew, and the store is empty': {
    damage: (path) => rm(join(path, 'index'), { recursive: true }),
    expect: NONE_LEFT,
  },
  'index: an older copy, with a newer slab, has what its slots still hold': {
    from: 'later',
    damage: (path, { closed }) => replaceIndex(path, closed),
    expect: ANY,
  },
  'index: an older copy beside a saved state is read, and the state is not': {
    damage: (path, { killed }) => replaceIndex(path, killed),
    expect: {},
  },
  'index: a newer copy with an older slab and its saved state is read': {
    damage: (path, { later }) => replaceIndex(path, later),
    expect: ANY,
  },
  'index: that of another node is refused': {
    damage: (path, { other }) => replaceIndex(path, other),
    expect: FOREIGN,
  },
  'index: without the file that names its manifest is refused, and not begun anew': {
    damage: (path) => rm(join(path, 'index', 'CURRENT')),
    expect: DAMAGED,
  },
  'index: without manifest is refused': {
    damage: (path) => damageIndexFiles(path, MANIFEST, (file) => rm(file)),
    expect: DAMAGED,
  },
  'index: with a manifest of garbage is refused': {
    damage: (path) => damageIndexFiles(path, MANIFEST, (file) => writeFile(file, garbage(3000))),
    expect: DAMAGED,
  },
  'index: with an empty manifest is refused': {
    damage: (path) => damageIndexFiles(path, MANIFEST, (file) => truncate(file, 0)),
    expect: DAMAGED,
  },
  'index: without its tables is refused': {
    damage: (path) => damageIndexFiles(path, TABLES, (file) => rm(file)),
    expect: DAMAGED,
  },
  'index: with tables of garbage has what else is readable, or is refused': {
    damage: (path) => damageIndexFiles(path, TABLES, (file) => writeFile(file, garbage(3000))),
    expect: { either: DAMAGED },
  },
  'index: with tables that were cut has what else is readable, or is refused': {
    damage: (path) => damageIndexFiles(path, TABLES, cutInHalf),
    expect: { either: DAMAGED },
  },
  'index: with one flipped bit in each table has what else is readable, or is refused': {
    damage: (path, _, rng) => damageIndexFiles(path, TABLES, (file) => flipBitsOf(file, rng, 1)),
    expect: { either: DAMAGED },
  },
  'index: with many flipped bits in its tables has what else is readable, or is refused': {
    damage: (path, _, rng) => damageIndexFiles(path, TABLES, (file) => flipBitsOf(file, rng, 20)),
    expect: { either: DAMAGED },
  },
  'index: with flipped bits in its log, after a kill, has what is readable, or is refused': {
    from: 'later',
    damage: (path, _, rng) => damageIndexFiles(path, LOG, (file) => flipBitsOf(file, rng, 5)),
    expect: { either: DAMAGED },
  },
  'index: with a log that was cut, after a kill, has what was written before': {
    from: 'later',
    damage: (path) => damageIndexFiles(path, LOG, cutInHalf),
    expect: ANY,
  },
  'index: without its log, after a kill, has what was flushed before': {
    from: 'later',
    damage: (path) => damageIndexFiles(path, LOG, (file) => rm(file)),
    expect: ANY,
  },
  'index: a file of its name is in the way, and is told': {
    damage: async (path) => {
      await rm(join(path, 'index'), { recursive: true })
      await writeFile(join(path, 'index'), 'in the way')
    },
    expect: { code: 'E_STORE_IO', says: /data directory cannot be created or written/ },
  },
}

const STATE: Record<string, Row> = {
  'state: missing, the index is read instead': {
    damage: (path) => rm(join(path, 'state')),
    expect: {},
  },
  'state: with a flipped bit, the index is read instead': {
    damage: (path, _, rng) => flipBitsOf(join(path, 'state'), rng, 1),
    expect: {},
  },
  'state: of garbage, the index is read instead': {
    damage: (path) => writeFile(join(path, 'state'), garbage(10_000)),
    expect: {},
  },
  'state: cut, the index is read instead': {
    damage: async (path) =>
      truncate(join(path, 'state'), (await stat(join(path, 'state'))).size - 1),
    expect: {},
  },
  'state: empty, the index is read instead': {
    damage: (path) => truncate(join(path, 'state'), 0),
    expect: {},
  },
  'state: a gigabyte long, the index is read instead': {
    damage: (path) => truncate(join(path, 'state'), 1024 * MIB),
    expect: {},
  },
  'state: that of another node is not believed': {
    damage: (path, { other }) => cp(join(other, 'state'), join(path, 'state')),
    expect: {},
  },
  'state: of an earlier stop is not believed after a kill': {
    from: 'later',
    damage: (path, { closed }) => cp(join(closed, 'state'), join(path, 'state')),
    expect: ANY,
  },
  'state: with a slab of another length is not believed': {
    damage: (path) => truncate(join(path, 'slab'), 30 * BLOCK_BYTES),
    expect: { ...ANY, mustLose: 1 },
  },
  'state: left half-made by a kill is ignored': {
    damage: (path) => rename(join(path, 'state'), join(path, 'state.new')),
    expect: {},
  },
}

async function cutInHalf(file: string): Promise<void> {
  await truncate(file, Math.floor((await stat(file)).size / 2))
}

testRows([SLAB, INDEX, STATE])
