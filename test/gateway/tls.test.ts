/** What a gateway with a certificate speaks. @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import tls from 'node:tls'
import { test } from 'node:test'

import { createTlsListener } from '../../src/gateway/tls.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from '../helpers/certificate.ts'

test('nothing older than TLS 1.2 is spoken, whatever the Node that runs it would take, after a renewal either', async (t) => {
  const before = [tls.DEFAULT_MIN_VERSION, tls.DEFAULT_CIPHERS] as const
  tls.DEFAULT_MIN_VERSION = 'TLSv1'
  tls.DEFAULT_CIPHERS = 'DEFAULT@SECLEVEL=0'
  t.after(() => ([tls.DEFAULT_MIN_VERSION, tls.DEFAULT_CIPHERS] = before))
  const pair = { cert: CERTIFICATE, key: CERTIFICATE_KEY }
  const { server, replaceCertificate } = createTlsListener(pair, {})
  const plain = tls.createServer(pair)
  for (const one of [server, plain]) {
    t.after(() => one.close())
    await once(one.listen(0, '127.0.0.1'), 'listening')
  }
  const versionWith = async (one: tls.Server, maxVersion: tls.SecureVersion) => {
    const { port } = one.address() as { port: number }
    const socket = tls.connect({ port, host: '127.0.0.1', ca: CERTIFICATE, maxVersion })
    try {
      await once(socket, 'secureConnect')
      return socket.getProtocol()
    } catch {
      return 'refused'
    } finally {
      socket.destroy()
    }
  }
  assert.equal(await versionWith(plain, 'TLSv1.1'), 'TLSv1.1', 'this machine still speaks it')
  for (let renewals = 0; renewals < 2; renewals++) {
    assert.equal(await versionWith(server, 'TLSv1.1'), 'refused')
    assert.equal(await versionWith(server, 'TLSv1.2'), 'TLSv1.2')
    replaceCertificate(pair)
  }
})
