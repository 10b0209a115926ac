/** Where `shoal start` takes the key of a private network from, and that it tells nobody. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Arguments } from '../../src/cli/command.ts'
import { Interruption } from '../../src/cli/failures.ts'
import { givenNetworkKey, holdsNetworkKey } from '../../src/cli/network-key.ts'
import { runCli } from '../helpers/cli-io.ts'

const HEX = '00112233445566778899aabbccddeeff'.repeat(2)
const KEY = Uint8Array.from({ length: 32 }, (_, at) => 0x11 * (at % 16))
const OTHER = 'ff'.repeat(32)

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-network-key-'))
})
after(() => rm(folder, { recursive: true, force: true }))

function keyOf(
  text: string | undefined,
  env: Record<string, string> = {},
): ReturnType<typeof givenNetworkKey> {
  const given = new Arguments(text === undefined ? {} : { 'network-key': text }, [])
  return givenNetworkKey(given, { env, signal: new AbortController().signal })
}

async function fileWith(content: string | Uint8Array): Promise<string> {
  const path = join(folder, 'key')
  await writeFile(path, content)
  return path
}

test('the key is the first line of a file, else that of the environment', async () => {
  for (const content of [HEX, `${HEX}\n`, `${HEX.toUpperCase()}\r\nand words`, `${HEX} \n`]) {
    const path = await fileWith(content)
    const expected = { key: KEY, isOnCommandLine: false }
    assert.deepEqual(await keyOf(path, { SHOAL_NETWORK_KEY: OTHER }), expected)
  }
  assert.deepEqual((await keyOf(undefined, { SHOAL_NETWORK_KEY: HEX })).key, KEY)
  assert.equal((await keyOf(undefined, { SHOAL_NETWORK_KEY: '' })).key, undefined)
  assert.equal((await keyOf(undefined)).key, undefined)
})

test('a key on the command line is taken, and said to be there', async () => {
  assert.deepEqual(await keyOf(HEX), { key: KEY, isOnCommandLine: true })
  assert.ok(holdsNetworkKey(HEX) && holdsNetworkKey(`--network-key=${HEX}`))
  for (const word of ['start', 'key.txt', `${HEX}0`, `/keys/${HEX}`, '--network-key']) {
    assert.ok(!holdsNetworkKey(word))
  }
})

test('what is no key is refused, and no word of it is told', async () => {
  const mistyped = HEX.slice(1)
  const wrong = [
    mistyped, // on the command line, it is a file that is not there
    folder,
    await fileWith(mistyped),
  ]
  for (const text of wrong) {
    const words = ['start', '--data-dir', join(folder, 'data'), '--network-key', text]
    const { exit, stdout, stderr } = await runCli([...words, '--bootstrap', 'none'])
    assert.ok(exit > 0)
    assert.equal(stdout, '')
    assert.match(stderr, /^shoal start: --network-key: /)
    assert.ok(!stderr.includes(mistyped) && !stderr.includes(folder), stderr)
  }
  for (const content of [
    '',
    '\n',
    `${HEX}0`,
    ` ${HEX}`,
    Uint8Array.of(0xff, 0xfe),
    'x'.repeat(9999),
  ]) {
    await assert.rejects(
      keyOf(await fileWith(content)),
      /^\w+: --network-key: the key of a network is/,
    )
  }
  await assert.rejects(keyOf(undefined, { SHOAL_NETWORK_KEY: mistyped }), (error: Error) => {
    return error.message === 'SHOAL_NETWORK_KEY: the key of a network is 64 hexadecimal digits'
  })
})

test('a key on the command line is hidden while the node runs, and not in its words', async (t) => {
  const where = ['--data-dir', join(folder, 'hidden'), '--store-size', '64MiB', '--port', '0']
  const words = ['start', ...where, '--bootstrap', 'none', `--network-key=${HEX}`]
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()))
  await once(createInterface({ input: child.stdout }), 'line') // the gateway
  const seen = `/proc/${child.pid}/cmdline`
  if (existsSync(seen)) assert.ok(!(await readFile(seen, 'latin1')).includes(HEX))
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'close'), [0, null])
  assert.match(
    stderr,
    /^warning: --network-key: every program .* can read a command line; use a file\n$/,
  )
})

test('Ctrl-C ends a node that serves while it works out its place on the ring', async () => {
  const dataDir = join(folder, 'solving')
  const controller = new AbortController()
  let isSolving = false
  const onStderr = (text: string): void => {
    if (!text.includes('place on the ring')) return
    isSolving = true
    controller.abort(new Interruption())
  }
  const where = ['--data-dir', dataDir, '--store-size', '64MiB', '--port', '0']
  const nowhere = ['--bootstrap', '127.0.0.1:9', '--listen-host', '127.0.0.1']
  const { signal } = controller
  const { exit, stdout } = await runCli(['start', ...where, ...nowhere], { signal, onStderr })
  assert.ok(isSolving)
  assert.equal(exit, 0)
  assert.match(stdout, /^gateway \S+\n$/)
  await assert.rejects(stat(join(dataDir, 'node.proof')), { code: 'ENOENT' })
})
