/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mapKey } from '../../src/keys/bytes.ts'
import { documentAddress } from '../../src/keys/signed.ts'
import { SITE, once, placesOf, startPublishing } from '../helpers/publishing.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
/** 62 blocks of content, no two the same. */
const CONTENT = Uint8Array.from({ length: 2_000_000 }, (_, i) => i % 251)
const DOCUMENTS = [
  { what: 'an edition', options: SITE, kind: 'edition' },
  { what: 'a document that never changes', options: { ...SITE, fixed: true }, kind: 'ssk' },
] as const

for (const { what, options, kind } of DOCUMENTS) {
  describe(`a client that gives up on ${what}`, () => {
    const start = async (t: Parameters<typeof startPublishing>[0]) => {
      const world = startPublishing(t, seed)
      const node = await world.machine()
      const address = mapKey(documentAddress(placesOf(node).key, { kind, edition: 0 }))
      const stop = new AbortController()
      const source = { type: 'file', content: once(CONTENT) } as const
      const publishing = node.publications.publish(source, { ...options, signal: stop.signal })
      publishing.catch(() => {})
      const isSent = () => node.sent.some((sent) => mapKey(sent) === address)
      const giveUp = () => {
        stop.abort(new Error('changed my mind'))
      }
      return { ...world, node, publishing, isSent, giveUp, address }
    }

    test('while the name is looked up leaves nothing behind', async (t) => {
      const { clock, fake, node, publishing, isSent, giveUp, until, run } = await start(t)
      await until(() => fake.fetches.length > 0)
      giveUp()
      await assert.rejects(run(publishing), /changed my mind/)
      await clock.runFor(60_000)
      assert.deepEqual([isSent(), node.outbox.pendingBlocks, node.keyring.claims()], [false, 0, []])
    })

    test('is too late when it is sent: all of it goes out', async (t) => {
      const { clock, fake, node, publishing, isSent, giveUp, until, run, address } = await start(t)
      await until(isSent)
      giveUp()
      assert.ok((await run(publishing)).isConfirmed, at)
      await clock.runFor(60_000)
      assert.equal(node.outbox.pendingBlocks, 0)
      assert.ok(fake.homes[0]?.has(address))
      assert.ok((fake.homes[0]?.size ?? 0) > 62, at)
    })

    test('and a node that stops then keeps it for its next start', async (t) => {
      const { clock, fake, node, publishing, isSent, until, run, machine } = await start(t)
      await until(isSent)
      const closing = node.close()
      await assert.rejects(run(publishing), { code: 'E_CLOSED' })
      await run(closing)
      assert.ok(node.outbox.pendingBlocks > 0)
      const { keyring, outbox } = node
      const again = await machine({ keyring, outbox })
      again.connect()
      await clock.runFor(60_000)
      assert.equal(outbox.pendingBlocks, 0)
      assert.ok((fake.homes[0]?.size ?? 0) > 62, at)
    })
  })
}

test('a client that gives up while its edition is held is too late as well', async (t) => {
  const { machine, run, until } = startPublishing(t, seed)
  const node = await machine({ peers: 0 })
  const stop = new AbortController()
  const setEdition = node.keyring.setEdition.bind(node.keyring)
  node.keyring.setEdition = async (...given) => {
    stop.abort(new Error('changed my mind'))
    await setEdition(...given)
  }
  const source = { type: 'file', content: once('x') } as const
  const running = node.publications.publish(source, { ...SITE, signal: stop.signal })
  assert.equal((await run(running)).edition, 0)
  await until(() => node.outbox.pendingBlocks === 2)
  assert.equal(node.keyring.claims().length, 1)
})
