/** `shoal panic` on folders made for it. @module */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { CliOptions } from '../helpers/cli-io.ts'
import { runCli } from '../helpers/cli-io.ts'
import { atTerminal, FakeTerminal } from '../helpers/fake-terminal.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-panic-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function makeDataDir(name: string): Promise<string> {
  const dataDir = join(folder, name)
  await mkdir(join(dataDir, 'keyring.d'), { recursive: true })
  const files = {
    'store.key': 's'.repeat(1_048_576),
    'store.json': '{"format":1,"storeBytes":67108864}\n',
    slab: '',
    'node.key': 'n'.repeat(32),
    'keyring.key': 'k'.repeat(32),
    keyring: 'r'.repeat(4096),
  }
  for (const [file, text] of Object.entries(files)) await writeFile(join(dataDir, file), text)
  await writeFile(join(dataDir, 'keyring.d', '0'.repeat(32)), 'x')
  return dataDir
}

const panic = (dataDir: string, words: string[], options?: CliOptions) =>
  runCli(['panic', '--data-dir', dataDir, ...words], options)

test('the key goes first, then all but the publisher keys, and each step is told', async () => {
  const dataDir = await makeDataDir('a')
  const { exit, stdout, stderr } = await panic(dataDir, ['--yes'])
  assert.deepEqual([exit, stdout], [0, ''], stderr)
  const lines = stderr.trimEnd().split('\n')
  assert.equal(lines[0], 'shoal panic: store.key is overwritten and removed')
  assert.ok(lines.includes('shoal panic: slab is removed'))
  assert.match(
    lines.at(-1) ?? '',
    /^shoal panic: the store in \S+ is destroyed; publisher keys are kept/,
  )
  assert.deepEqual((await readdir(dataDir)).toSorted(), ['keyring', 'keyring.d', 'keyring.key'])
})

test('with --keys nothing is left, also where only the keys were', async () => {
  const dataDir = await makeDataDir('b')
  assert.equal((await panic(dataDir, ['--yes'])).exit, 0)
  const { exit, stderr } = await panic(dataDir, ['--yes', '--keys'])
  assert.equal(exit, 0, stderr)
  assert.match(stderr, /keyring\.key is overwritten and removed/)
  assert.match(stderr, /is destroyed\n$/)
  assert.deepEqual(await readdir(dataDir), [])
})

test('at a terminal it asks, and anything but yes touches nothing', async () => {
  const dataDir = await makeDataDir('c')
  for (const answer of ['no\n', '\n', 'yesterday\n']) {
    const question = /^Destroy the store and the publisher keys in \S+ for good\? \(yes\/no\) /
    const terminal = atTerminal(new FakeTerminal(), [[question, answer]])
    const { exit, stderr } = await panic(dataDir, ['--keys'], terminal)
    assert.deepEqual([exit, existsSync(join(dataDir, 'store.key'))], [1, true])
    assert.match(stderr, /shoal panic: nothing was touched\n$/)
  }
  const terminal = atTerminal(new FakeTerminal(), [[/^Destroy the store in /, ' Yes\n']])
  assert.equal((await panic(dataDir, [], terminal)).exit, 0)
  assert.equal(existsSync(join(dataDir, 'store.key')), false)
})

test('without a terminal it wants --yes', async () => {
  const dataDir = await makeDataDir('d')
  const { exit, stderr } = await panic(dataDir, [])
  assert.deepEqual([exit, existsSync(join(dataDir, 'store.key'))], [2, true])
  assert.match(stderr, /--yes is missing, .* nothing was touched/)
})

test('a folder that is no data directory is left alone', async () => {
  const dataDir = join(folder, 'letters')
  await mkdir(dataDir)
  await writeFile(join(dataDir, 'letter'), 'dear')
  for (const path of [dataDir, join(folder, 'absent')]) {
    const { exit, stderr } = await panic(path, ['--yes', '--keys'])
    assert.equal(exit, 1)
    assert.match(stderr, /^shoal panic: \S+: not a data directory: nothing was touched/)
  }
  assert.deepEqual(await readdir(dataDir), ['letter'])
})

test('what is not of a node is left, and named', async () => {
  const dataDir = await makeDataDir('f')
  await writeFile(join(dataDir, 'thesis.tex'), 'years')
  const { exit, stderr } = await panic(dataDir, ['--yes', '--keys'])
  assert.equal(exit, 0, stderr)
  assert.match(stderr, /^shoal panic: thesis\.tex is left \(not ours\)$/m)
  assert.deepEqual(await readdir(dataDir), ['thesis.tex'])
})

test('what cannot be destroyed is named, the rest goes, and it is a failure', async () => {
  const dataDir = await makeDataDir('e')
  await rm(join(dataDir, 'store.key'))
  await mkdir(join(dataDir, 'store.key')) // no file, and no link either
  const { exit, stderr } = await panic(dataDir, ['--yes'])
  assert.equal(exit, 1, stderr)
  assert.match(stderr, /^shoal panic: store\.key could not be destroyed \(not a file/)
  assert.match(stderr, /not all of it is gone: see above, then run this again\n$/)
  assert.equal(existsSync(join(dataDir, 'slab')), false)
})
