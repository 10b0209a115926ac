/**
 * A node that is told that its files have changed: a real process, on loopback.
 * @module
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'

import {
  CERTIFICATE,
  CERTIFICATE_KEY,
  OTHER_CERTIFICATE,
  OTHER_CERTIFICATE_KEY,
} from '../helpers/certificate.ts'
import { startProgram } from '../helpers/program.ts'

const TOKEN = 'correct-horse-battery-staple'
const OTHER_TOKEN = 'another-one-of-the-same-length'
const SERIAL = new Map([
  [CERTIFICATE, '2E73143C6E41625FED28021E7F4D3FE0440C7105'],
  [OTHER_CERTIFICATE, '6982AA7F062D824B80ABA259007B919D1789199D'],
])

/** One request; over a connection that stays open where `agent` keeps them. */
async function ask(url: string, token: string, agent: Agent | false) {
  const headers = { Authorization: `Bearer ${token}` }
  const sent = request(`${url}api/v1/status`, { headers, agent, rejectUnauthorized: false })
  sent.end()
  const [response] = (await once(sent, 'response')) as [
    { statusCode: number; socket: TLSSocket; resume(): void },
  ]
  const serial = response.socket.getPeerCertificate().serialNumber
  response.resume()
  await once(sent, 'close')
  return { status: response.statusCode, serial, isReused: sent.reusedSocket }
}

test('SIGHUP renews certificate and token without cutting connections, and leaves those that work where the new ones do not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-hang-up-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [cert, key, token] = ['cert', 'key', 'token'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const write = async (pair: readonly [string, string], secret: string): Promise<void> => {
    await writeFile(cert, pair[0])
    await writeFile(key, pair[1])
    await writeFile(token, `${secret}\n`)
  }
  await write([CERTIFICATE, CERTIFICATE_KEY], TOKEN)
  const where = ['--data-dir', join(folder, 'node'), '--store-size', '64MiB', '--port', '0']
  const network = ['--network', 'hang-up-test', '--bootstrap', 'none']
  const secrets = ['--token-file', token, '--tls-cert', cert, '--tls-key', key]
  const node = startProgram(['start', ...where, ...network, ...secrets])
  t.after(() => node.child.kill('SIGKILL'))
  const url = (await node.line(/^gateway https:/)).slice('gateway '.length)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  /** Resolves when the node has said `count` more lines about it. */
  const hangUp = async (): Promise<string> => {
    const before = node.stderr().length
    node.child.kill('SIGHUP')
    const told = () => node.stderr().slice(before)
    while (told().split('\n').length < 3) await sleep(20)
    return told()
  }
  const held = (secret: string) => ask(url, secret, agent)
  const fresh = (secret: string) => ask(url, secret, false)
  const serial = SERIAL.get(CERTIFICATE)
  const otherSerial = SERIAL.get(OTHER_CERTIFICATE)
  assert.deepEqual(await held(TOKEN), { status: 200, serial, isReused: false })

  await write([OTHER_CERTIFICATE, OTHER_CERTIFICATE_KEY], OTHER_TOKEN)
  const renewed = 'the token was read again\nthe certificate was read again\n'
  assert.equal(await hangUp(), renewed)
  assert.deepEqual(await held(OTHER_TOKEN), { status: 200, serial, isReused: true })
  assert.deepEqual(await fresh(OTHER_TOKEN), { status: 200, serial: otherSerial, isReused: false })
  assert.equal((await fresh(TOKEN)).status, 401)

  for (const pair of [
    [CERTIFICATE, OTHER_CERTIFICATE_KEY],
    ['', ''],
    ['no certificate', CERTIFICATE_KEY],
  ] as const) {
    await write(pair, 'short')
    const told = await hangUp()
    assert.match(told, /the token of before holds: token: it needs 22 characters or more/)
    assert.match(told, /the certificate of before holds: tls: .* cannot be used/)
    const { status, serial: shown } = await fresh(OTHER_TOKEN)
    assert.deepEqual([status, shown], [200, otherSerial])
  }
  await rm(token)
  await rm(key)
  assert.match(await hangUp(), /no such file[^]*--tls-key: .*ENOENT/)
  assert.equal((await fresh(OTHER_TOKEN)).status, 200)
  node.child.kill('SIGTERM')
  assert.equal(await node.ended, 0, node.stderr())
})
