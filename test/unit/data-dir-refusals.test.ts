import assert from 'node:assert/strict'
import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { utf8 } from '../../src/keys/bytes.ts'
import { STORE_SECRET_BYTES, wrapSecret } from '../../src/keys/seal.ts'
import {
  STORE_BYTES,
  assertRefused,
  closeDir,
  openAndClose,
  openAt,
  usedFolder,
} from '../helpers/data-dir.ts'
import { MIB, hasCode } from '../helpers/disk-store.ts'

test('data directory: one of another format is left as it is', async (t) => {
  const path = await usedFolder(t)
  await writeFile(join(path, 'store.json'), '{"format":2,"storeBytes":1,"more":true}')
  await assertRefused(path, 'E_STORE_FORMAT', /newer shoal/)
  await writeFile(join(path, 'store.json'), '{"format":0,"storeBytes":1}')
  await assertRefused(path, 'E_STORE_FORMAT', /older shoal/)
  await rm(join(path, 'store.json'))
  await assertRefused(path, 'E_STORE_FORMAT', /store\.json is missing, or the format is older/)
  await rm(join(path, 'index'), { recursive: true })
  await assertRefused(path, 'E_STORE_FORMAT', /store\.json is missing/)
})

test('data directory: an index with entries is no half-made one, whatever is missing beside it', async (t) => {
  const path = await usedFolder(t)
  await rm(join(path, 'store.json'))
  await rm(join(path, 'slab'))
  await assert.rejects(openAt(path), hasCode('E_STORE_FORMAT'))
})

test('data directory: a damaged store.json says what to write into it', async (t) => {
  const path = await usedFolder(t)
  const wrong = ['', '{', 'null', '[]', '{"format":1}', '{"format":1,"storeBytes":"1"}']
  const more = ['{"format":1,"storeBytes":-1}', 'x'.repeat(9000)]
  for (const text of [...wrong, ...more, '{"format":1,"storeBytes":5}', '\u00ff{}']) {
    await writeFile(join(path, 'store.json'), text)
    await assertRefused(path, 'E_STORE_IO', /store\.json is damaged: .*"storeBytes":N/)
  }
  await writeFile(join(path, 'store.json'), `{"format":1,"storeBytes":${STORE_BYTES}}`)
  assert.deepEqual(await openAndClose(path), [])
})

test('data directory: a quota that is written too small by hand costs no slot', async (t) => {
  const path = await usedFolder(t)
  const dir = await openAt(path)
  await dir.slab.extend(dir.plan.slots - dir.slab.slots)
  await closeDir(dir)
  const header = join(path, 'store.json')
  const write = (bytes: number): Promise<void> =>
    writeFile(header, `{"format":1,"storeBytes":${bytes}}`)
  await write(STORE_BYTES - 2 * MIB)
  const least = new RegExp(`and the slab has 16 MiB: write at least ${STORE_BYTES} into it`)
  await assertRefused(path, 'E_STORE_IO', least)
  await write(STORE_BYTES)
  assert.deepEqual(await openAndClose(path), [])
  await write(2 ** 51)
  await assertRefused(path, 'E_STORE_IO', /store\.json has a storeBytes of \d+, which no store can/)
})

test('data directory: a folder in the place of a file is told, and so is a link that leads nowhere', async (t) => {
  for (const name of ['store.json', 'store.key', 'slab', 'state']) {
    const path = await usedFolder(t)
    await rm(join(path, name), { force: true })
    await mkdir(join(path, name, 'deep'), { recursive: true })
    await assertRefused(path, 'E_STORE_IO', new RegExp(`^${name} is no file: move it away`))
  }
  const path = await usedFolder(t)
  await rm(join(path, 'store.json'))
  await symlink(join(path, 'nowhere'), join(path, 'store.json'))
  const opening = openAt(path)
  await assert.rejects(opening, { code: 'E_STORE_IO', message: /a link that leads to no file/ })
})

test('data directory: a store.key that is missing, damaged or a link is told before anything is touched', async (t) => {
  const path = await usedFolder(t)
  const file = join(path, 'store.key')
  await rename(file, join(path, 'kept'))
  await assertRefused(path, 'E_STORE_IO', /store\.key is missing/)
  await symlink(join(path, 'kept'), file)
  await assertRefused(path, 'E_STORE_IO', /store\.key is a link/)
  await rm(file)
  await writeFile(file, new Uint8Array(STORE_SECRET_BYTES - 1))
  await assertRefused(path, 'E_STORE_IO', /store\.key is damaged/)
  await rename(join(path, 'kept'), file)
  assert.deepEqual(await openAndClose(path), [])
})

test('data directory: a locked store.key asks for its passphrase, and nothing stays open', async (t) => {
  const path = await usedFolder(t)
  const file = join(path, 'store.key')
  const wrapped = await wrapSecret(await readFile(file), utf8('swordfish'), {
    passes: 1,
    memoryKib: 8,
  })
  await writeFile(file, wrapped)
  await assert.rejects(openAt(path), { code: 'E_PASSPHRASE', message: /needed/ })
  await assert.rejects(openAt(path, { passphrase: 'trout' }), {
    code: 'E_PASSPHRASE',
    message: /wrong/,
  })
  assert.deepEqual(await openAndClose(path, { passphrase: 'swordfish' }), [])
})

test('data directory: index and key of two stores do not open together', async (t) => {
  const path = await usedFolder(t)
  const other = await usedFolder(t)
  await cp(join(path, 'store.key'), join(path, 'kept'))
  await cp(join(other, 'store.key'), join(path, 'store.key'))
  const message = /index and store\.key do not belong together/
  await assert.rejects(openAt(path), { code: 'E_STORE_FORMAT', message })
  await rename(join(path, 'kept'), join(path, 'store.key'))
  assert.deepEqual(await openAndClose(path), [], 'nothing was lost by trying')
  await rm(join(path, 'index'), { recursive: true })
  await cp(join(other, 'index'), join(path, 'index'), { recursive: true })
  await assert.rejects(openAt(path), { code: 'E_STORE_FORMAT', message })
})
