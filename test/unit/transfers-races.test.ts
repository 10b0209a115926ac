/** Downloads to disk that are told several things at once, and whose files others touch (spec §11.12). @module */
import assert from 'node:assert/strict'
import {
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { FetchOutcome } from '../../src/node-types.ts'
import {
  stall,
  transferBench,
  unstall,
  untilFailed,
  untilPhase,
} from '../helpers/transfer-bench.ts'
import type { TransferBench } from '../helpers/transfer-bench.ts'

/** Holds one write of the journal until the test lets it go. */
function holdWrite({ journal }: TransferBench, count: number) {
  const write = journal.write.bind(journal)
  let writes = 0
  let reach = (): void => {}
  const reached = new Promise<void>((resolve) => (reach = resolve))
  let release = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  journal.write = async (...record) => {
    if (++writes === count) {
      reach()
      await released
    }
    return write(...record)
  }
  return { reached, release }
}

/** Of a download in the bench: its start, pieces, the whole, done. */
const WRITES = 8

async function waitFor(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 1))
}

test('a pause and a resume at once, at whatever moment, leave one whole file and no failure', async (t) => {
  for (let count = 2; count <= WRITES; count++) {
    for (const delayMs of [0, 1, 3]) {
      const given = await transferBench(t)
      const { transfers, uri, path, content, folder } = given
      const faults: (string | undefined)[] = []
      transfers.onchange(({ fault }) => faults.push(fault))
      const held = holdWrite(given, count)
      await transfers.add({ uri, path })
      await held.reached
      const first = transfers.change(1, { paused: true })
      if (delayMs > 0) held.release()
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      const second = transfers.change(1, { paused: false })
      held.release()
      await Promise.all([first, second])
      await waitFor(() => transfers.get(1)?.phase === 'done' || faults.some(Boolean))
      assert.deepEqual(faults.filter(Boolean), [], `write ${count}, ${delayMs} ms`)
      assert.deepEqual(await readFile(path), content)
      assert.deepEqual((await readdir(folder)).sort(), ['data', 'film.webm'])
    }
  }
})

test('a download that is removed at whatever moment makes room at once for the same one', async (t) => {
  for (let count = 2; count < WRITES; count++) {
    const given = await transferBench(t)
    const { transfers, uri, path, content, folder } = given
    const held = holdWrite(given, count)
    await transfers.add({ uri, path })
    await held.reached
    const removed = Promise.all([transfers.remove(1), transfers.remove(1)])
    const added = transfers.add({ uri, path })
    held.release()
    assert.deepEqual(await removed, [true, false])
    assert.equal((await added).id, 2)
    await untilPhase(transfers, 'done', 2)
    assert.deepEqual(await readFile(path), content)
    assert.deepEqual((await readdir(folder)).sort(), ['data', 'film.webm'])
  }
})

test('of commands all at once the removal stays: nothing is left on the disk, on the list or in the journal', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, folder, journal } = given
  const told: string[] = []
  transfers.onchange(({ phase }) => told.push(phase))
  stall(given, 200_000)
  await transfers.add({ uri, path })
  await waitFor(() => (transfers.get(1)?.doneBytes ?? 0) > 100_000)
  const answers = await Promise.all([
    transfers.change(1, { paused: true }),
    transfers.change(1, { paused: false, priority: 9 }),
    transfers.remove(1),
    transfers.change(1, { paused: false }),
    transfers.deny(() => true),
  ])
  assert.deepEqual([answers[2], answers[3]], [true, undefined])
  assert.deepEqual([transfers.list(), await journal.names()], [[], []])
  assert.deepEqual(await readdir(folder), ['data'])
  assert.equal(told.at(-1), 'removed')
})

for (const type of ['not-found', 'timed-out', 'no-peers'] as const) {
  test(`a download that is paused while the answer is "${type}" stays paused`, async (t) => {
    const { transfers, uri, path, gate, clock } = await transferBench(t)
    let say = (_outcome: FetchOutcome): void => {}
    gate.fetch = () => new Promise((resolve) => (say = resolve))
    await transfers.add({ uri, path })
    const paused = transfers.change(1, { paused: true })
    say({ type })
    assert.equal((await paused)?.phase, 'paused')
    await clock.runFor(3_600_000)
    assert.equal(transfers.get(1)?.phase, 'paused')
  })
}

test('one that waits tells for how long, and tries at once when it is resumed', async (t) => {
  const { transfers, uri, path, node, clock } = await transferBench(t)
  for (const nextTryMs of [10_000, 20_000, 40_000]) {
    node.nextFetch = { type: 'not-found' }
    if (nextTryMs === 10_000) await transfers.add({ uri, path })
    else await clock.runFor(nextTryMs / 2)
    assert.equal((await untilPhase(transfers, 'waiting')).nextTryMs, nextTryMs)
  }
  await clock.runFor(15_000)
  assert.equal(transfers.get(1)?.nextTryMs, 25_000)
  node.nextFetch = { type: 'not-found' }
  await transfers.change(1, { paused: false })
  assert.equal((await untilPhase(transfers, 'waiting')).nextTryMs, 10_000, 'as at the beginning')
  await transfers.change(1, { paused: false })
  const { nextTryMs } = await untilPhase(transfers, 'done')
  assert.equal(nextTryMs, undefined)
})

test('one that runs tells its rate', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, clock } = given
  stall(given, 200_000)
  await transfers.add({ uri, path })
  await waitFor(() => (transfers.get(1)?.doneBytes ?? 0) >= 200_000)
  assert.equal(transfers.get(1)?.bytesPerSecond, undefined)
  await clock.runFor(2000)
  const { bytesPerSecond, doneBytes } = transfers.list()[0] ?? assert.fail()
  assert.equal(bytesPerSecond, doneBytes / 2)
})

test('no two downloads share a file on their way', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, content, node } = given
  const other = node.add('other', { name: 'other' })
  const site = `${node.addFolder({ a: 'a' }, 'site')}/`
  stall(given, 100_000)
  await transfers.add({ uri, path })
  await waitFor(() => (transfers.get(1)?.doneBytes ?? 0) > 0)
  const refused = async (place: string, overwrite: boolean) => {
    await assert.rejects(transfers.add({ uri: other, path: place, overwrite }), {
      code: 'E_EXISTS',
    })
  }
  await refused(`${path}.part`, true)
  await refused(`${path}.part`, false)
  await transfers.add({ uri, path: `${path}2.part` })
  await refused(`${path}2`, false)
  await transfers.remove(2)
  await transfers.add({ uri: site, path: `${path}3` })
  await waitFor(() =>
    stat(`${path}3.part/files`).then(
      () => true,
      () => false,
    ),
  )
  await refused(`${path}3.part/files/b`, false)
  unstall(given)
  await transfers.change(1, { paused: true })
  await transfers.change(1, { paused: false })
  await untilPhase(transfers, 'done', 1)
  assert.deepEqual(await readFile(path), content)
})

test('another file that takes the name of the part is not put in the place of the whole', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, content } = given
  const held = holdWrite(given, WRITES - 1) // it is whole
  await transfers.add({ uri, path })
  await held.reached
  await writeFile(`${path}.mine`, 'mine')
  await rename(`${path}.part`, `${path}.theirs`)
  await rename(`${path}.mine`, `${path}.part`)
  held.release()
  assert.equal((await untilFailed(transfers)).fault, 'E_PATH')
  await assert.rejects(stat(path), { code: 'ENOENT' })
  assert.equal(await readFile(`${path}.part`, 'utf8'), 'mine')
  await rename(`${path}.theirs`, `${path}.part`)
  await transfers.change(1, { paused: false })
  await untilPhase(transfers, 'done')
  assert.deepEqual(await readFile(path), content)
})

/** Paused with some of it on the disk. */
async function pausedBench(given: TransferBench): Promise<void> {
  const { transfers, uri, path } = given
  stall(given, 300_000)
  await transfers.add({ uri, path })
  await waitFor(() => (transfers.get(1)?.doneBytes ?? 0) > 200_000)
  await transfers.change(1, { paused: true })
  unstall(given)
}

test('a part that has another name, too, or is shorter than it was, is not written to', async (t) => {
  const given = await transferBench(t)
  const { transfers, path, content, folder } = given
  await pausedBench(given)
  await link(`${path}.part`, join(folder, 'mine'))
  const before = await readFile(join(folder, 'mine'))
  await transfers.change(1, { paused: false })
  assert.equal((await untilFailed(transfers)).fault, 'E_PATH')
  assert.deepEqual(await readFile(join(folder, 'mine')), before)
  await unlink(`${path}.part`)
  await writeFile(`${path}.part`, 'mine')
  await transfers.change(1, { paused: false })
  assert.equal((await untilFailed(transfers)).fault, 'E_PATH')
  assert.equal(await readFile(`${path}.part`, 'utf8'), 'mine')
  await unlink(`${path}.part`)
  await transfers.change(1, { paused: false })
  await untilPhase(transfers, 'done')
  assert.deepEqual(await readFile(path), content)
})

test('in a folder that leads elsewhere by now nothing is written and nothing removed', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, folder } = given
  const [sub, old, mine] = ['sub', 'old', 'mine'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await mkdir(sub)
  await mkdir(mine)
  await writeFile(join(mine, 'film.webm.part'), 'mine')
  await pausedBench({ ...given, path: join(sub, 'film.webm'), uri })
  await rename(sub, old)
  await symlink(mine, sub)
  await transfers.change(1, { paused: false })
  assert.equal((await untilFailed(transfers)).fault, 'E_PATH')
  assert.equal(await transfers.remove(1), true)
  assert.deepEqual(await readdir(mine), ['film.webm.part'])
  assert.equal(await readFile(join(mine, 'film.webm.part'), 'utf8'), 'mine')
})

test('what the disk has no room for is not begun', async (t) => {
  const given = await transferBench(t)
  const { transfers, uri, path, node, gate, folder } = given
  gate.fetch = async (key, options) => {
    const outcome = await node.fetch(key, options)
    return outcome.type === 'found' ? { ...outcome, size: 2 ** 52 } : outcome
  }
  await transfers.add({ uri, path })
  assert.equal((await untilFailed(transfers)).fault, 'E_STORE_FULL')
  assert.deepEqual(await readdir(folder), ['data'])
  assert.equal(node.live.streams, 0)
})

test('a download that fails to leave the disk stays on the list, and can be removed later', async (t) => {
  const given = await transferBench(t)
  const { transfers, path, folder } = given
  await pausedBench(given)
  await unlink(`${path}.part`)
  await mkdir(`${path}.part`)
  await assert.rejects(transfers.remove(1), { code: 'E_STORE_IO' })
  assert.equal(transfers.get(1)?.phase, 'failed')
  await rename(`${path}.part`, join(folder, 'mine'))
  assert.equal(await transfers.remove(1), true)
  assert.deepEqual((await readdir(folder)).sort(), ['data', 'mine'])
})
