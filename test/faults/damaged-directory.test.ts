/**
 * A data directory whose key or header is damaged, of another node or of another format, or that has
 * been moved: the store opens, or says in one line why not and how to mend it (spec §11.2).
 */
import { cp, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { ANY, flipBitsOf, garbage, testRows } from '../helpers/fault-rows.ts'
import type { Refuses, Row } from '../helpers/fault-rows.ts'

const MIB = 1024 * 1024
const BAD_KEY: Refuses = { code: 'E_STORE_IO', says: /store\.key is damaged: put back a copy/ }
const BAD_HEADER: Refuses = { code: 'E_STORE_IO', says: /store\.json is damaged: put back a copy/ }
const FOREIGN: Refuses = { code: 'E_STORE_FORMAT', says: /do not belong together: put back/ }
const OLDER: Refuses = {
  code: 'E_STORE_FORMAT',
  says: /the format is older: put it back, or remove/,
}

const KEY: Record<string, Row> = {
  'store.key: missing it is not made anew': {
    damage: (path) => rm(join(path, 'store.key')),
    expect: { code: 'E_STORE_IO', says: /store\.key is missing: put back a copy/ },
  },
  'store.key: cut it is refused': {
    damage: (path) => truncate(join(path, 'store.key'), MIB - 1),
    expect: BAD_KEY,
  },
  'store.key: empty it is refused': {
    damage: (path) => truncate(join(path, 'store.key'), 0),
    expect: BAD_KEY,
  },
  'store.key: of a terabyte it is refused, and not read': {
    damage: (path) => truncate(join(path, 'store.key'), 2 ** 40),
    expect: BAD_KEY,
  },
  'store.key: one flipped bit makes another key': {
    damage: (path, _, rng) => flipBitsOf(join(path, 'store.key'), rng, 1),
    expect: FOREIGN,
  },
  'store.key: that of another node is refused': {
    damage: (path, { other }) => cp(join(other, 'store.key'), join(path, 'store.key')),
    expect: FOREIGN,
  },
  'store.key: as long as one with a passphrase, and none': {
    damage: (path) => writeFile(join(path, 'store.key'), garbage(MIB + 73)),
    expect: BAD_KEY,
  },
  'store.key: a link is refused, since what it leads to could not be destroyed': {
    damage: async (path, { closed }) => {
      await rm(join(path, 'store.key'))
      await symlink(join(closed, 'store.key'), join(path, 'store.key'))
    },
    expect: { code: 'E_STORE_IO', says: /store\.key is a link: move the file/ },
  },
}

const HEADER: Record<string, Row> = {
  'store.json: missing, the directory may be of an older format': {
    damage: (path) => rm(join(path, 'store.json')),
    expect: OLDER,
  },
  'store.json: missing beside nothing but a slab, too': {
    damage: async (path) => {
      for (const name of ['store.json', 'store.key', 'state']) await rm(join(path, name))
      await rm(join(path, 'index'), { recursive: true })
    },
    expect: OLDER,
  },
  'store.json: of format 0 was made by an older node': {
    damage: (path) => writeFile(join(path, 'store.json'), '{"format":0,"storeBytes":67108864}\n'),
    expect: { code: 'E_STORE_FORMAT', says: /made by an older shoal.*remove/ },
  },
  'store.json: of format 99 was made by a newer node': {
    damage: (path) => writeFile(join(path, 'store.json'), '{"format":99,"anything":[]}\n'),
    expect: { code: 'E_STORE_FORMAT', says: /made by a newer shoal.*update/ },
  },
  'store.json: of garbage is refused': {
    damage: (path) => writeFile(join(path, 'store.json'), garbage(100)),
    expect: BAD_HEADER,
  },
  'store.json: empty is refused': {
    damage: (path) => truncate(join(path, 'store.json'), 0),
    expect: BAD_HEADER,
  },
  'store.json: of 100 MiB is refused, and not read whole': {
    damage: (path) => truncate(join(path, 'store.json'), 100 * MIB),
    expect: BAD_HEADER,
  },
  'store.json: with a size that no store has is refused': {
    damage: (path) => writeFile(join(path, 'store.json'), '{"format":1,"storeBytes":-5}\n'),
    expect: BAD_HEADER,
  },
  'store.json: with a size that is no number is refused': {
    damage: (path) => writeFile(join(path, 'store.json'), '{"format":1,"storeBytes":"2GiB"}\n'),
    expect: BAD_HEADER,
  },
  'store.json: with a smaller size than the slab has is refused, and cuts nothing': {
    damage: (path) => writeFile(join(path, 'store.json'), headerOf(26 * MIB)),
    expect: { code: 'E_STORE_IO', says: /write at least \d+ into it/ },
  },
  'store.json: with a greater size than the slab has lets it grow': {
    damage: (path) => writeFile(join(path, 'store.json'), headerOf(40 * MIB)),
    expect: {},
  },
  'store.json: a folder of its name is in the way, and is told': {
    damage: async (path) => {
      await rm(join(path, 'store.json'))
      await mkdir(join(path, 'store.json'))
    },
    expect: { code: 'E_STORE_IO', says: /data directory|store\.json/ },
  },
}

const FOLDER: Record<string, Row> = {
  'folder: moved to another place it is the same store': {
    damage: () => Promise.resolve(),
    expect: {},
  },
  'folder: copied from a running node it is the store of that moment': {
    from: 'killed',
    damage: () => Promise.resolve(),
    expect: {},
  },
  'folder: drafts and strange files are let be': {
    damage: async (path) => {
      for (const name of [
        'store.json.new',
        'store.key.new',
        'state.new',
        'slab.old',
        'notes.txt',
      ]) {
        await writeFile(join(path, name), garbage(5000))
      }
    },
    expect: {},
  },
  'folder: half of an index that was being made anew does not count': {
    damage: async (path) => {
      await mkdir(join(path, 'index.new'))
      await writeFile(join(path, 'index.new', 'CURRENT'), garbage(16))
    },
    expect: {},
  },
  'folder: made, but never finished, is made again': {
    damage: async (path) => {
      for (const name of ['store.json', 'state']) await rm(join(path, name))
      await rm(join(path, 'index'), { recursive: true })
      await mkdir(join(path, 'index'))
      await truncate(join(path, 'slab'), 0)
    },
    expect: { ...ANY },
  },
}

function headerOf(storeBytes: number): string {
  return `${JSON.stringify({ format: 1, storeBytes })}\n`
}

testRows([KEY, HEADER, FOLDER])
