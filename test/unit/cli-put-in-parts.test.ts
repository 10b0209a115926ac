/** `shoal put` of large files, against a gateway that goes away. @module */
import assert from 'node:assert/strict'
import { mkdtemp, open, rm, truncate, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'

import { Interruption } from '../../src/cli/failures.ts'
import { ShoalError } from '../../src/errors.ts'
import { startGateway } from '../../src/gateway/server.ts'
import type { Gateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { runCli } from '../helpers/cli-io.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import type { FakeNode } from '../helpers/fake-node.ts'

const BYTES = 80 * 1024 * 1024

/** Zeros, so that there are few blocks to keep. */
async function largeFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-parts-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'film.webm')
  const file = await open(path, 'w')
  await file.close()
  await truncate(path, BYTES)
  return path
}

async function served(t: TestContext, node: FakeNode, port = 0): Promise<Gateway> {
  const gateway = await startGateway({ node, logger: silentLogger, port })
  t.after(() => gateway.close())
  return gateway
}

/** Resolves when the upload that is under way has a checkpoint. */
async function untilUnderWay(node: FakeNode): Promise<void> {
  const { outbox } = node.uploadBench.store
  while (outbox.insert(2)?.committed !== true) await setTimeout(1)
}

test('a large file goes on by itself when the gateway was away', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const first = await served(t, node)
  const argv = ['put', path, '--gateway', first.url, '--convergent', '--no-wait']
  let tell = (): void => {}
  const told = new Promise<void>((resolve) => {
    tell = resolve
  })
  const putting = runCli(argv, { onStderr: tell })
  await untilUnderWay(node)
  await first.close()
  await told
  await setTimeout(700) // another try in vain, of which nothing is said
  await served(t, node, first.port)
  const { exit, stdout, stderr } = await putting
  assert.equal(exit, 0, stderr)
  assert.match(stdout, /^CHK@.*\/film\.webm\n$/)
  assert.match(stderr, /^no node answers, waiting\ngoing on after .*\n$/)
  const whole = await runCli(argv)
  assert.equal(whole.stdout, stdout, 'the key is that of the whole file')
})

test('a large file that was interrupted goes on when the same command is run again', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  const interrupt = new AbortController()
  const argv = ['put', path, '--gateway', url, '--no-wait']
  const putting = runCli(argv, { signal: interrupt.signal })
  await untilUnderWay(node)
  interrupt.abort(new Interruption())
  const interrupted = await putting
  assert.equal(interrupted.exit, 1)
  assert.match(interrupted.stderr, /^to go on where it was, run the same command again/)
  const { exit, stdout, stderr } = await runCli(argv)
  assert.equal(exit, 0, stderr)
  assert.match(stdout, /^CHK@.*\/film\.webm\n$/)
  assert.match(stderr, /^going on after /)
})

test('a large file goes in parts under a word, too, each word an upload of its own', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  for (const word of ['one', 'two']) {
    const argv = ['put', path, '--gateway', url, '--word', word, '--no-wait']
    const { exit, stdout, stderr } = await runCli(argv)
    assert.deepEqual([exit, stdout], [0, `KSK@${word}\n`])
    assert.match(stderr, /anyone may write to KSK@/)
  }
  assert.deepEqual([...node.uploadBench.words.published.keys()], ['one', 'two'])
  assert.equal(node.calls.insert.length, 0)
})

test('a large file waits, and says so, while the node has no place for its upload', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  const ids: string[] = []
  for (let i = 0; i < 16; i++) {
    const { id } = await node.uploads.create({})
    await node.uploads.append(id, {
      offset: 0,
      content: Readable.from([Buffer.from('x')]),
      isLast: false,
    })
    ids.push(id)
  }
  const create = node.uploads.create.bind(node.uploads)
  let refusals = 0
  node.uploads.create = async (request) => {
    try {
      return await create(request)
    } catch (error) {
      if (++refusals === 2) await node.uploads.cancel(ids[0] ?? '')
      throw error
    }
  }
  const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', url, '--no-wait'])
  assert.equal(exit, 0, stderr)
  assert.match(stdout, /^CHK@.*\/film\.webm\n$/)
  assert.equal(stderr, 'the node is busy, waiting: 16 uploads are under way already.\n')
  assert.equal(refusals, 2)
})

test('an upload that gave way before its first byte begins anew', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  const status = node.uploads.status.bind(node.uploads)
  const cancelled: Promise<boolean>[] = []
  node.uploads.status = (id) => {
    if (cancelled.length === 0) cancelled.push(node.uploads.cancel(id))
    return status(id)
  }
  const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', url, '--no-wait'])
  assert.equal(exit, 0, stderr)
  assert.match(stdout, /^CHK@.*\/film\.webm\n$/)
  assert.deepEqual(await Promise.all(cancelled), [true])
})

test('a refusal of a large file is told at once', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const options = { node, logger: silentLogger, port: 0, maxUploadBytes: 1000 }
  const gateway = await startGateway(options)
  t.after(() => gateway.close())
  const { exit, stderr } = await runCli(['put', path, '--gateway', gateway.url])
  assert.equal(exit, 1)
  assert.match(stderr, /takes 1000 bytes at most/)
})

test('a large file fails at once where no node answers', async (t) => {
  const path = await largeFile(t)
  const gateway = await served(t, createFakeNode())
  await gateway.close()
  const { exit, stderr } = await runCli(['put', path, '--gateway', gateway.url])
  assert.equal(exit, 1)
  assert.match(stderr, /no node answers at .*: start one with "shoal start"/)
})

/** Calls `meanwhile` when the bytes of the file begin to come in; tells of the upload. */
function onBytes(node: FakeNode, meanwhile: (id: string) => Promise<void>): { id: string } {
  const append = node.uploads.append.bind(node.uploads)
  const seen = { id: '' }
  node.uploads.append = async (id, part) => {
    if (part.isLast && seen.id === '') {
      seen.id = id
      await meanwhile(id)
    }
    return append(id, part)
  }
  return seen
}

test('a large file that finds the store full gives its place back', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  const append = node.uploads.append.bind(node.uploads)
  const seen = onBytes(node, async (id) => {
    const content = Readable.from([Buffer.alloc(1_000_000, 7)])
    await append(id, { offset: 0, content, isLast: false })
    assert.ok(node.uploadBench.store.outbox.pendingBlocks > 0)
    throw new ShoalError('E_STORE_FULL', 'The store is full.')
  })
  const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', url])
  assert.deepEqual([exit, stdout], [1, ''])
  assert.match(stderr, /E_STORE_FULL/)
  assert.doesNotMatch(stderr, /to go on/)
  assert.notEqual(seen.id, '')
  assert.equal(node.uploads.status(seen.id), undefined)
  assert.equal(node.uploadBench.store.outbox.pendingBlocks, 0)
})

test('of a large file that changes while it is sent nothing is inserted', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  const seen = onBytes(node, () => utimes(path, 1, 1))
  const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', url])
  assert.deepEqual([exit, stdout], [1, ''])
  assert.match(stderr, /the file changed while it was read: nothing was inserted/)
  assert.notEqual(seen.id, '')
  assert.equal(node.uploads.status(seen.id), undefined)
  assert.equal(node.uploadBench.store.outbox.pendingBlocks, 0)
})

test('a large file whose word nobody can judge stays on the node, and is not sent again', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  node.uploadBench.words.fault = new ShoalError('E_NO_PEERS', 'There are no peers.')
  const argv = ['put', path, '--gateway', url, '--word', 'one', '--no-wait']
  const undecided = await runCli(argv)
  assert.equal(undecided.exit, 1)
  assert.match(undecided.stderr, /^to go on where it was, .*\n.*E_NO_PEERS/)
  const { exit, stdout, stderr } = await runCli(argv)
  assert.deepEqual([exit, stdout], [0, 'KSK@one\n'], stderr)
  assert.match(stderr, /^going on after 80 MiB\n/)
})

test('a large file that is put twice at once is sent by the later run, and the earlier says so', async (t) => {
  const node = createFakeNode()
  const path = await largeFile(t)
  const { url } = await served(t, node)
  const argv = ['put', path, '--gateway', url, '--no-wait']
  const earlier = runCli(argv)
  await untilUnderWay(node)
  const [later, ended] = await Promise.all([runCli(argv), earlier])
  assert.deepEqual([ended.exit, ended.stdout], [1, ''])
  assert.match(ended.stderr, /another shoal put sends the same file/)
  assert.equal(later.exit, 0, later.stderr)
  assert.match(later.stdout, /^CHK@.*\/film\.webm\n$/)
})
