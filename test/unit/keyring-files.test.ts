/** @module */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { openKeyring } from '../../src/keyring.ts'
import { KeyFile } from '../../src/keyring/key-file.ts'
import { parseKeyText } from '../../src/keyring/key-text.ts'
import { openDiskFiles } from '../../src/keyring/small-files.ts'
import { base32, base64url } from '../../src/keys/bytes.ts'
import { addresses, folder, hasCode } from '../helpers/keyring.ts'

const KIB = 1024

/** Every file below, by its path. */
async function contentOf(dataDir: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const path of await readdir(dataDir, { recursive: true })) {
    const full = join(dataDir, path)
    if ((await stat(full)).isFile()) files.set(path, await readFile(full))
  }
  return files
}

test('files are for their owner alone, and nothing in them or their names can be read', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  await keyring.create('diary')
  await keyring.setEdition('diary', 'secret site', 3)
  await keyring.saveSpreadRecord('diary', 'secret site', addresses(5))
  await keyring.addClaim({
    key: 'diary',
    document: 'secret site',
    edition: 3,
    body: Buffer.from('plain'),
  })
  const { seed } = parseKeyText(keyring.exportText('diary'))
  const { publicKey } = keyring.publisher('diary')
  const [address = ''] = addresses(1)
  const traces = [
    ...['diary', 'secret site', 'plain', 'USK@'].map((text) => Buffer.from(text)),
    ...[seed, publicKey, Buffer.from(address, 'latin1')].map((bytes) =>
      Buffer.from(bytes.subarray(0, 6)),
    ),
    ...[seed, publicKey].flatMap((bytes) =>
      [base64url(bytes), base32(bytes), Buffer.from(bytes).toString('hex')].map((text) =>
        Buffer.from(text.slice(0, 8)),
      ),
    ),
  ]
  const files = await contentOf(dataDir)
  assert.equal(files.size, 4)
  for (const [path, bytes] of files) {
    assert.equal((await stat(join(dataDir, path))).mode & 0o777, 0o600, path)
    assert.match(path, /^(keyring|keyring\.key|keyring\.d\/[0-9a-f]{32})$/)
    for (const trace of traces) {
      assert.ok(!bytes.includes(trace), `${path}: ${trace.toString()}`)
      assert.ok(!path.includes(trace.toString()))
    }
  }
  assert.equal((await stat(join(dataDir, 'keyring.d'))).mode & 0o777, 0o700)
})

test('who never made a key has the same files as who made three', async (t) => {
  const [none, three] = [await folder(t), await folder(t)]
  await openKeyring({ dataDir: none })
  const keyring = await openKeyring({ dataDir: three })
  for (const name of ['a', 'b', 'c']) await keyring.create(name)
  const sizes = async (path: string) =>
    [...(await contentOf(path))].map(([name, { length }]) => [name, length])
  assert.deepEqual(await sizes(none), await sizes(three))
})

test('two keyrings name the record of the same document differently', async (t) => {
  const dirs = [await folder(t), await folder(t)]
  const names: string[][] = []
  let text: string | undefined
  for (const dataDir of dirs) {
    const keyring = await openKeyring({ dataDir })
    if (text === undefined) await keyring.create('a')
    else await keyring.importText(text)
    text = keyring.exportText('a')
    await keyring.saveSpreadRecord('a', 'site', addresses(1))
    names.push(await readdir(join(dataDir, 'keyring.d')))
  }
  assert.notDeepEqual(names[0], names[1])
})

const DAMAGES: readonly (readonly [
  what: string,
  words: RegExp,
  (dataDir: string) => Promise<void>,
])[] = [
  [
    'a changed byte',
    /^keyring is damaged/,
    (dir) => change(dir, 'keyring', (bytes) => (bytes[500] = 1 ^ (bytes[500] ?? 0))),
  ],
  [
    'a cut keyring',
    /^keyring is damaged/,
    async (dir) =>
      writeFile(join(dir, 'keyring'), (await readFile(join(dir, 'keyring'))).subarray(0, 4000)),
  ],
  ['an empty keyring', /^keyring is damaged/, (dir) => writeFile(join(dir, 'keyring'), '')],
  [
    'an endless keyring',
    /^keyring is damaged/,
    (dir) => writeFile(join(dir, 'keyring'), Buffer.alloc(3_000_000)),
  ],
  [
    'another key file',
    /^keyring is damaged or of another keyring\.key/,
    (dir) => writeFile(join(dir, 'keyring.key'), Buffer.alloc(32, 1)),
  ],
  [
    'a cut key file',
    /^keyring\.key is damaged/,
    (dir) => writeFile(join(dir, 'keyring.key'), Buffer.alloc(31)),
  ],
  [
    'a long key file',
    /^keyring\.key is damaged/,
    (dir) => writeFile(join(dir, 'keyring.key'), Buffer.alloc(33)),
  ],
  ['no key file', /^keyring\.key is missing/, (dir) => rm(join(dir, 'keyring.key'))],
  [
    'a folder in its place',
    /^keyring in the data directory cannot be read/,
    async (dir) => {
      await rm(join(dir, 'keyring'))
      await mkdir(join(dir, 'keyring'))
    },
  ],
]

async function change(dir: string, name: string, edit: (bytes: Buffer) => void): Promise<void> {
  const bytes = await readFile(join(dir, name))
  edit(bytes)
  await writeFile(join(dir, name), bytes)
}

for (const [what, words, damage] of DAMAGES) {
  test(`a keyring with ${what} is refused, and no file is touched`, async (t) => {
    const dataDir = await folder(t)
    const keyring = await openKeyring({ dataDir })
    await keyring.create('blog')
    const whole = await contentOf(dataDir)
    await damage(dataDir)
    const before = await contentOf(dataDir)
    await assert.rejects(openKeyring({ dataDir }), hasCode('E_STORE_IO', words))
    assert.deepEqual(await contentOf(dataDir), before)
    await rm(join(dataDir, 'keyring'), { recursive: true })
    for (const [path, bytes] of whole) await writeFile(join(dataDir, path), bytes)
    assert.deepEqual((await openKeyring({ dataDir })).list(), keyring.list(), 'a copy put back')
  })
}

test('a process killed between writing and renaming leaves the keys as they were', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  await keyring.create('blog')
  await keyring.saveSpreadRecord('blog', 'site', addresses(10))
  const [record = ''] = await readdir(join(dataDir, 'keyring.d'))
  for (const draft of ['keyring.new', 'keyring.key.new', `keyring.d/${record}.new`]) {
    await writeFile(join(dataDir, draft), 'half')
  }
  const again = await openKeyring({ dataDir })
  assert.deepEqual(again.list(), keyring.list())
  await again.create('art')
  assert.equal((await openKeyring({ dataDir })).list().length, 2)
  assert.deepEqual(await readdir(join(dataDir, 'keyring.d')), [record])
  await assert.rejects(stat(join(dataDir, 'keyring.new')), { code: 'ENOENT' })
})

test('a process killed before the first keyring was whole starts with an empty one', async (t) => {
  const dataDir = await folder(t)
  await writeFile(join(dataDir, 'keyring.key.new'), 'half')
  await (await openKeyring({ dataDir })).create('blog')
  await rm(join(dataDir, 'keyring'))
  await writeFile(join(dataDir, 'keyring.new'), 'half')
  assert.deepEqual((await openKeyring({ dataDir })).list(), [])
})

test('a process killed while it makes keys loses none that it was told is safe', async (t) => {
  const dataDir = await folder(t)
  const program = fileURLToPath(new URL('../helpers/keyring-writer.js', import.meta.url))
  const told: string[] = []
  for (const prefix of ['first', 'second', 'third']) {
    const writer = spawn(process.execPath, [program, dataDir, prefix], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let lines = 0
    for await (const line of createInterface(writer.stdout)) {
      told.push(line)
      if (++lines === 7) writer.kill('SIGKILL')
    }
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit')
    const keyring = await openKeyring({ dataDir })
    for (const line of told) {
      const [name = '', uri, edition] = line.split('\t')
      assert.equal(keyring.info(name).uri, uri)
      assert.equal(keyring.lastEdition(name, 'site'), Number(edition))
    }
    assert.ok(keyring.list().length >= told.length)
  }
})

test('a change that the disk refuses changes nothing, and works when the disk does', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  await keyring.create('blog')
  const before = await contentOf(dataDir)
  await mkdir(join(dataDir, 'keyring.new'))
  const isRefused = hasCode('E_STORE_IO', /^keyring in the data directory cannot/)
  await assert.rejects(keyring.create('art'), isRefused)
  await assert.rejects(keyring.setEdition('blog', 'site', 1), isRefused)
  await assert.rejects(keyring.remove('blog'), isRefused)
  assert.deepEqual(
    keyring.list().map(({ name }) => name),
    ['blog'],
  )
  assert.equal(keyring.lastEdition('blog', 'site'), -1)
  assert.match(keyring.exportText('blog'), /^shoal-publisher-key-1 blog\n/)
  assert.deepEqual(await contentOf(dataDir), before)
  await rm(join(dataDir, 'keyring.new'), { recursive: true })
  await keyring.create('art')
  assert.equal((await openKeyring({ dataDir })).list().length, 2)
})

test('a data directory that does not exist is made; one that cannot be is E_STORE_IO', async (t) => {
  const base = await folder(t)
  await (await openKeyring({ dataDir: join(base, 'a', 'b') })).create('blog')
  await writeFile(join(base, 'file'), '')
  await assert.rejects(openKeyring({ dataDir: join(base, 'file') }), hasCode('E_STORE_IO', /./))
})

test('with defaults all files of a full keyring stay under 2 MiB', async (t) => {
  const dataDir = await folder(t)
  const { file } = await KeyFile.open(await openDiskFiles(dataDir, ''))
  const seed = new Uint8Array(32)
  const documents = Array.from({ length: 10_000 }, (_, i): [string, number] => [
    `document with number ${i}`,
    i,
  ])
  await file.write([{ name: 'blog', seed, editions: new Map(documents) }])
  const keyring = await openKeyring({ dataDir })
  await keyring.saveSpreadRecord('blog', 'site', addresses(100_000))
  const bytes = [...(await contentOf(dataDir)).values()].reduce(
    (sum, { length }) => sum + length,
    0,
  )
  // the keyring is there twice while it is rewritten
  assert.ok(bytes + 512 * KIB < 2048 * KIB, String(bytes))
})
