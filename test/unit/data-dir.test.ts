import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { openDataDir } from '../../src/datastore/data-dir.ts'
import type { DataDir, DataDirOptions } from '../../src/datastore/data-dir.ts'
import { insertKey } from '../../src/datastore/keyspace.ts'
import { planOf } from '../../src/datastore/quota.ts'
import { EMPTY_RECORD, decodeRecord, encodeRecord } from '../../src/datastore/record.ts'
import { openDatabase } from '../../src/datastore/rocks-open.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { isShoalError } from '../../src/errors.ts'
import { utf8 } from '../../src/keys/bytes.ts'
import { STORE_SECRET_BYTES, createStoreSecret, wrapSecret } from '../../src/keys/seal.ts'
import { hasCode } from '../helpers/disk-store.ts'

const MIB = 1024 * 1024
const STORE_BYTES = 40 * MIB
const OPENER = fileURLToPath(new URL('../helpers/data-dir-opener.js', import.meta.url))
/** Names of a whole data directory. */
const WHOLE = ['index', 'slab', 'store.json', 'store.key']

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-dir-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Opens; what it warned of is added to `warnings`. */
function openAt(
  path: string,
  options: Partial<DataDirOptions> = {},
  warnings: string[] = [],
): Promise<DataDir> {
  return openDataDir(path, {
    storeBytes: STORE_BYTES,
    defaultBytes: 50 * MIB,
    passphrase: undefined,
    logger: { info: () => {}, warn: (line) => warnings.push(line) },
    ...options,
  })
}

async function closeDir(dir: DataDir): Promise<void> {
  await dir.slab.close()
  await dir.index.close()
}

/** Opens and closes; what was warned of. */
async function openAndClose(path: string, options?: Partial<DataDirOptions>): Promise<string[]> {
  const warnings: string[] = []
  await closeDir(await openAt(path, options, warnings))
  return warnings
}

/** A whole directory with an entry in its index and a few slots. */
async function usedFolder(t: TestContext): Promise<string> {
  const path = await folder(t)
  await fillAt(path)
  return path
}

async function fillAt(path: string): Promise<void> {
  const dir = await openAt(path)
  const key = insertKey(dir.keys, 7)
  const value = encodeRecord(dir.keys, key, { ...EMPTY_RECORD, area: 'insert', insertId: 7 })
  await dir.index.write([{ key: key.bytes, value }])
  await dir.slab.extend(3)
  await closeDir(dir)
}

/** Every file with a digest of its content. */
async function snapshot(path: string): Promise<string[]> {
  const lines: string[] = []
  for (const name of (await readdir(path, { recursive: true })).sort()) {
    const file = join(path, name)
    const isFile = (await stat(file)).isFile()
    const digest = isFile
      ? createHash('sha256')
          .update(await readFile(file))
          .digest('hex')
      : ''
    lines.push(`${name} ${digest}`)
  }
  return lines
}

/** Opening says so, in one line, and has changed nothing. */
async function assertRefused(path: string, code: ErrorCode, message: RegExp): Promise<void> {
  const before = await snapshot(path)
  const opening = openAt(path, { passphrase: 'open sesame' })
  await assert.rejects(opening, (error) => {
    assert.ok(isShoalError(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.ok(!error.message.includes('\n') && error.message.length < 200, error.message)
    assert.ok(!error.message.includes('sesame') && !error.message.includes(path))
    return true
  })
  assert.deepEqual(await snapshot(path), before)
}

test('data directory: a new one is whole, and opens again with the quota it was made with', async (t) => {
  const path = join(await folder(t), 'deep', 'down')
  const first = await openAt(path)
  assert.equal(first.isNew, true)
  assert.equal(first.folder, path)
  assert.deepEqual(first.plan, planOf(STORE_BYTES))
  assert.equal(first.slab.slots, 0)
  const { bytes } = insertKey(first.keys, 0)
  const [meta] = await first.index.getMany([bytes])
  assert.ok(meta !== undefined)
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
  assert.deepEqual(await openAndClose(path), [])
})

test('data directory: one of another format is left as it is', async (t) => {
  const path = await usedFolder(t)
  await writeFile(join(path, 'store.json'), '{"format":2,"storeBytes":1,"more":true}')
  await assertRefused(path, 'E_STORE_FORMAT', /newer shoal/)
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
  const more = ['{"format":0,"storeBytes":1}', '{"format":1,"storeBytes":-1}', 'x'.repeat(9000)]
  for (const text of [...wrong, ...more, '{"format":1,"storeBytes":5}', '\u00ff{}']) {
    await writeFile(join(path, 'store.json'), text)
    await assertRefused(path, 'E_STORE_IO', /store\.json is damaged: .*"storeBytes":N/)
  }
  await writeFile(join(path, 'store.json'), `{"format":1,"storeBytes":${STORE_BYTES}}`)
  assert.deepEqual(await openAndClose(path), [])
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
