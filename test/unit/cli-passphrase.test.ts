/** `shoal store passphrase` and where `shoal start` takes one from, on real files. @module */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { isProtected } from '../../src/store-admin.ts'
import type { CliOptions, CliResult } from '../helpers/cli-io.ts'
import { runCli } from '../helpers/cli-io.ts'
import { atTerminal, FakeTerminal } from '../helpers/fake-terminal.ts'

const KEY_BYTES = 1_048_576
const OLD = 'an old passphrase'
const NEW = 'ein neuer Paß 密码'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-passphrase-'))
  await writeFile(join(folder, 'old'), `${OLD}\n`)
  await writeFile(join(folder, 'new'), `${NEW}\r\nwhat stands below is no part of it\n`)
  await writeFile(join(folder, 'wrong'), 'wrong')
})
after(() => rm(folder, { recursive: true, force: true }))

/** A data directory with nothing but a key in the clear. */
async function makeDataDir(name: string): Promise<{ dataDir: string; key: Buffer }> {
  const dataDir = join(folder, name)
  await mkdir(dataDir, { mode: 0o700 })
  const key = randomBytes(KEY_BYTES)
  await writeFile(join(dataDir, 'store.key'), key, { mode: 0o600 })
  return { dataDir, key }
}

function passphrase(dataDir: string, words: string[], options?: CliOptions): Promise<CliResult> {
  return runCli(['store', 'passphrase', '--data-dir', dataDir, ...words], options)
}

const file = (option: string, name: string): string[] => [option, join(folder, name)]
const oldFile = (): string[] => file('--passphrase-file', 'old')
const newFile = (): string[] => file('--new-passphrase-file', 'new')
const wrongFile = (): string[] => file('--passphrase-file', 'wrong')

test('a passphrase is set, changed and taken away, and the key under it stays the same', async () => {
  const { dataDir, key } = await makeDataDir('a')
  const set = await passphrase(dataDir, file('--new-passphrase-file', 'old'))
  assert.deepEqual([set.exit, set.stdout], [0, ''], set.stderr)
  assert.match(set.stderr, /^shoal store: the passphrase is set; nobody can bring it back/)
  assert.equal(await isProtected(dataDir), true)
  assert.equal((await stat(join(dataDir, 'store.key'))).mode & 0o777, 0o600)

  const wrong = await passphrase(dataDir, [...wrongFile(), ...newFile()])
  assert.deepEqual([wrong.exit, wrong.stdout], [1, ''])
  assert.equal(wrong.stderr, `shoal store: ${dataDir}: the passphrase is wrong (E_PASSPHRASE)\n`)
  const changed = await passphrase(dataDir, [...oldFile(), ...newFile()])
  assert.equal(changed.exit, 0, changed.stderr)
  assert.match(changed.stderr, /the passphrase is another one/)

  const env = { SHOAL_PASSPHRASE: NEW }
  const removed = await passphrase(dataDir, ['--remove'], { env })
  assert.equal(removed.exit, 0, removed.stderr)
  assert.match(removed.stderr, /the passphrase is gone/)
  assert.ok((await readFile(join(dataDir, 'store.key'))).equals(key))
  const again = await passphrase(dataDir, ['--remove'])
  assert.match(again.stderr, /store\.key has no passphrase\n$/)
  for (const { stderr } of [set, wrong, changed, removed, again]) {
    assert.ok(!stderr.includes(OLD) && !stderr.includes(NEW), stderr)
  }
})

test('at a terminal both are asked for, and neither is shown', async () => {
  const { dataDir, key } = await makeDataDir('b')
  const terminal = new FakeTerminal()
  const set = atTerminal(terminal, [
    [/^New passphrase: /, 'sesame\r'],
    [/^The same again: /, 'sesame\r'],
  ])
  assert.equal((await passphrase(dataDir, [], set)).exit, 0)
  const differing = atTerminal(terminal, [
    [/^Passphrase now: /, 'sesame\r'],
    [/^New passphrase: /, 'one\r'],
    [/^The same again: /, 'other\r'],
  ])
  const failed = await passphrase(dataDir, [], differing)
  assert.equal(failed.exit, 1)
  assert.match(failed.stderr, /the two are not the same: nothing was changed/)
  const givenUp = atTerminal(terminal, [[/^Passphrase now: /, 'ses\u0003']])
  const interrupted = await passphrase(dataDir, [], givenUp)
  assert.deepEqual([interrupted.exit, terminal.isRaw], [1, false])
  const remove = atTerminal(terminal, [[/^Passphrase now: /, 'sesame\r']])
  assert.equal((await passphrase(dataDir, ['--remove'], remove)).exit, 0)
  assert.ok((await readFile(join(dataDir, 'store.key'))).equals(key))
  assert.equal(terminal.shown, '')
})

test('what cannot be a passphrase, or cannot be asked for, changes nothing', async () => {
  const { dataDir, key } = await makeDataDir('c')
  const files: readonly (readonly [name: string, content: Uint8Array | string, says: RegExp])[] = [
    ['empty', '', /empty: an empty passphrase protects nothing/],
    ['blank', '\nsecret', /blank: an empty passphrase protects nothing/],
    ['long', 'x'.repeat(1025), /long: a passphrase has at most 1,024 bytes/],
    ['endless', 'x'.repeat(300_000), /endless: a passphrase has at most 1,024 bytes/],
    ['binary', Uint8Array.of(0xff, 0xfe, 0x41), /binary: a passphrase is one line of UTF-8 text/],
  ]
  for (const [name, content, says] of files) {
    await writeFile(join(folder, name), content)
    const { exit, stderr } = await passphrase(dataDir, file('--new-passphrase-file', name))
    assert.equal(exit, 1)
    assert.match(stderr, says)
    assert.equal(stderr.split('\n').length, 2, stderr)
  }
  const absent = await passphrase(dataDir, file('--new-passphrase-file', 'absent'))
  assert.match(absent.stderr, /absent: there is no such file \(ENOENT\)\n$/)
  const nobody = await passphrase(dataDir, [])
  assert.deepEqual([nobody.exit, nobody.stdout], [2, ''])
  assert.match(nobody.stderr, /--new-passphrase-file is missing, and there is no terminal/)
  const both = await passphrase(dataDir, ['--remove', ...newFile()])
  assert.match(both.stderr, /--remove: not with --new-passphrase-file/)
  assert.ok((await readFile(join(dataDir, 'store.key'))).equals(key))
})

test('a folder without a key is one line that says so', async () => {
  const dataDir = join(folder, 'nothing-here')
  const { exit, stderr } = await passphrase(dataDir, newFile())
  assert.equal(exit, 1)
  assert.match(stderr, /^shoal store: \S*nothing-here: there is no such folder\n$/)
  await mkdir(dataDir)
  const empty = await passphrase(dataDir, newFile())
  assert.match(empty.stderr, /^shoal store: \S*nothing-here: store\.key is missing: .*\n$/)
})

test('a start without the passphrase that it needs says how to give one', async () => {
  const { dataDir } = await makeDataDir('d')
  await passphrase(dataDir, newFile())
  await writeFile(join(dataDir, 'store.json'), '{"format":1,"storeBytes":67108864}\n')
  const { exit, stderr } = await runCli(['start', '--data-dir', dataDir, '--bootstrap', 'none'])
  assert.equal(exit, 1)
  assert.match(
    stderr,
    /a passphrase is needed \(at a terminal, or with --passphrase-file or SHOAL_PASSPHRASE\) \(E_PASSPHRASE\)\n$/,
  )
})

test(
  'a file that never ends is read no further than a passphrase goes',
  { skip: process.platform === 'win32' },
  async () => {
    const { dataDir } = await makeDataDir('e')
    const { exit, stderr } = await passphrase(dataDir, ['--new-passphrase-file', '/dev/zero'])
    assert.equal(exit, 1)
    assert.match(stderr, /\/dev\/zero: a passphrase has at most 1,024 bytes/)
  },
)
