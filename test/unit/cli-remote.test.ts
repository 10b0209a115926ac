/** What `shoal start` needs before other machines may reach it, and `shoal deny-hash`. @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import { parseArguments } from '../../src/cli/command.ts'
import { remoteAccess } from '../../src/cli/remote-access.ts'
import { startCommand } from '../../src/cli/start.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { denyHash } from '../../src/gateway/deny-list.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { silentLogger, type Logger } from '../../src/runtime.ts'
import { runCli } from '../helpers/cli-io.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from '../helpers/certificate.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-cli-remote-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function access(host: string, words: readonly string[]) {
  const lines: string[] = []
  const logger: Logger = { info: (line) => lines.push(line), warn: (line) => lines.push(line) }
  const output = new Writable({ write: (_chunk, _encoding, done) => done() })
  const { signal } = new AbortController()
  const io = { stdout: output, stderr: output, stdin: Readable.from([]), signal, env: {} }
  const given = parseArguments(startCommand, words)
  const settings = await remoteAccess(given, host, { logger, io })
  return { ...settings, lines }
}

test('the token is made on first use, for its owner alone, told of as a path, and read ever after', async (t) => {
  const file = join(await folderFor(t), 'token')
  const first = await access('192.0.2.5', ['--token-file', file])
  assert.match(first.token ?? '', /^[\w-]{43}$/)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal(await readFile(file, 'utf8'), `${first.token}\n`)
  const told = first.lines.join('\n')
  assert.ok(told.includes(file) && !told.includes(first.token ?? '?'))
  assert.match(told, /without --tls-cert/)
  const second = await access('192.0.2.5', ['--token-file', file])
  assert.deepEqual([second.token, second.lines.join().includes(file)], [first.token, false])
  await writeFile(file, 'one of my own, long enough\nand more\n')
  assert.equal((await access('::1', ['--token-file', file])).token, 'one of my own, long enough')
})

test('an address of another machine needs a token, a certificate its key, a name to be one', async (t) => {
  const none = join(await folderFor(t), 'none')
  await assert.rejects(access('0.0.0.0', []), { name: 'UsageError', message: /--token-file/ })
  await assert.rejects(access('::', []), { name: 'UsageError' })
  await assert.rejects(access('127.0.0.1', ['--tls-cert', none]), { name: 'UsageError' })
  const tls = ['--tls-cert', none, '--tls-key', none]
  await assert.rejects(access('127.0.0.1', tls), { name: 'CommandError', message: /ENOENT/ })
  for (const names of ['a b', 'http://a', '', 'a,,b', Array(17).fill('a').join(',')]) {
    await assert.rejects(access('127.0.0.1', ['--host-name', names]), { name: 'UsageError' })
  }
  const { hostNames, lines } = await access('127.0.0.1', ['--host-name', 'a.example, 192.0.2.5'])
  assert.deepEqual([hostNames, lines], [['a.example', '192.0.2.5'], []])
})

test('--max-upload takes a size as the store does, and says what it may be', async () => {
  const { maxUploadBytes } = await access('127.0.0.1', ['--max-upload', '500MB'])
  assert.equal(maxUploadBytes, 500_000_000)
  assert.equal('maxUploadBytes' in (await access('127.0.0.1', [])), false)
  for (const size of ['0', 'much', '5XB', '65TiB']) {
    await assert.rejects(access('127.0.0.1', ['--max-upload', size]), {
      name: 'UsageError',
      message: /^--max-upload: a size from 1 B to 64 TiB/,
    })
  }
})

test('the commands talk to a gateway with a token and TLS, given SHOAL_TOKEN', async (t) => {
  const token = 'correct-horse-battery-staple'
  const tls = { cert: CERTIFICATE, key: CERTIFICATE_KEY }
  const isChecked = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  t.after(() => {
    delete process.env['SHOAL_TOKEN']
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    if (isChecked !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = isChecked
  })
  for (const options of [{ token }, { token, tls }]) {
    const gateway = await startGateway({
      ...options,
      node: createFakeNode(),
      logger: silentLogger,
      port: 0,
    })
    const status = () => runCli(['status', '--gateway', gateway.url])
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    if ('tls' in options) assert.match((await status()).stderr, /SELF_SIGNED/)
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0' // nobody has signed the certificate but itself
    assert.match(
      (await status()).stderr,
      /\(E_TOKEN\): put it into the variable SHOAL_TOKEN; a pasted address/,
    )
    process.env['SHOAL_TOKEN'] = token
    assert.match((await status()).stdout, /^version/)
    delete process.env['SHOAL_TOKEN']
    await gateway.close()
  }
})

test('a pasted address is not shown the token, unless it is that of the gateway that was named', async (t) => {
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.env['SHOAL_TOKEN'] = 'correct-horse-battery-staple'
  t.after(() => {
    delete process.env['SHOAL_TOKEN']
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`
  const key = `${url}KSK@word`
  const commands = [['get'], ['get', '--background', '--to', join(tmpdir(), 'x')], ['announce']]
  for (const [command = '', ...options] of [...commands, ['scripts', 'allow']]) {
    const given = command === 'scripts' ? [command, ...options, key] : [command, key, ...options]
    seen.length = 0
    await runCli(given)
    await runCli([...given, '--gateway', url])
    assert.deepEqual(seen, [undefined, 'Bearer correct-horse-battery-staple'], command)
  }
})

test('deny-hash prints the same line for every spelling of a key, and asks nobody', async () => {
  const uri = createFakeNode().add('x', { name: 'a.txt' })
  const expected = `${denyHash(parseUri(uri))}\n`
  assert.match(expected, /^[0-9a-f]{64}\n$/)
  for (const text of [
    uri,
    `freenet:${uri}`,
    encodeURIComponent(uri),
    `http://127.0.0.1:1/${uri}?download`,
  ]) {
    const { exit, stdout } = await runCli(['deny-hash', text])
    assert.deepEqual([exit, stdout], [0, expected], text)
  }
  assert.equal((await runCli(['deny-hash', 'nothing'])).exit, 2)
})
