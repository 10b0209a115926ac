/** The file of a deny-list: when it is looked at, and how long it may be. @module */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import { denyHash, openDenyList } from '../../src/gateway/deny-list.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const MIB = 1024 * 1024

async function fileFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-denied-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'denied')
}

test('a deny-list is looked at every two seconds without being asked, until it is closed', async (t) => {
  const file = await fileFor(t)
  const uri = parseUri(createFakeNode().add('x'))
  await writeFile(file, '')
  t.mock.timers.enable({ apis: ['setInterval'] })
  let told = (_isDenied: boolean): void => {}
  const list = await openDenyList(file, silentLogger, (has) => {
    told(has(uri))
  })
  for (const text of [denyHash(uri), '# nothing any more']) {
    const isDenied = new Promise<boolean>((resolve) => (told = resolve))
    await writeFile(file, text)
    t.mock.timers.tick(2000)
    assert.equal(await isDenied, text === denyHash(uri))
  }
  told = () => assert.fail('it was read after its end')
  list.close()
  await writeFile(file, `${denyHash(uri)}\n`)
  t.mock.timers.tick(10_000)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(list.has(uri), false)
})

test('a deny-list of 8 MiB is read, and a longer one refused before it is', async (t) => {
  const file = await fileFor(t)
  const line = denyHash(parseUri(createFakeNode().add('x')))
  await writeFile(file, `${line}\n`.padEnd(8 * MIB, '#'))
  const list = await openDenyList(file, silentLogger)
  list.close()
  await writeFile(file, `${line}\n`.padEnd(8 * MIB + 1, '#'))
  await assert.rejects(openDenyList(file, silentLogger), {
    code: 'E_OPTION',
    message: /longer than 8388608 bytes/,
  })
})
