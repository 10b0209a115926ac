import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  cp,
  link,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { openDataDir } from '../../src/datastore/data-dir.ts'
import type { DataDir } from '../../src/datastore/data-dir.ts'
import { openKeyring } from '../../src/keyring.ts'
import { utf8 } from '../../src/keys/bytes.ts'
import { createStoreSecret, wrapSecret } from '../../src/keys/seal.ts'
import { silentLogger } from '../../src/runtime.ts'
import { changePassphrase, isProtected, panic } from '../../src/store-admin.ts'
import type { PanicStep } from '../../src/store-admin.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { hasCode } from '../helpers/disk-store.ts'

const MIB = 1024 * 1024
const WRITER = fileURLToPath(new URL('../helpers/store-under-panic.js', import.meta.url))
const KEYRING = ['keyring', 'keyring.d', 'keyring.key']

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-panic-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

function openAt(path: string): Promise<DataDir> {
  const options = { storeBytes: 40 * MIB, defaultBytes: 40 * MIB, passphrase: undefined }
  return openDataDir(path, { ...options, logger: silentLogger })
}

/** Everything a node leaves: store, saved state, identity, publisher keys. */
async function usedFolder(t: TestContext): Promise<string> {
  const path = await folder(t)
  const dir = await openAt(path)
  await dir.slab.extend(3)
  await dir.slab.close()
  await dir.index.close()
  await writeFile(join(path, 'state'), createStoreSecret())
  await writeFile(join(path, 'node.key'), 'n'.repeat(32))
  await writeFile(join(path, 'node.proof'), 'p'.repeat(15))
  await writeFile(join(path, 'peers'), '[]')
  const keyring = await openKeyring({ dataDir: path })
  await keyring.create('blog')
  await writeFile(join(path, 'keyring.d', 'a'.repeat(32)), 'r'.repeat(4096))
  return path
}

async function digestOf(path: string, names: readonly string[]): Promise<string[]> {
  const contents: string[] = []
  for (const name of names) {
    const file = join(path, name)
    if ((await stat(file)).isFile()) contents.push((await readFile(file)).toString('base64'))
    else contents.push(...(await digestOf(file, (await readdir(file)).sort())))
  }
  return contents
}

async function panicAt(
  path: string,
  withKeys = false,
): Promise<{ readonly isComplete: boolean; readonly steps: readonly PanicStep[] }> {
  const steps: PanicStep[] = []
  const isComplete = await panic(path, { withKeys, onstep: (step) => steps.push(step) })
  return { isComplete, steps }
}

test('panic: of a stopped node nothing is left but the publisher keys, the store key going first', async (t) => {
  const path = await usedFolder(t)
  const before = await digestOf(path, KEYRING)
  const { isComplete, steps } = await panicAt(path)
  assert.equal(isComplete, true)
  assert.deepEqual(steps.slice(0, 2), [
    { name: 'store.key', outcome: 'destroyed' },
    { name: 'state', outcome: 'destroyed' },
  ])
  assert.deepEqual((await readdir(path)).sort(), KEYRING)
  assert.deepEqual(await digestOf(path, KEYRING), before)
  assert.equal((await openKeyring({ dataDir: path })).list().length, 1)
  const again = await panicAt(path)
  assert.deepEqual(again, { isComplete: true, steps: [] }, 'what is gone stays gone')
})

test('panic: with the publisher keys nothing at all is left', async (t) => {
  const path = await usedFolder(t)
  const { isComplete, steps } = await panicAt(path, true)
  assert.equal(isComplete, true)
  const destroyed = steps.filter(({ outcome }) => outcome === 'destroyed').map(({ name }) => name)
  assert.deepEqual(destroyed.slice(0, 4), ['store.key', 'state', 'keyring.key', 'keyring'])
  assert.ok(destroyed.some((name) => name.startsWith('keyring.d')))
  assert.deepEqual(await readdir(path), [])
})

test('panic: publisher keys that an earlier one has kept go with the next', async (t) => {
  const path = await usedFolder(t)
  await panicAt(path)
  assert.equal((await panicAt(path, true)).isComplete, true)
  assert.deepEqual(await readdir(path), [])
})

test('panic: what opens something is overwritten where it was before its name goes', async (t) => {
  const path = await usedFolder(t)
  const aside = await folder(t)
  const secrets = ['store.key', 'state', 'node.key', 'keyring.key', 'keyring']
  await writeFile(join(path, 'store.key.new'), await readFile(join(path, 'store.key')))
  secrets.push('store.key.new')
  for (const name of secrets) await link(join(path, name), join(aside, name)) // the same bytes on disk
  const before = await Promise.all(secrets.map((name) => readFile(join(aside, name))))
  await panicAt(path, true)
  for (const [i, name] of secrets.entries()) {
    const after = await readFile(join(aside, name))
    assert.equal(after.length, before[i]?.length)
    const same = after.filter((byte, at) => byte === before[i]?.[at]).length
    assert.ok(same < after.length / 32 + 8, `${name}: ${same} bytes are as they were`)
  }
})

test('panic: a node that runs ends by itself, and nothing of it is left', async (t) => {
  const path = await folder(t)
  const child = spawn(process.execPath, [WRITER, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const words = wordsOf(child)
  assert.equal((await words.next()).value, 'open')
  await openKeyring({ dataDir: path })
  await link(join(path, 'slab'), join(await folder(t), 'slab'))
  const { isComplete, steps } = await panicAt(path)
  assert.equal(isComplete, true, JSON.stringify(steps))
  assert.equal((await words.next()).value, 'destroyed')
  if (child.exitCode === null) await once(child, 'exit')
  assert.equal(child.exitCode, 0)
  assert.deepEqual((await readdir(path)).sort(), KEYRING)
})

test('panic: a process that does not let go is told, and all that can go has gone', async (t) => {
  const path = await usedFolder(t)
  const dir = await openAt(path)
  t.after(() => dir.index.close())
  await dir.slab.close()
  const clock = createSimulatedClock()
  const steps: PanicStep[] = []
  const running = panic(path, { clock, onstep: (step) => steps.push(step) })
  assert.equal(await clock.runUntilSettled(running), false)
  assert.ok(clock.now() >= 10_000 && clock.now() < 11_000)
  assert.ok(steps.some(({ outcome }) => outcome === 'in-use'))
  const left = (await readdir(path)).filter((name) => name !== 'index')
  assert.deepEqual(left.sort(), [...KEYRING, 'store.json'], 'it can be repeated')
})

test('panic: a locked key needs no passphrase', async (t) => {
  const path = await usedFolder(t)
  const cost = { passes: 1, memoryKib: 8 }
  const wrapped = await wrapSecret(createStoreSecret(), utf8('swordfish'), cost)
  await writeFile(join(path, 'store.key'), wrapped)
  assert.equal(await isProtected(path), true)
  assert.equal((await panicAt(path)).isComplete, true)
  assert.equal(await isProtected(path), false)
})

test('panic: one file that resists stops none of the others, and is told', async (t) => {
  const path = await usedFolder(t)
  await rm(join(path, 'store.key'))
  await mkdir(join(path, 'store.key', 'deep'), { recursive: true }) // nothing that can be overwritten
  await chmod(join(path, 'state'), 0)
  await chmod(join(path, 'slab'), 0)
  const { isComplete, steps } = await panicAt(path)
  assert.equal(isComplete, false)
  assert.deepEqual(
    steps.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name),
    ['store.key'],
  )
  assert.deepEqual((await readdir(path)).sort(), [...KEYRING, 'store.json', 'store.key'])
})

test('panic: a slab or an index behind a link goes as the link, which is told', async (t) => {
  const path = await usedFolder(t)
  const aside = await folder(t)
  for (const name of ['slab', 'index']) {
    await rename(join(path, name), join(aside, name))
    await symlink(join(aside, name), join(path, name))
  }
  const before = await digestOf(aside, ['slab'])
  const { isComplete, steps } = await panicAt(path)
  assert.equal(isComplete, true)
  for (const linked of ['slab', 'index']) {
    const step = steps.find(({ name }) => name === linked)
    assert.ok(step?.reason?.startsWith(`a link: ${join(aside, linked)}, where it`), step?.reason)
  }
  assert.deepEqual((await readdir(path)).sort(), KEYRING)
  assert.deepEqual(await digestOf(aside, ['slab']), before)
})

test('panic: a key behind a link is out of reach, and every run says so until it is gone', async (t) => {
  for (const linked of ['store.key', 'state', 'node.key', 'keyring.key', 'keyring', 'keyring.d']) {
    const path = await usedFolder(t)
    const aside = await folder(t)
    await rename(join(path, linked), join(aside, 'there'))
    await symlink(join(aside, 'there'), join(path, linked))
    const before = await digestOf(aside, ['there'])
    for (let run = 0; run < 3; run++) {
      const { isComplete, steps } = await panicAt(path, true)
      assert.equal(isComplete, false, `${linked}, run ${run}`)
      const failed = steps.filter(({ outcome }) => outcome === 'failed')
      const reason = `a link to ${join(aside, 'there')}: destroy that`
      assert.deepEqual(failed, [{ name: linked, outcome: 'failed', reason }])
    }
    assert.deepEqual(await digestOf(aside, ['there']), before)
    await rm(join(aside, 'there'), { recursive: true })
    assert.equal((await panicAt(path, true)).isComplete, true, linked)
    assert.deepEqual(await readdir(path), [])
  }
})

test('panic: what is not of a node is left and told', async (t) => {
  const path = await usedFolder(t)
  await mkdir(join(path, 'src'))
  await writeFile(join(path, 'src', 'thesis.tex'), 'years')
  await writeFile(join(path, 'store.key.txt'), 'where I keep it')
  await writeFile(join(path, 'keyring.d', 'notes'), 'mine')
  const { isComplete, steps } = await panicAt(path, true)
  assert.equal(isComplete, true)
  const left = steps.filter(({ outcome }) => outcome === 'left')
  assert.deepEqual(left.map(({ name }) => name).sort(), ['keyring.d/notes', 'src', 'store.key.txt'])
  assert.deepEqual(await readFile(join(path, 'src', 'thesis.tex'), 'utf8'), 'years')
  assert.deepEqual((await readdir(path)).sort(), ['keyring.d', 'src', 'store.key.txt'])
})

test('panic: copies of the key beside it go too', async (t) => {
  const path = await usedFolder(t)
  await cp(join(path, 'store.key'), join(path, 'store.key.old'))
  assert.equal((await panicAt(path, true)).isComplete, true)
  assert.deepEqual(await readdir(path), [])
})

test('panic: a folder with one file that is called as ours is not touched', async (t) => {
  const foreign: Readonly<Record<string, string>>[] = [
    { 'store.json': '{"theme":"dark"}', letter: 'dear' },
    { 'store.json': '{"format":1}' },
    { 'store.key': 'of the store on the corner' },
    { slab: 'concrete', 'node.key': 'n'.repeat(32) },
    { 'keyring.key': 'k'.repeat(32) },
    { 'keyring.key': 'k'.repeat(33), 'node.key': 'n'.repeat(32) },
    { state: 's', keyring: 'k', CURRENT: 'x' },
  ]
  for (const files of foreign) {
    const path = await folder(t)
    await mkdir(join(path, 'index'))
    await writeFile(join(path, 'index', 'CURRENT'), 'electricity')
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
    const names = [...Object.keys(files), 'index']
    const before = await digestOf(path, names)
    await assert.rejects(panic(path, { withKeys: true }), { message: /nothing was touched/ })
    assert.deepEqual(await digestOf(path, names), before)
  }
})

test('panic: a passphrase that is set at the same time does not bring the key back', async (t) => {
  for (const lateMs of [0, 20, 200, 400]) {
    const path = await usedFolder(t)
    // takes its time for Argon2, with the key in memory
    const changing = changePassphrase(path, { before: undefined, after: 'one' })
    await new Promise((resolve) => setTimeout(resolve, lateMs))
    const [change] = await Promise.allSettled([changing, panicAt(path)])
    assert.deepEqual((await readdir(path)).sort(), KEYRING, `${lateMs} ms: ${change.status}`)
  }
})

test('panic: what an index leaves beside it that was made anew goes too', async (t) => {
  const path = await usedFolder(t)
  for (const name of ['index.new', 'index.old', 'index.damaged']) {
    await mkdir(join(path, name))
    await writeFile(join(path, name, '000007.sst'), 'entries')
  }
  assert.equal((await panicAt(path)).isComplete, true)
  assert.deepEqual((await readdir(path)).sort(), KEYRING)
})

test('panic: a data directory behind a link is destroyed where it is', async (t) => {
  const path = await usedFolder(t)
  const aside = await folder(t)
  await symlink(path, join(aside, 'data'))
  assert.equal((await panicAt(join(aside, 'data'), true)).isComplete, true)
  assert.deepEqual(await readdir(path), [])
})

test('panic: a folder that is no data directory is not touched', async (t) => {
  const path = await folder(t)
  await mkdir(join(path, 'index'))
  await writeFile(join(path, 'index', 'index.html'), 'my site')
  await writeFile(join(path, 'letter'), 'dear')
  const before = await digestOf(path, ['index', 'letter'])
  for (const each of [path, join(path, 'letter'), join(path, 'absent'), '/', homedir()]) {
    await assert.rejects(panic(each), { code: 'E_STORE_IO', message: /nothing was touched/ })
  }
  assert.deepEqual(await digestOf(path, ['index', 'letter']), before)
})

test('panic: what one that was cut off has left goes with the next', async (t) => {
  const whole = await usedFolder(t)
  for (const names of [
    ['store.key'],
    ['store.json'],
    ['store.json', 'slab', 'index', 'node.key'],
    ['node.key', 'keyring.key'],
    ['keyring', 'keyring.key'],
    ['keyring.d', 'keyring.key'],
  ]) {
    const path = await folder(t)
    for (const name of names) await cp(join(whole, name), join(path, name), { recursive: true })
    assert.equal((await panicAt(path, true)).isComplete, true, names.join())
    assert.deepEqual(await readdir(path), [])
  }
})

test('passphrase: it is set, changed and removed on the files, and told whether there is one', async (t) => {
  const path = await usedFolder(t)
  assert.equal(await isProtected(path), false)
  assert.equal(await isProtected(join(path, 'absent')), false)
  await changePassphrase(path, { before: undefined, after: 'one' })
  assert.equal(await isProtected(path), true)
  await assert.rejects(openAt(path), hasCode('E_PASSPHRASE'))
  const wrong = changePassphrase(path, { before: 'two', after: undefined })
  await assert.rejects(wrong, hasCode('E_PASSPHRASE'))
  await changePassphrase(path, { before: 'one', after: undefined })
  const dir = await openAt(path)
  await dir.slab.close()
  await dir.index.close()
  const absent = changePassphrase(join(path, 'absent'), { before: undefined, after: 'one' })
  await assert.rejects(absent, { code: 'E_STORE_IO', message: 'there is no such folder' })
})

async function* wordsOf(child: ChildProcess): AsyncGenerator<string, void> {
  let text = ''
  for await (const piece of child.stdout ?? []) {
    text += String(piece)
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      yield text.slice(0, end)
      text = text.slice(end + 1)
    }
  }
}
