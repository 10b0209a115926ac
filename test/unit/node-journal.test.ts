/** What a real node goes on with after a restart. @module */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { parseUri } from '../../src/keys/uri.ts'
import { createNode } from '../../src/node.ts'
import { panic } from '../../src/store-admin.ts'

const MIB = 1024 * 1024

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) {
    await Promise.resolve()
    yield bytes.subarray(at, at + 65_536)
  }
}

async function allOf(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream as unknown as AsyncIterable<Uint8Array>) parts.push(part)
  return Buffer.concat(parts)
}

test('an upload goes on in a node that was started again, and so does a download of it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const open = () => createNode({ dataDir, storeBytes: 192 * MIB })
  const bytes = randomBytes(18 * MIB + 1)
  const first = await open()
  const { id } = await first.uploads.create({ name: 'film.webm' })
  await first.uploads.append(id, { offset: 0, content: pieces(bytes), isLast: false })
  const path = join(folder, 'film.webm')
  await first.close()
  const journal = await Promise.all(
    (await readdir(join(dataDir, 'journal.d'))).map((name) =>
      readFile(join(dataDir, 'journal.d', name)),
    ),
  )
  assert.ok(!journal.some((record) => record.includes('film.webm')), 'no name is in the clear')

  const second = await open()
  const offset = second.uploads.status(id)?.offset ?? 0
  assert.ok(offset >= 16 * MIB && offset < bytes.length, String(offset))
  const content = pieces(bytes.subarray(offset))
  const { result } = await second.uploads.append(id, { offset, content, isLast: true })
  const uri = result?.uri ?? ''
  const outcome = await second.fetch(parseUri(uri))
  assert.ok(outcome.type === 'found')
  assert.ok((await allOf(outcome.stream)).equals(bytes))
  const { blocks, spreadBlocks } = second.insertStatus(result?.insertId ?? 0) ?? assert.fail()
  assert.ok(blocks > (18 * MIB) / 32_768)
  assert.equal(spreadBlocks, 0)
  await second.transfers.add({ uri, path, priority: 1 })
  await second.transfers.change(1, { paused: true })
  await second.close()

  const third = await open()
  await third.transfers.change(1, { paused: false })
  while (third.transfers.get(1)?.phase !== 'done') await new Promise((r) => setTimeout(r, 5))
  assert.ok((await readFile(path)).equals(bytes))
  await third.close()
  assert.equal(await panic(dataDir), true)
  const left = await readdir(dataDir)
  assert.deepEqual(
    left.filter((name) => name.startsWith('journal')),
    [],
  )
})
