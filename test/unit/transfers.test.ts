/** Downloads to disk (spec §11.12). @module */
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'

import { ShoalClient } from '../../src/client/index.ts'
import { ShoalError } from '../../src/errors.ts'
import { formatUri } from '../../src/keys/uri.ts'
import type { TransferRequest } from '../../src/node-types.ts'
import { readTransfers } from '../../src/transfers/transfer-records.ts'
import {
  PIECE_BYTES,
  stall,
  transferBench,
  unstall,
  untilFailed,
  untilPhase,
} from '../helpers/transfer-bench.ts'

test('a download appears whole at its path, and nothing else is left', async (t) => {
  const { transfers, uri, path, content, folder } = await transferBench(t)
  const told: string[] = []
  transfers.onchange(({ phase }) => told.push(phase))
  const { id, phase } = await transfers.add({ uri, path })
  assert.deepEqual([id, phase], [1, 'running'])
  const done = await untilPhase(transfers, 'done')
  assert.deepEqual([done.doneBytes, done.sizeBytes], [content.length, content.length])
  assert.deepEqual(await readFile(path), content)
  assert.deepEqual((await readdir(folder)).sort(), ['data', 'film.webm'])
  assert.equal((await stat(path)).mode & 0o077, 0)
  assert.equal(told.at(-1), 'done')
})

test('an empty file is downloaded, too', async (t) => {
  const { transfers, node, path } = await transferBench(t)
  await transfers.add({ uri: node.add(''), path })
  await untilPhase(transfers, 'done')
  assert.equal((await stat(path)).size, 0)
})

test('a paused download goes on where it was, also after a restart', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, content, node, open } = given
  stall(given, 300_000)
  await transfers.add({ uri, path })
  while ((transfers.get(1)?.doneBytes ?? 0) < 200_000) await new Promise((r) => setTimeout(r, 1))
  assert.equal((await transfers.change(1, { paused: true }))?.phase, 'paused')
  await assert.rejects(stat(path), { code: 'ENOENT' })
  await transfers.close()
  unstall(given)
  const again = await open()
  t.after(() => again.close())
  assert.equal(again.get(1)?.phase, 'paused')
  const kept = again.get(1)?.doneBytes ?? 0
  assert.ok(kept >= 200_000 && kept % PIECE_BYTES === 0)
  await again.change(1, { paused: false })
  await untilPhase(again, 'done')
  assert.deepEqual(await readFile(path), content)
  assert.deepEqual(node.calls.fetch.at(-1)?.options.range, {
    type: 'from-to',
    first: kept,
    last: undefined,
  })
})

test('a download that was under way goes on by itself after a restart', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, content, open } = given
  stall(given, 50_000)
  await transfers.add({ uri, path })
  while ((await stat(`${path}.part`).catch(() => undefined)) === undefined) {
    await new Promise((r) => setTimeout(r, 1))
  }
  await transfers.close()
  unstall(given)
  const again = await open()
  t.after(() => again.close())
  await untilPhase(again, 'done')
  assert.deepEqual(await readFile(path), content)
})

test('a download that the end of the node breaks off goes on with the next start', async (t) => {
  const { transfers, uri, path, gate, open, node } = await transferBench(t)
  gate.fetch = () => Promise.reject(new ShoalError('E_CLOSED', 'The node is closing.'))
  await transfers.add({ uri, path })
  await untilPhase(transfers, 'waiting')
  await transfers.close()
  gate.fetch = node.fetch.bind(node)
  const again = await open()
  t.after(() => again.close())
  await untilPhase(again, 'done')
})

test('a download that cannot be kept in the journal is not taken', async (t) => {
  const { transfers, uri, path, journal } = await transferBench(t)
  journal.write = () => Promise.reject(new ShoalError('E_STORE_FULL', 'No.'))
  await assert.rejects(transfers.add({ uri, path }), { code: 'E_STORE_FULL' })
  assert.deepEqual(transfers.list(), [])
})

test('what was changed on the disk meanwhile is found at the end, and never called whole', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, content } = given
  stall(given, 300_000)
  await transfers.add({ uri, path })
  while ((transfers.get(1)?.doneBytes ?? 0) < 200_000) await new Promise((r) => setTimeout(r, 1))
  await transfers.change(1, { paused: true })
  const part = await readFile(`${path}.part`)
  part[1000] = (part[1000] ?? 0) ^ 1
  await writeFile(`${path}.part`, part)
  unstall(given)
  await transfers.change(1, { paused: false })
  assert.equal((await untilFailed(transfers)).fault, 'E_STORE_IO')
  await assert.rejects(stat(path), { code: 'ENOENT' })
  await transfers.change(1, { paused: false })
  await untilPhase(transfers, 'done')
  assert.deepEqual(await readFile(path), content)
})

test('what nobody has now is looked for again later', async (t) => {
  const { transfers, uri, path, node, clock } = await transferBench(t)
  node.nextFetch = { type: 'no-peers' }
  await transfers.add({ uri, path })
  assert.equal((await untilPhase(transfers, 'waiting')).fault, 'E_NO_PEERS')
  node.nextFetch = { type: 'not-found' }
  await clock.runFor(10_000)
  await untilPhase(transfers, 'waiting')
  await clock.runFor(20_000)
  await untilPhase(transfers, 'done')
})

test('two run at once, and the greater priority goes first', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, folder } = given
  stall(given, 0)
  const add = (name: string, priority: number) =>
    transfers.add({ uri, path: join(folder, name), priority })
  for (const [name, priority] of [
    ['a', 5],
    ['b', 5],
    ['c', 1],
    ['d', 9],
  ] as const) {
    await add(name, priority)
  }
  const phases = () => transfers.list().map(({ phase }) => phase)
  assert.deepEqual(phases(), ['running', 'running', 'queued', 'queued'])
  await transfers.remove(1)
  assert.deepEqual(phases(), ['running', 'queued', 'running'])
  await transfers.change(3, { priority: 9 })
  await transfers.change(2, { paused: true })
  assert.deepEqual(phases(), ['paused', 'running', 'running'])
})

test('a download that is removed leaves no part behind', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, folder } = given
  stall(given, 100_000)
  await transfers.add({ uri, path })
  while ((transfers.get(1)?.doneBytes ?? 0) === 0) await new Promise((r) => setTimeout(r, 1))
  assert.equal(await transfers.remove(1), true)
  assert.equal(await transfers.remove(1), false)
  assert.deepEqual(await readdir(folder), ['data'])
})

test('a path that is no place for a download is refused, and nothing there is touched', async (t) => {
  const { transfers, uri, folder } = await transferBench(t)
  await writeFile(join(folder, 'old'), 'old')
  await mkdir(join(folder, 'sub'))
  await symlink(join(folder, 'old'), join(folder, 'link'))
  await symlink(join(folder, 'data'), join(folder, 'way'))
  const refused = async (path: string, code: string, more: Partial<TransferRequest> = {}) => {
    await assert.rejects(transfers.add({ uri, path, ...more }), { code }, path)
  }
  await refused('film.webm', 'E_PATH')
  await refused('', 'E_PATH')
  await refused('/', 'E_PATH')
  await refused(`${folder}/sub/../x`, 'E_PATH')
  await refused(`${folder}/a\0b`, 'E_PATH')
  await refused(`${folder}/a\nb`, 'E_PATH')
  await refused(`${folder}/sub/`, 'E_PATH')
  await refused(`${folder}/${'a'.repeat(251)}`, 'E_PATH')
  await refused(`${folder}/none/x`, 'E_PATH')
  await refused(`${folder}/old/x`, 'E_PATH')
  await refused(`${folder}/data/store.key`, 'E_PATH')
  await refused(`${folder}/way/store.key`, 'E_PATH')
  await refused(`${folder}/old`, 'E_EXISTS')
  await refused(`${folder}/link`, 'E_EXISTS')
  await refused(`${folder}/link`, 'E_PATH', { overwrite: true })
  await refused(`${folder}/sub`, 'E_PATH', { overwrite: true })
  await assert.rejects(transfers.add({ uri: 'CHK@no', path: `${folder}/x` }), { code: 'E_URI' })
  await refused(`${folder}/x`, 'E_QUERY', { priority: 10 })
  assert.deepEqual(transfers.list(), [])
  assert.equal(await readFile(join(folder, 'old'), 'utf8'), 'old')
})

test('a part of somebody else, or a link in its place, is neither written nor removed', async (t) => {
  const { transfers, uri, path, folder } = await transferBench(t)
  await writeFile(join(folder, 'victim'), 'mine')
  await symlink(join(folder, 'victim'), `${path}.part`)
  await transfers.add({ uri, path })
  assert.equal((await untilFailed(transfers)).fault, 'E_EXISTS')
  await transfers.remove(1)
  assert.equal(await readFile(`${path}.part`, 'utf8'), 'mine')
})

test('a file is replaced only where that was asked for, and only when the new one is whole', async (t) => {
  const { transfers, uri, path, content } = await transferBench(t)
  await writeFile(path, 'old')
  await transfers.add({ uri, path, overwrite: true })
  await untilPhase(transfers, 'done')
  assert.deepEqual(await readFile(path), content)
})

test('a file that appears at the path meanwhile is not written over', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path } = given
  stall(given, 100_000)
  await transfers.add({ uri, path })
  while ((transfers.get(1)?.doneBytes ?? 0) === 0) await new Promise((r) => setTimeout(r, 1))
  await transfers.change(1, { paused: true })
  await writeFile(path, 'new')
  unstall(given)
  await transfers.change(1, { paused: false })
  assert.equal((await untilFailed(transfers)).fault, 'E_EXISTS')
  assert.equal(await readFile(path, 'utf8'), 'new')
})

test('a key that is denied stops what runs, waits or is paused, and what is queued does not begin', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, folder, node, journal } = given
  const other = node.add('other', { name: 'b' })
  node.nextFetch = { type: 'no-peers' }
  await transfers.add({ uri, path: join(folder, 'waiting') })
  await untilPhase(transfers, 'waiting')
  stall(given, 100_000)
  for (const name of ['running', 'paused', 'too', 'queued']) {
    await transfers.add({ uri, path: join(folder, name) })
    if (name === 'paused') await transfers.change(3, { paused: true })
  }
  await transfers.add({ uri: other, path: join(folder, 'other'), priority: 0 })
  const phases = () => transfers.list().map(({ phase }) => phase)
  assert.deepEqual(phases(), ['waiting', 'running', 'paused', 'running', 'queued', 'queued'])
  unstall(given)
  const before = node.calls.fetch.length
  await transfers.deny((key) => formatUri(key) === uri)
  await untilPhase(transfers, 'done', 6)
  assert.deepEqual(phases(), ['failed', 'failed', 'failed', 'failed', 'failed', 'done'])
  assert.ok(transfers.list().every(({ fault, id }) => id === 6 || fault === 'E_DENIED'))
  assert.equal((await transfers.change(5, { paused: false }))?.fault, 'E_DENIED')
  await assert.rejects(transfers.add({ uri, path: join(folder, 'x') }), { code: 'E_DENIED' })
  assert.equal(node.calls.fetch.length, before + 1, 'nothing more is asked for it')
  assert.equal((await readTransfers(journal))[0]?.fault, 'E_DENIED', 'after a restart too')
  await transfers.deny(() => false)
  await transfers.change(5, { paused: false })
  await untilPhase(transfers, 'done', 5)
})

test('a download that is paused while nobody has it stays paused', async (t) => {
  const { transfers, uri, path, gate, clock } = await transferBench(t)
  gate.fetch = (_uri, { signal } = {}) =>
    new Promise((resolve) => {
      signal?.addEventListener('abort', () => {
        resolve({ type: 'not-found' })
      })
    })
  await transfers.add({ uri, path })
  assert.equal((await transfers.change(1, { paused: true }))?.phase, 'paused')
  await clock.runFor(60_000)
  assert.equal(transfers.get(1)?.phase, 'paused')
})

test('a folder without the slash of one is refused when it is known that it is one', async (t) => {
  const { transfers, node, path } = await transferBench(t)
  await transfers.add({ uri: node.addFolder({ 'a.txt': 'a' }, 'site'), path })
  assert.equal((await untilFailed(transfers)).fault, 'E_FOLDER')
})

test('the 1,001st download is refused until one is done, however long keys and paths are', async (t) => {
  const given = await transferBench(t)
  const { transfers, folder } = given
  stall(given, 0)
  const deep = join(folder, ...Array.from({ length: 14 }, () => 'd'.repeat(250)))
  await mkdir(deep, { recursive: true })
  const uri = `${given.uri.replace(/\/[^/]*$/, '')}/${'%C3%A4'.repeat(120)}`
  const add = (i: number) => transfers.add({ uri, path: join(deep, String(i)), priority: 0 })
  for (let i = 0; i < 1000; i++) await add(i)
  await assert.rejects(add(1000), { code: 'E_BUSY' })
  await assert.rejects(add(7), { code: 'E_EXISTS' })
  const text = JSON.stringify({ transfers: transfers.list() })
  const body = Readable.from([Buffer.from(text)])
  const answer = { status: 200, statusText: 'OK', header: () => 'application/json', body }
  const client = new ShoalClient({ transport: () => Promise.resolve(answer) })
  assert.equal((await client.listTransfers()).length, 1000, `${text.length} characters`)
})
