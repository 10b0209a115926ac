import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  cp,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { insertKey } from '../../src/datastore/keyspace.ts'
import { planOf } from '../../src/datastore/quota.ts'
import { decodeRecord } from '../../src/datastore/record.ts'
import { openDatabase } from '../../src/datastore/rocks-open.ts'
import { createStoreSecret } from '../../src/keys/seal.ts'
import {
  STORE_BYTES,
  closeDir,
  fillAt,
  folder,
  openAndClose,
  openAt,
  usedFolder,
} from '../helpers/data-dir.ts'
import { MIB, hasCode } from '../helpers/disk-store.ts'

const OPENER = fileURLToPath(new URL('../helpers/data-dir-opener.js', import.meta.url))
/** Names of a whole data directory. */
const WHOLE = ['index', 'slab', 'store.json', 'store.key']

test('data directory: a new one is whole, and opens again with the quota it was made with', async (t) => {
  const path = join(await folder(t), 'deep', 'down')
  const first = await openAt(path)
  assert.equal(first.isNew, true)
  assert.equal(first.folder, path)
  assert.deepEqual(first.plan, planOf(STORE_BYTES))
  assert.equal(first.slab.slots, 0)
  const { bytes } = insertKey(first.keys, 0)
  const [meta] = await first.index.getMany([bytes])
  assert.ok(meta !== undefined && meta !== 'unreadable')
  const record = decodeRecord(first.keys, bytes, meta)
  assert.deepEqual(
    [record?.area, record?.homes, record?.ordinal, record?.name],
    ['meta', 1, 1, new Uint8Array(32)],
  )
  await closeDir(first)
  assert.deepEqual((await readdir(path)).sort(), WHOLE)
  assert.equal(
    await readFile(join(path, 'store.json'), 'utf8'),
    `{"format":1,"storeBytes":${STORE_BYTES}}\n`,
  )
  const second = await openAt(path, { storeBytes: 60 * MIB })
  assert.equal(second.isNew, false)
  assert.equal(second.storeBytes, STORE_BYTES)
  assert.deepEqual(second.keys, first.keys)
  await second.saveStoreBytes(60 * MIB)
  await closeDir(second)
  const third = await openAt(path, { storeBytes: undefined })
  assert.deepEqual(third.plan, planOf(60 * MIB))
  await closeDir(third)
})

test('data directory: without a quota a new one has the default', async (t) => {
  const dir = await openAt(await folder(t), { storeBytes: undefined })
  assert.equal(dir.storeBytes, 50 * MIB)
  await closeDir(dir)
})

test('data directory: a quota that cannot be is refused before anything is made', async (t) => {
  const path = await folder(t)
  await assert.rejects(openAt(path, { storeBytes: 1 }), hasCode('E_OPTION'))
  assert.deepEqual(await readdir(path), [])
  await assert.rejects(openAt(path, { storeBytes: 2 ** 52 }), {
    code: 'E_STORE_FULL',
    message: /smaller --store-size/,
  })
  const deep = join(path, 'not/there')
  await assert.rejects(openAt(deep, { storeBytes: 2 ** 52 }), hasCode('E_STORE_FULL'))
  assert.deepEqual(await readdir(path), [], 'nothing is made for it')
  assert.deepEqual(await openAndClose(path), [])
})

test('data directory: what is in it is for its owner alone, and tells no host and no path', async (t) => {
  if (process.platform === 'win32') return
  const path = await folder(t)
  const before = process.umask(0o022)
  t.after(() => process.umask(before))
  const dir = await openAt(path)
  const index = join(path, 'index')
  for (let i = 0; i < 40; i++) await dir.index.flush()
  const log = (await readFile(join(index, 'LOG'))).filter((byte) => byte !== 0)
  assert.ok(log.length < 8192, `${log.length} bytes of log`)
  await closeDir(dir)
  for (const name of await readdir(index)) assert.ok(!name.startsWith('LOG'), name)
  await closeDir(await openAt(path))
  const again = await openAt(path)
  for (const name of await readdir(index)) {
    if (name === 'LOG' || name.endsWith('.log')) continue // of this very moment
    assert.equal((await stat(join(index, name))).mode & 0o077, 0, name)
    assert.equal((await readFile(join(index, name))).indexOf(path), -1, name)
  }
  await closeDir(again)
})

test('data directory: a damaged index says how to go on, and going on so works', async (t) => {
  const path = await usedFolder(t)
  await writeFile(join(path, 'index', 'CURRENT'), 'x')
  await assert.rejects(openAt(path), {
    code: 'E_STORE_IO',
    message: /the index is damaged: remove the folder index/,
  })
  await rm(join(path, 'index'), { recursive: true })
  assert.match((await openAndClose(path)).join(), /index was removed, so the store is empty/)
  assert.deepEqual(await openAndClose(path), [])
})

test('data directory: an index of which nothing can be read is damaged, not empty', async (t) => {
  const path = await usedFolder(t)
  await openAndClose(path) // the log becomes a table
  for (const name of await readdir(join(path, 'index'))) {
    if (!name.endsWith('.sst')) continue
    const file = join(path, 'index', name)
    const bytes = await readFile(file)
    bytes.fill(0xaa, 0, 60)
    await writeFile(file, bytes)
  }
  await assert.rejects(openAt(path), { code: 'E_STORE_IO', message: /the index is damaged/ })
})

test('data directory: a slab that is missing or cut is filled again', async (t) => {
  const path = await usedFolder(t)
  await rm(join(path, 'slab'))
  assert.match((await openAndClose(path)).join(), /slab is missing/)
  assert.deepEqual(await openAndClose(path), [])
  await fillAt(path)
  await truncate(join(path, 'slab'), 40_000)
  const dir = await openAt(path)
  assert.equal(dir.slab.slots, 1)
  await closeDir(dir)
})

test('data directory: the slab may lie on another disk, behind a link made before or later', async (t) => {
  const [path, other] = [await folder(t), await folder(t)]
  await symlink(join(other, 'slab'), join(path, 'slab'))
  await fillAt(path)
  assert.equal((await stat(join(other, 'slab'))).size, 3 * 32_768)
  await rename(join(other, 'slab'), join(other, 'moved'))
  await rm(join(path, 'slab'))
  await symlink(join(other, 'moved'), join(path, 'slab'))
  const dir = await openAt(path)
  assert.equal(dir.slab.slots, 3)
  await closeDir(dir)
})

test('data directory: what a changed passphrase left half-written is erased', async (t) => {
  const path = await usedFolder(t)
  await writeFile(join(path, 'store.key.new'), createStoreSecret())
  await openAndClose(path)
  assert.deepEqual((await readdir(path)).sort(), WHOLE)
})

test('data directory: one whose making was cut off anywhere begins again', async (t) => {
  const [whole, begun] = [await folder(t), await folder(t)]
  await openAndClose(whole)
  await mkdir(join(begun, 'index')) // before the key there is nothing in the index
  const { writeBufferBytes } = planOf(STORE_BYTES)
  await (await openDatabase(join(begun, 'index'), writeBufferBytes)).close()
  const nothing = (): Promise<void> => Promise.resolve()
  const states: [string, (path: string) => Promise<unknown>, readonly string[]][] = [
    ['an empty folder', nothing, []],
    ['an index that is not begun', (path) => mkdir(join(path, 'index')), []],
    ['an index without CURRENT', (path) => rm(join(path, 'index', 'CURRENT')), ['index']],
    ['an empty CURRENT', (path) => writeFile(join(path, 'index', 'CURRENT'), ''), ['index']],
    ['an index without its log', (path) => removeLogs(join(path, 'index')), ['index']],
    ['half a key', (path) => writeFile(join(path, 'store.key.new'), 'half'), ['index']],
    ['a key alone', nothing, ['store.key']],
    ['no entry yet', (path) => removeLogs(join(path, 'index')), ['index', 'store.key']],
    ['no slab', nothing, ['index', 'store.key']],
    ['a slab alone', nothing, ['slab']],
    ['no header', nothing, ['index', 'store.key', 'slab']],
    ['half a header', (path) => writeFile(join(path, 'store.json.new'), '{'), WHOLE.slice(0, 2)],
  ]
  for (const [name, damage, names] of states) {
    const path = await folder(t)
    const from = names.includes('store.key') ? whole : begun
    for (const each of names) {
      const source = each === 'index' ? from : whole
      await cp(join(source, each), join(path, each), { recursive: true })
    }
    await damage(path)
    const dir = await openAt(path)
    assert.equal(dir.isNew, true, name)
    await closeDir(dir)
    assert.deepEqual(await openAndClose(path), [], name)
    assert.deepEqual((await readdir(path)).sort(), WHOLE, name)
    if (!names.includes('store.key')) continue
    const [before, after] = [join(whole, 'store.key'), join(path, 'store.key')]
    assert.ok((await readFile(before)).equals(await readFile(after)), `${name}: the key is kept`)
  }
})

test('data directory: a process killed while it makes one leaves what another can go on with', async (t) => {
  for (let delayMs = 0; delayMs < 40; delayMs += 5) {
    const path = await folder(t)
    const child = startOpener(path)
    while ((await readdir(path)).length === 0) await sleep(1)
    await sleep(delayMs)
    child.kill('SIGKILL')
    await exited(child)
    assert.deepEqual(await openAndClose(path), [], `killed ${delayMs} ms after its first file`)
  }
})

test('data directory: one that cannot be made says so, and can be made when nothing is in the way', async (t) => {
  for (const name of ['index', 'store.key.new', 'store.key', 'slab', 'store.json.new']) {
    const path = await folder(t)
    const isFile = name === 'index'
    if (isFile) await writeFile(join(path, name), 'not a folder')
    else await mkdir(join(path, name, 'deep'), { recursive: true })
    await assert.rejects(openAt(path), hasCode('E_STORE_IO'), name)
    assert.ok(!(await readdir(path)).includes('store.json'), name)
    await rm(join(path, name), { recursive: true })
    assert.deepEqual(await openAndClose(path), [], name)
    assert.deepEqual((await readdir(path)).sort(), WHOLE, name)
  }
})

test('data directory: of several processes at the same instant one has it, the others are told', async (t) => {
  for (const prepare of [async () => {}, fillAt]) {
    const path = await folder(t)
    await prepare(path)
    const children = Array.from({ length: 3 }, () => startOpener(path))
    const words = await Promise.all(children.map(firstWord))
    for (const child of children) child.stdin?.end()
    assert.deepEqual(words.sort(), ['E_STORE_LOCKED', 'E_STORE_LOCKED', 'open'])
    await Promise.all(children.map(exited))
    assert.deepEqual(await openAndClose(path), [])
  }
})

test('data directory: the process that has it cannot open it again either, until it is closed', async (t) => {
  const path = await folder(t)
  const [first, second] = await Promise.allSettled([openAt(path), openAt(path)])
  const opened = [first, second].flatMap((each) =>
    each.status === 'fulfilled' ? [each.value] : [],
  )
  const failed = [first, second].flatMap((each) => (each.status === 'rejected' ? [each] : []))
  assert.equal(opened.length, 1)
  assert.ok(failed.every(({ reason }) => hasCode('E_STORE_LOCKED')(reason)))
  await assert.rejects(openAt(path), hasCode('E_STORE_LOCKED'))
  for (const dir of opened) await closeDir(dir)
  assert.deepEqual(await openAndClose(path), [])
})

test('data directory: one that a disk refused in the middle of its making is not taken for whole', async (t) => {
  if (process.platform === 'win32') return // no limit of this kind to imitate a disk with
  for (const blocks of [0, 20, 1000, 2047, 4096]) {
    const path = await folder(t)
    // no file may grow beyond so many half KiB: the write says EFBIG, as a full disk says ENOSPC
    const child = startOpener(path, `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`)
    const word = await firstWord(child)
    child.stdin?.end()
    await exited(child)
    if (word !== 'open') assert.match(word, /^E_STORE_(?:FULL|IO)$/, `${blocks} blocks`)
    else assert.ok(blocks > 2047, `${blocks} blocks hold a key`)
    const names = await readdir(path)
    assert.equal(names.includes('store.json'), word === 'open', names.join())
    assert.deepEqual(await openAndClose(path), [], `${blocks} blocks`)
  }
})

async function removeLogs(path: string): Promise<void> {
  for (const name of await readdir(path)) if (name.endsWith('.log')) await rm(join(path, name))
}

function startOpener(path: string, shell?: string): ChildProcess {
  const words = [process.execPath, OPENER, path, String(STORE_BYTES)]
  const [program = '', ...rest] = shell === undefined ? words : ['/bin/sh', '-c', shell, ...words]
  return spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
}

async function firstWord(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const piece of child.stdout ?? []) {
    text += String(piece)
    if (text.endsWith('\n')) break
  }
  return text.trim()
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}
