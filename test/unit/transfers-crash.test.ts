/** Downloads to disk whose node dies at any moment (spec §11.12): the next start ends them, whole. @module */
import assert from 'node:assert/strict'
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import type { TransferRequest } from '../../src/node-types.ts'
import { readTransfers } from '../../src/transfers/transfer-records.ts'
import { stall, transferBench, unstall, untilPhase } from '../helpers/transfer-bench.ts'
import type { TransferBench } from '../helpers/transfer-bench.ts'

type Moment = 'before' | 'after'

/** The disk stops with a write of the journal: it is done or not, and whoever asked for it is never told. */
function dieAt({ journal }: TransferBench, count: number, moment: Moment) {
  const write = journal.write.bind(journal)
  let writes = 0
  let die = (): void => {}
  const dead = new Promise<void>((resolve) => (die = resolve))
  let bury = (): void => {}
  const never = new Promise<never>((_, reject) => {
    bury = () => {
      reject(new Error('the process is gone'))
    }
  })
  journal.write = async (...record) => {
    if (++writes < count) return write(...record)
    if (moment === 'after' && writes === count) await write(...record)
    die()
    return never
  }
  const restore = (): void => {
    journal.write = write
  }
  return { dead, bury, restore, writes: () => writes }
}

type Wanted = TransferRequest & { readonly isThere: () => Promise<void> }

async function file({ uri, path, content }: TransferBench): Promise<Wanted> {
  const isThere = async (): Promise<void> => {
    assert.deepEqual(await readFile(path), content)
  }
  return Promise.resolve({ uri, path, isThere })
}

async function replacingFile(given: TransferBench): Promise<Wanted> {
  await writeFile(given.path, 'old')
  return { ...(await file(given)), overwrite: true }
}

async function folder({ node, content, path }: TransferBench): Promise<Wanted> {
  const files = { 'a.txt': 'a', 'b/large': content, 'b/z.txt': 'z', 'e/': '' }
  const uri = `${node.addFolder(files, 'site')}/`
  const isThere = async (): Promise<void> => {
    assert.deepEqual((await readdir(path)).sort(), ['a.txt', 'b', 'e'])
    assert.deepEqual((await readdir(join(path, 'b'))).sort(), ['large', 'z.txt'])
    assert.deepEqual(await readFile(join(path, 'b/large')), content)
  }
  return { uri, path, isThere }
}

/** Runs until it dies, does to the disk what could have been next, and starts again. */
async function survive(
  t: TestContext,
  { make, count, moment }: { make: typeof file; count: number; moment: Moment },
  next?: (path: string) => Promise<void>,
): Promise<void> {
  const given = await transferBench(t)
  const wanted = await make(given)
  const death = dieAt(given, count, moment)
  given.transfers.add(wanted).catch(() => {})
  await death.dead
  death.restore()
  await next?.(given.path)
  const again = await given.open()
  if (again.get(1) !== undefined) {
    await untilPhase(again, 'done')
    await wanted.isThere()
    assert.deepEqual((await readdir(given.folder)).sort(), ['data', 'film.webm'])
  } else assert.deepEqual([count, moment], [1, 'before'])
  death.bury()
}

/** Of a run that nothing happens to. */
async function countWrites(t: TestContext, make: typeof file): Promise<number> {
  const given = await transferBench(t)
  const wanted = await make(given)
  const death = dieAt(given, Number.POSITIVE_INFINITY, 'before')
  await given.transfers.add(wanted)
  await untilPhase(given.transfers, 'done')
  await given.transfers.close()
  return death.writes()
}

for (const make of [file, replacingFile, folder]) {
  test(`after a crash at any write of the journal a ${make.name} is there, whole, and nothing else`, async (t) => {
    const writes = await countWrites(t, make)
    assert.ok(writes >= 7, `${writes}`)
    for (let count = 1; count <= writes; count++) {
      for (const moment of ['before', 'after'] as const) {
        await t.test(`${moment} ${count} of ${writes}`, (sub) =>
          survive(sub, { make, count, moment }),
        )
      }
    }
  })
}

test('after a crash when the file has its name and still that of the part, it is done', async (t) => {
  const count = await countWrites(t, file)
  await survive(t, { make: file, count, moment: 'before' }, (path) => link(path, `${path}.part`))
})

test('after a crash when the folder has its name and something of its part is left, it is done', async (t) => {
  const count = await countWrites(t, folder)
  await survive(t, { make: folder, count, moment: 'before' }, async (path) => {
    await mkdir(`${path}.part`)
    await writeFile(`${path}.part/now`, 'rest')
  })
})

test('what has the path after a crash is only taken for the file when it is the same', async (t) => {
  const count = await countWrites(t, file)
  await survive(t, { make: file, count, moment: 'before' }, async (path) => {
    const damaged = await readFile(path)
    damaged[7] = (damaged[7] ?? 0) ^ 1
    await writeFile(path, damaged)
    await rename(path, `${path}.part`)
    await rm(`${path}.part`)
  })
})

test('a paused download whose part was removed begins anew, a file and a folder', async (t) => {
  for (const make of [file, folder]) {
    const given = await transferBench(t)
    const wanted = await make(given)
    stall(given, 250_000)
    await given.transfers.add(wanted)
    const least = make === file ? 200_000 : 0 // the small files of the folder do not end
    const kept = async () => (await readTransfers(given.journal))[0]?.kept
    while ((await kept())?.identity === undefined || ((await kept())?.bytes ?? 0) < least) {
      await new Promise((r) => setTimeout(r, 1))
    }
    await given.transfers.change(1, { paused: true })
    await rm(`${given.path}.part`, { recursive: true, force: true })
    unstall(given)
    await given.transfers.change(1, { paused: false })
    await untilPhase(given.transfers, 'done')
    await wanted.isThere()
  }
})
