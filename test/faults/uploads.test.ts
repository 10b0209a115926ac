/** Uploads in parts on a disk that fails (spec §11.12): at each call in turn, full, and with torn records. @module */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { isShoalError, ShoalError } from '../../src/errors.ts'
import { openJournal } from '../../src/journal.ts'
import type { Outbox } from '../../src/datastore/store.ts'
import { readUploads } from '../../src/uploads/uploads.ts'
import type { Uploads } from '../../src/uploads/uploads.ts'
import { bytesOf, createUploadBench, keyInOneGo, rest } from '../helpers/upload-bench.ts'

const BYTES = bytesOf(350_000)
const FAULTS = ['E_STORE_IO', 'E_STORE_FULL'] as const

/** Has the call with that number fail, counted over everything an upload asks of a disk. */
function failAt(
  { store: { outbox }, journal }: ReturnType<typeof createUploadBench>,
  number: number,
  code: (typeof FAULTS)[number],
) {
  const state = { calls: 0, what: '' }
  const wrap = <A extends unknown[], R>(what: string, call: (...given: A) => Promise<R>) => {
    return (...given: A): Promise<R> => {
      if (state.calls++ !== number) return call(...given)
      state.what = what
      return Promise.reject(new ShoalError(code, 'No.'))
    }
  }
  outbox.begin = wrap('begin', outbox.begin.bind(outbox))
  outbox.add = wrap('add', outbox.add.bind(outbox))
  outbox.commit = wrap('commit', outbox.commit.bind(outbox))
  journal.write = wrap('write', journal.write.bind(journal))
  return state
}

function addressesIn(outbox: Outbox): Set<string> {
  return new Set([...outbox.entries()].map(({ address }) => Buffer.from(address).toString('hex')))
}

/** As `shoal put` goes on after a fault. Key and number of tries. */
async function sendAll(
  open: (tries: number) => Promise<Uploads>,
): Promise<{ uri: string | undefined; tries: number }> {
  for (let tries = 1; tries < 4; tries++) {
    const uploads = await open(tries)
    try {
      const { id } = await uploads.create({ tag: 'film', name: 'a', convergent: true })
      return { uri: (await rest(uploads, id, BYTES)).result?.uri, tries }
    } catch (error) {
      if (!isShoalError(error) || !error.code.startsWith('E_STORE')) throw error
    }
  }
  return assert.fail('it never got through')
}

async function addressesOfWhole(): Promise<Set<string>> {
  const bench = createUploadBench()
  await sendAll(() => Promise.resolve(bench.uploads))
  return addressesIn(bench.store.outbox)
}

for (const code of FAULTS) {
  for (const isRestarted of [false, true]) {
    const after = isRestarted ? 'and the node is started again' : 'and goes on'
    test(`an upload is whole whichever call of the disk fails with ${code} ${after}`, async () => {
      const [uri, whole] = [await keyInOneGo(BYTES, false), await addressesOfWhole()]
      const seen = new Set<string>()
      for (let number = 0; ; number++) {
        const bench = createUploadBench()
        const fault = failAt(bench, number, code)
        const open = (tries: number): Promise<Uploads> =>
          isRestarted && tries > 1 ? bench.restart() : Promise.resolve(bench.uploads)
        const sent = await sendAll(open)
        assert.equal(sent.uri, uri, `${fault.what}, call ${number}`)
        const kept = addressesIn(bench.store.outbox)
        assert.deepEqual(
          [...whole].filter((address) => !kept.has(address)),
          [],
        )
        if (fault.what === '') break
        seen.add(fault.what)
      }
      assert.deepEqual([...seen].sort(), ['add', 'begin', 'commit', 'write'])
    })
  }
}

test('an upload whose last record cannot be written has its key: everything is safe in the outbox', async () => {
  const bench = createUploadBench()
  const { id } = await bench.uploads.create({ name: 'a', convergent: true })
  bench.journal.write = () => Promise.reject(new ShoalError('E_STORE_FULL', 'No.'))
  const { result } = await rest(bench.uploads, id, BYTES.subarray(0, 50_000))
  assert.equal(result?.uri, await keyInOneGo(BYTES.subarray(0, 50_000), false))
})

test('an upload that could not be noted when it began takes no place', async () => {
  const bench = createUploadBench()
  const write = bench.journal.write.bind(bench.journal)
  bench.journal.write = () => Promise.reject(new ShoalError('E_STORE_IO', 'No.'))
  for (let i = 0; i < 40; i++) {
    await assert.rejects(bench.uploads.create({ tag: 'a' }), { code: 'E_STORE_IO' })
  }
  bench.journal.write = write
  const { id } = await bench.uploads.create({ tag: 'a' })
  assert.deepEqual(await bench.journal.names(), [`upload-${id}`])
})

async function journalFolder(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'shoal-torn-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  const key = randomBytes(32)
  const open = () => openJournal({ dataDir, journalKey: Uint8Array.from(key) })
  return { folder: join(dataDir, 'journal.d'), open }
}

test('a journal that was torn anywhere is opened, and loses the torn upload alone', async (t) => {
  const { folder, open } = await journalFolder(t)
  const bench = createUploadBench(await open())
  const [torn, other] = [await bench.uploads.create({}), await bench.uploads.create({})]
  await bench.uploads.append(torn.id, { offset: 0, content: parts(), isLast: false })
  const path = join(folder, `upload-${torn.id}`)
  const record = await readFile(path)
  const cuts = [0, 1, 24, 40, record.length >> 1, record.length - 1]
  const damages = [
    ...cuts.map((length) => () => truncate(path, length)),
    () => writeFile(path, new Uint8Array(record.length)),
    () => writeFile(path, Buffer.concat([record, new Uint8Array(1)])),
    () =>
      writeFile(
        path,
        record.map((byte, at) => (at === 100 ? byte ^ 1 : byte)),
      ),
  ]
  for (const damage of damages) {
    await writeFile(path, record)
    const whole = await readUploads(await open())
    assert.deepEqual(whole.map(({ id }) => id).sort(), [torn.id, other.id].sort())
    await damage()
    const left = await readUploads(await open())
    assert.deepEqual(
      left.map(({ id }) => id),
      [other.id],
    )
    assert.deepEqual(await readdir(folder), [`upload-${other.id}`])
  }
})

async function* parts(): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield BYTES
}
