/** The typed client against a running gateway. @module */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, get, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import { clientOf } from '../../src/cli/gateway-client.ts'
import { GatewayError, ShoalClient } from '../../src/client/index.ts'
import { ShoalError } from '../../src/errors.ts'
import { OPENAPI_DOCUMENT } from '../../src/gateway/openapi.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const GIB = 1024 ** 3

async function running(t: TestContext) {
  const node = createFakeNode()
  const server = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => server.close())
  return { node, url: server.url, client: new ShoalClient({ gateway: server.url }) }
}

/** Something else at the address of a gateway. */
async function impostor(t: TestContext, answer: RequestListener): Promise<ShoalClient> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return new ShoalClient({ gateway: `http://127.0.0.1:${port}/`, token: 'secret' })
}

async function* pieces(...texts: readonly string[]) {
  for (const text of texts) yield Buffer.from(text)
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

function refusal(status: number, code: string) {
  return (error: unknown) =>
    error instanceof GatewayError && error.status === status && error.code === code
}

test('every call of the client gives what the node says, with fetch and with the transport of the commands', async (t) => {
  const { node, url } = await running(t)
  for (const client of [new ShoalClient({ gateway: url }), clientOf(new URL(url))]) {
    assert.deepEqual(await client.status(), JSON.parse(JSON.stringify(node.status())))
    assert.deepEqual(await client.storeStats(), JSON.parse(JSON.stringify(node.store.stats())))
    assert.equal((await client.description())['openapi'], OPENAPI_DOCUMENT.openapi)
    const key = await client.createKey('a-b')
    assert.deepEqual(await client.listKeys(), [key])
    assert.deepEqual(await client.getKey('a-b'), key)
    const { documentUri } = await client.getKey('a-b', { document: 'd' })
    assert.equal(documentUri, node.keys.documentUri('a-b', 'd'))
    const { text } = await client.exportKey('a-b')
    assert.deepEqual(await client.importKey(text, { name: 'again' }), node.keys.get('again'))
    for (const { name } of await client.listKeys()) await client.removeKey(name)
    assert.deepEqual(await client.listKeys(), [])
    assert.equal((await client.resizeStore(GIB)).condition, 'ok')
    const events = await all(client.checkStore())
    assert.deepEqual(events.at(-1), { type: 'done', checked: 8, freed: 0 })
    const uri = node.addEdition('blog', 'a')
    assert.equal((await client.lookUp(uri, { timeout: 5 })).uri, uri)
    const announced = await client.announce(uri)
    assert.equal(announced.uri, uri)
    assert.equal((await client.getScripts(`/${uri}/a.html`)).isAllowed, false)
    const site = await client.allowScripts(uri)
    assert.deepEqual(await client.listScripts(), { sites: [site] })
    await client.revokeScripts(uri)
    await client.allowScripts(uri)
    await client.revokeAllScripts()
    assert.deepEqual(await client.listScripts(), { sites: [] })
    const { statusPath = '' } = announced
    const spread = { blocks: 3, spreadBlocks: 2, lostBlocks: 0, peers: 1 }
    node.insertStatuses.set(Number(statusPath.split('/').at(-1)), spread)
    assert.deepEqual(await client.spread(statusPath), spread)
  }
})

test('bodies go up as text, as bytes and as they come', async (t) => {
  const { node, client, url } = await running(t)
  for (const one of [client, clientOf(new URL(url))]) {
    for (const body of ['hello', Buffer.from('hello'), pieces('he', 'llo')]) {
      const { uri, size, statusPath } = await one.insert(body, { name: 'a.txt' })
      assert.deepEqual([size, node.contentOf(uri)?.length], [5, 5])
      assert.match(statusPath ?? '', /^\/api\/v1\/inserts\/\d+$/)
      const answer = await fetch(one.contentUrl(uri))
      assert.equal(await answer.text(), 'hello')
    }
  }
  await client.createKey('me')
  const published = await client.publish(pieces('a'), { key: 'me', document: 'd', fixed: true })
  assert.match(published.uri, /^SSK@/)
})

test('an upload in parts goes on where it was, and ends with a key', async (t) => {
  const { client, url } = await running(t)
  for (const one of [client, clientOf(new URL(url))]) {
    const { id, offset } = await one.beginUpload({ name: 'a.txt', length: 5, tag: 'mine' })
    assert.equal(offset, 0)
    await one.continueUpload(id, pieces('he'), { offset, isLast: false })
    const again = await one.beginUpload({ name: 'a.txt', length: 5, tag: 'mine' })
    assert.deepEqual([again.id, again.offset, again.complete], [id, 2, false])
    await assert.rejects(
      one.continueUpload(id, 'ello', { offset: 1, isLast: true }),
      refusal(409, 'E_OFFSET'),
    )
    const ended = await one.continueUpload(id, 'llo', { offset: 2, isLast: true })
    const { uri, statusPath } = await one.getUpload(id)
    assert.ok('uri' in ended && statusPath !== undefined)
    assert.deepEqual([uri, statusPath], [ended.uri, ended.statusPath])
    await one.cancelUpload(id)
    await assert.rejects(one.getUpload(id), refusal(404, 'E_ROUTE'))
  }
})

test('downloads to disk are added, followed, changed and forgotten', async (t) => {
  const { node, client } = await running(t)
  const folder = await mkdtemp(join(tmpdir(), 'shoal-client-'))
  t.after(() => rm(folder, { recursive: true }))
  node.nextFetch = 'hang'
  const path = join(folder, 'a')
  const { id } = await client.addTransfer({ uri: node.add('hello'), path, priority: 3 })
  const paused = await client.changeTransfer(id, { paused: true, priority: 4 })
  assert.deepEqual([paused.phase, paused.priority], ['paused', 4])
  for await (const transfer of client.followTransfers()) {
    if (transfer.phase === 'paused') void client.changeTransfer(id, { paused: false })
    if (transfer.phase === 'done') break
  }
  assert.equal(await readFile(path, 'utf8'), 'hello')
  assert.deepEqual(await client.listTransfers(), [await client.getTransfer(id)])
  await client.removeTransfer(id)
  assert.deepEqual(await client.listTransfers(), [])
})

test('a wait that a browser began is followed, kept and ended', async (t) => {
  const { node, url, client } = await running(t)
  node.nextFetch = 'hang'
  const headers = {
    Accept: 'text/html',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Dest': 'document',
  }
  const page = await new Promise<string>((resolve, reject) => {
    const { host } = new URL(url)
    const film = `/${node.add('film', { name: 'film.webm' })}`
    get(`http://${host}${film}`, { headers }, (response) => {
      textOf(response).then(resolve, reject)
    }).on('error', reject)
  })
  const id = /data-wait="([\w-]+)"/.exec(page)?.[1] ?? ''
  assert.equal((await client.getWait(id)).state, 'trying')
  assert.equal((await client.keepWait(id)).isKept, true)
  assert.deepEqual(
    (await client.listWaits()).map((wait) => wait.id),
    [id],
  )
  const states: string[] = []
  for await (const { state } of client.followWait(id)) {
    states.push(state)
    if (states.length === 1) await client.cancelWait(id)
  }
  assert.equal(states.at(-1), 'cancelled')
})

test('editions are watched until the loop is left, and the node is told', async (t) => {
  const { node, client } = await running(t)
  const uri = node.addEdition('blog', 'a')
  const seen: number[] = []
  for await (const { edition } of client.watch(uri)) {
    seen.push(edition)
    if (seen.length === 2) break
    node.addEdition('blog', 'b')
  }
  assert.deepEqual(seen, [0, 1])
  while (node.live.watches > 0) await new Promise((next) => setImmediate(next))
})

test('a refusal is an error with the code, the status and the sentence of the gateway', async (t) => {
  const { node, client } = await running(t)
  await assert.rejects(client.getKey('none'), refusal(404, 'E_NO_KEY'))
  await assert.rejects(client.insert('x', { type: 'none' }), refusal(400, 'E_QUERY'))
  await assert.rejects(client.spread('/api/v1/inserts/5'), refusal(404, 'E_ROUTE'))
  node.fakeStore.nextCheck = new ShoalError('E_STORE_IO', 'the disk failed')
  await assert.rejects(all(client.checkStore()), { message: 'the disk failed' })
})

test('an abort ends a call with its own reason', async (t) => {
  const { node, client } = await running(t)
  const uri = node.addEdition('blog', 'a')
  const reason = new Error('enough')
  const aborting = new AbortController()
  const watching = (async () => {
    for await (const { edition } of client.watch(uri, { signal: aborting.signal })) {
      assert.equal(edition, 0)
      aborting.abort(reason)
    }
  })()
  await assert.rejects(watching, reason)
})

test('answers of something else are refused within bounds, and a link elsewhere gets no token', async (t) => {
  const page = await impostor(t, (_request, response) => response.end('<html>'))
  await assert.rejects(page.status(), /not the gateway of a shoal node/)
  const endless = await impostor(t, (_request, response) => {
    response.setHeader('Content-Type', 'text/event-stream')
    const write = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536))) continue
    }
    response.on('drain', write)
    write()
  })
  await assert.rejects(endless.status(), /not the gateway of a shoal node/)
  await assert.rejects(all(endless.checkStore()), /not the gateway of a shoal node/)
  const other = new ShoalClient({ gateway: 'http://127.0.0.1:1/', token: 'secret' })
  for (const path of ['//evil.example/', '/\\evil.example/', 'http://evil.example/']) {
    await assert.rejects(other.spread(path), /not the gateway of a shoal node/)
  }
})

test('a token goes with every call', async (t) => {
  const seen: unknown[] = []
  const client = await impostor(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.end('{}')
  })
  await client.status()
  await client.createKey('me')
  assert.deepEqual(seen, ['Bearer secret', 'Bearer secret'])
})

test('an upload whose source fails is told at once, with both transports, and nothing is left of it', async (t) => {
  const { node, url } = await running(t)
  async function* broken(afterBytes: number) {
    if (afterBytes > 0) yield Buffer.alloc(afterBytes)
    await Promise.resolve()
    throw new Error('my disk')
  }
  for (const client of [new ShoalClient({ gateway: url }), clientOf(new URL(url))]) {
    for (const afterBytes of [0, 1, 1_000_000]) {
      await assert.rejects(client.insert(broken(afterBytes)), (error: Error) =>
        /my disk/.test(`${error.message} ${String(error.cause)}`),
      )
    }
    while (node.live.inserts > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
})

test('the number of a download leads nowhere else, whatever it is', async (t) => {
  const { client } = await running(t)
  const id = '1/../../keys' as unknown as number
  await assert.rejects(client.changeTransfer(id, { paused: true }), refusal(404, 'E_ROUTE'))
  await assert.rejects(client.getTransfer(id), refusal(404, 'E_ROUTE'))
  await assert.rejects(client.removeTransfer(id), refusal(404, 'E_ROUTE'))
})
