/** @module */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import { formatStatus } from '../../src/cli/status.ts'
import { formatStats, quantileText } from '../../src/cli/store-stats.ts'
import { conditionText, percentText } from '../../src/cli/store-words.ts'
import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { silentLogger } from '../../src/runtime.ts'
import type { CliOptions } from '../helpers/cli-io.ts'
import { runCli, scriptGateway, sendJson } from '../helpers/cli-io.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const GIB = 1024 ** 3

/** A gateway before a node that does as it is told, and `shoal store` that talks to it. */
async function start(t: TestContext) {
  const node = createFakeNode()
  const server = createServer(createApp({ node, logger: silentLogger }))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const store = (words: readonly string[], options?: CliOptions) =>
    runCli(['store', ...words, '--gateway', gateway], options)
  return { node, gateway, store }
}

test('stats are a table that fits a terminal, or with --json what the gateway says', async (t) => {
  const { node, store } = await start(t)
  const shown = await store(['stats'])
  assert.deepEqual([shown.exit, shown.stderr], [0, ''])
  const lines = shown.stdout.trimEnd().split('\n')
  assert.ok(lines.every((line) => line.length <= 100 && line === line.trimEnd()))
  for (const line of [
    /^condition {3}ok$/,
    /^disk {8}9\.2 GiB of 10 GiB$/,
    /^slab {8}9\.2 GiB, all of it filled$/,
    /^store +2 GiB +6\.4 GiB +1,234 +7$/,
    /^cache +1 GiB +2\.7 GiB +4,321 +7$/,
    /^outbox +384 KiB +1\.4 GiB$/,
    /^reads {7}11,110 for peers, 50 % were here$/,
    /^store lost {2}7 farther away than what the node is responsible for$/,
    /^cache lost {2}5 asked for only once$/,
    /^ {12}2 not asked for any more$/,
    /^puts {8}100,000 stored, 20 here already, 3 superseded, 1 refused$/,
    /^index {7}98,304 entries, and 17 stale$/,
    /^checked {5}1,000 slots in 2 whole rounds, 0 freed$/,
    /^get +≤ 1 ms +≤ 100 ms +100$/,
    /^commit +– +– +0$/,
  ]) {
    assert.ok(
      lines.some((text) => line.test(text)),
      `${line} in\n${shown.stdout}`,
    )
  }
  const json = await store(['stats', '--json'])
  assert.deepEqual(JSON.parse(json.stdout), JSON.parse(JSON.stringify(node.store.stats())))
})

test('what is under way and what is wrong stands in the stats and in the status', async (t) => {
  const { node, gateway, store } = await start(t)
  node.fakeStore.stats = {
    condition: 'rebuilding',
    rebuiltShare: 0.5,
    filledSlots: 75_000,
    filledShare: 0.25,
    resize: { quotaBytes: 5 * GIB, slotsLeft: 1234 },
  }
  const { stdout } = await store(['stats'])
  assert.match(stdout, /^condition {3}reading its index again after a crash/m)
  assert.match(stdout, /^rebuilt {5}50 % of the index$/m)
  assert.match(stdout, /^slab {8}2\.3 GiB of 9\.2 GiB filled so far, 25 %$/m)
  assert.match(stdout, /^resizing {4}to 5 GiB, 1,234 blocks to move$/m)
  const status = await runCli(['status', '--gateway', gateway])
  assert.match(status.stdout, /^condition reading its index again/m)
  node.fakeStore.stats = { filledShare: 0.999 }
  const filling = await runCli(['status', '--gateway', gateway])
  assert.match(filling.stdout, /^condition ok, 99 % of the slab filled so far$/m)
})

test('every condition has words, also one that a newer node may know', () => {
  for (const condition of ['ok', 'rebuilding', 'disk-full', 'disk-failing', 'odd'] as const) {
    const words = conditionText({ condition: condition as 'ok', filledShare: 0.5 })
    assert.ok(words.length > 1 && words.length < 100, words)
  }
  assert.match(formatStatus({}).join('\n'), /^condition \?$/m)
  assert.deepEqual([0, 0.001, 0.5, 0.9999, 1].map(percentText), [
    '0 %',
    '<1 %',
    '50 %',
    '99 %',
    '100 %',
  ])
})

test('times are told by the bound that the share of calls stayed below', () => {
  const boundsMs = [0.5, 10, 2500]
  const of = (counts: readonly number[], share: number) =>
    quantileText({ boundsMs, counts, sumMs: 0 }, share)
  assert.equal(of([0, 0, 0, 0], 0.5), '–')
  assert.equal(of([1, 0, 0, 0], 0.99), '≤ 0.5 ms')
  assert.equal(of([50, 50, 0, 0], 0.5), '≤ 0.5 ms')
  assert.equal(of([49, 51, 0, 0], 0.5), '≤ 10 ms')
  assert.equal(of([98, 0, 0, 2], 0.99), '> 2,500 ms')
})

test('control characters of a hostile answer do not reach the terminal', () => {
  const stats = createFakeNode().store.stats()
  const condition = '\u001b[2Jok' as 'ok'
  const evictions = { ...stats.store.evictions, ['\u001b[2J' as 'cold']: 1 }
  const store = { ...stats.store, evictions }
  const text = formatStats({ ...stats, condition, store }).join('')
  assert.ok(!text.includes('\u001b'))
})

test('a check tells what it found, and shows how far it is at a terminal', async (t) => {
  const { node, store } = await start(t)
  const good = await store(['check'], { terminal: 'stderr' })
  assert.deepEqual([good.exit, good.stdout], [0, '8 slots checked, all of them good\n'])
  assert.match(good.stderr, /check \[\.+\] {3}0 % 0 of 8 slots/)
  node.fakeStore.care.check = () => Promise.resolve({ checked: 9000, freed: 3 })
  const bad = await store(['check'])
  assert.deepEqual(
    [bad.exit, bad.stdout, bad.stderr],
    [0, '9,000 slots checked, 3 damaged and freed\n', ''],
  )
})

test('Ctrl-C ends the check on the node, too', async (t) => {
  const { node, store } = await start(t)
  node.fakeStore.nextCheck = 'hang'
  const controller = new AbortController()
  const onStderr = (): void => controller.abort(new Error('interrupted'))
  const { signal } = controller
  const { exit } = await store(['check'], { terminal: 'stderr', onStderr, signal })
  assert.equal(exit, 1)
  while (node.fakeStore.checks > 0) await new Promise((resolve) => setImmediate(resolve))
})

test('a check that cannot be, fails or breaks off is one line', async (t) => {
  const { node, store } = await start(t)
  node.fakeStore.nextCheck = new ShoalError('E_CLOSED', 'The node is closing.')
  const failed = await store(['check'])
  assert.deepEqual([failed.exit, failed.stdout], [1, ''])
  assert.equal(failed.stderr, 'shoal store: The node is closing. (E_CLOSED)\n')
  const scripted = await scriptGateway((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(': alive\n\nevent: progress\ndata: {"checked":1,"of":2}\n\n')
  })
  t.after(() => scripted.close())
  const broken = await runCli(['store', 'check', '--gateway', scripted.url])
  assert.match(broken.stderr, /^shoal store: the check broke off/)
  assert.deepEqual(scripted.requests, ['POST /api/v1/store/check'])
})

test('a resize says what it does and what came of it', async (t) => {
  const { node, store } = await start(t)
  const shrunk = await store(['resize', '5GiB'])
  assert.deepEqual(node.fakeStore.resizes, [5 * GIB])
  assert.deepEqual(shrunk, {
    exit: 0,
    stdout: 'the store may take 5 GiB\n',
    stderr: 'shoal store: from 10 GiB to 5 GiB: done at once\n',
  })
  node.fakeStore.stats = { ...node.fakeStore.stats, filledShare: 0.5 }
  const grown = await store(['resize', '10g'])
  assert.equal(grown.stdout, 'the store may take 10 GiB\n')
  assert.match(grown.stderr, /filled in the background: "shoal store stats" shows how far/)
  assert.deepEqual((await store(['resize', '10GiB'])).stderr.split('\n').length, 2)
})

test('a resize that takes long is followed to its end, or not with --no-wait', async (t) => {
  const { node, store } = await start(t)
  node.fakeStore.nextResize = 'hang'
  const onStderr = (text: string): void => {
    if (text.includes('100 blocks')) node.fakeStore.stats = { quotaBytes: GIB, resize: undefined }
  }
  const followed = await store(['resize', '1GiB'], { terminal: 'stderr', onStderr })
  assert.deepEqual([followed.exit, followed.stdout], [0, 'the store may take 1 GiB\n'])
  assert.match(followed.stderr, /blocks move out of the part that is cut off/)
  assert.match(followed.stderr, /0 of 100 blocks out of the way/)
  node.fakeStore.nextResize = 'hang'
  const begun = await store(['resize', '2GiB', '--no-wait'])
  assert.deepEqual([begun.exit, begun.stdout], [0, ''])
})

test('a resize that ends halfway is a failure that says where to look', async (t) => {
  const { node, store } = await start(t)
  node.fakeStore.nextResize = 'hang'
  const onStderr = (text: string): void => {
    if (text.includes('100 blocks')) node.fakeStore.stats = {}
  }
  const { exit, stdout, stderr } = await store(['resize', '1GiB'], { terminal: 'stderr', onStderr })
  assert.deepEqual([exit, stdout], [1, ''])
  assert.match(stderr, /ended before it was done, at 10 GiB: the log of the node says why/)
})

test('a resize that the disk has no room for is one line with its code', async (t) => {
  const { node, store } = await start(t)
  const words = 'the disk has 3 GiB free, the store needs 90 GiB more'
  node.fakeStore.nextResize = new ShoalError('E_STORE_FULL', words)
  const { exit, stderr } = await store(['resize', '100GiB'])
  assert.deepEqual([exit, stderr], [1, `shoal store: ${words} (E_STORE_FULL)\n`])
})

test('an older node and what is no node at all are told apart', async (t) => {
  const old = await scriptGateway((_request, response) => {
    sendJson(response, 404, { code: 'E_ROUTE', detail: 'The API has no such address.' })
  })
  const other = await scriptGateway((_request, response) => {
    sendJson(response, 200, { hello: 'world' })
  })
  t.after(() => Promise.all([old.close(), other.close()]))
  for (const words of [['stats'], ['resize', '1GiB']]) {
    const older = await runCli(['store', ...words, '--gateway', old.url])
    assert.match(
      older.stderr,
      /^shoal store: the node at http\S+ is too old for this: start it anew\n$/,
    )
    const none = await runCli(['store', ...words, '--gateway', other.url])
    assert.match(none.stderr, /^shoal store: that is not the gateway of a shoal node\n$/)
  }
})

const WRONG: readonly (readonly [words: readonly string[], says: RegExp])[] = [
  [[], /stats\|check\|resize\|passphrase is missing/],
  [['burn'], /one of stats, check, resize, passphrase is expected, not "burn"/],
  [['stats', '5GiB'], /stats: unexpected argument "5GiB"/],
  [['check', '--json'], /--json: not with check/],
  [['resize'], /resize: SIZE is missing/],
  [['resize', '1MiB'], /SIZE: a size from 64 MiB to 64 TiB, .* not "1MiB"/],
  [['resize', '1GiB', '--remove'], /--remove: not with resize/],
  [['stats', '--no-wait'], /--no-wait: not with stats/],
  [['stats', '--data-dir', 'x'], /--data-dir: not with stats/],
  [['passphrase', '--gateway', 'localhost:1'], /--gateway: not with passphrase/],
  [['passphrase', '--json'], /--json: not with passphrase/],
]

for (const [words, says] of WRONG) {
  test(`"shoal store ${words.join(' ')}" is a usage error`, async () => {
    const { exit, stdout, stderr } = await runCli(['store', ...words])
    assert.deepEqual([exit, stdout], [2, ''])
    assert.match(stderr, says)
  })
}
