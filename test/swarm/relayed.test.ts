/**
 * Links through a third node, on real sockets: two that cannot reach each other keep all that a link
 * promises, and the relay, hostile or not, gets nothing but ciphertext.
 * @module
 */
import { after, before } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'
import { createRelayed } from '../helpers/relayed.ts'
import { HOST, settle } from '../helpers/transport.ts'
import { transportSuite } from '../suites/transport-suite.ts'

/** Longer than every first retry of both sides. */
const QUIET_MS = 1_600

let bootstrap: Bootstrap

before(async () => {
  bootstrap = await startBootstrap({ host: HOST, port: 0 })
})
after(() => bootstrap.close())

transportSuite('hyperswarm through a relay', async () => {
  const { relay, a, b } = await createRelayed(bootstrap)
  return {
    a,
    b,
    aPublicKey: Uint8Array.from(a.keyPair.publicKey),
    bPublicKey: Uint8Array.from(b.keyPair.publicKey),
    settle,
    pass: () => sleep(QUIET_MS),
    release: () => relay.close(),
  }
})
