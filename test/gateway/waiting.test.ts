/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { createApp } from '../../src/gateway/app.ts'
import { Waits } from '../../src/gateway/wait/waits.ts'
import type { WaitView } from '../../src/gateway/wait/wait-view.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSlowNode } from '../helpers/slow-node.ts'

const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8'
/** What Chromium sends when an address is typed. */
const NAVIGATION = {
  Accept: HTML,
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Site': 'none',
}
const NOT_FOUND = { type: 'not-found' } as const

async function gateway(t: TestContext) {
  const node = createSlowNode()
  const clock = createSimulatedClock()
  const waits = new Waits({ node, clock })
  const server = createServer(createApp({ node, logger: silentLogger, waits }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    waits.close()
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`
  const get = (path: string, headers: Record<string, string> = NAVIGATION, method = 'GET') =>
    ask(`${url}${path}`, { headers, method })
  /** Opens a key as a browser does, and lets a second pass. */
  const open = async (path: string, headers = NAVIGATION) => {
    const asked = node.calls.fetch.length + node.waiting()
    const answer = get(path, headers)
    await until(() => node.calls.fetch.length + node.waiting() > asked)
    await clock.runFor(1000)
    return await answer
  }
  node.hold()
  return { node, clock, waits, server, url, get, open }
}

/** As `fetch`, which says of itself that it is no navigation; goes on to the origin of a site. */
async function ask(
  url: string,
  options: { headers: Record<string, string>; method?: string; signal?: AbortSignal },
): Promise<Response> {
  const sent = request(url, options)
  sent.end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const { statusCode: status = 0, headers } = answer
  const site = /^http:\/\/([^/]+\.localhost:\d+)\//.exec(headers.location ?? '')?.[1]
  if (site !== undefined) {
    answer.resume()
    return await ask(url, { ...options, headers: { ...options.headers, Host: site } })
  }
  const body = status === 204 ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>)
  return new Response(body, { status, headers: headers as Record<string, string> })
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(1)
}

function idIn(page: string): string {
  return /data-wait="([\w-]{22})"/.exec(page)?.[1] ?? ''
}

/** The views that a stream of events carries, one after the other. */
async function* viewsOf(response: Response): AsyncGenerator<WaitView> {
  let text = ''
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece
    const lines = text.split('\n\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      const data = /^event: wait\ndata: (.*)$/.exec(line)?.[1]
      if (data !== undefined) yield JSON.parse(data) as WaitView
    }
  }
}

test('a person who waits for a second gets a page on the same address', async (t) => {
  const { node, open } = await gateway(t)
  const uri = node.add('the text', { name: '<b>.txt', contentType: 'text/plain' })
  const response = await open(encodeURI(uri))
  assert.equal(response.status, 202)
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.equal(response.headers.get('refresh'), null)
  const policy = response.headers.get('content-security-policy') ?? ''
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^ ]+'; script-src 'sha256-[^ ]+';/)
  assert.doesNotMatch(policy, /unsafe|\*/)
  const page = await response.text()
  assert.match(page, /<title>Looking for it – shoal<\/title>/)
  assert.match(page, /<noscript><meta http-equiv="refresh" content="3"><\/noscript>/)
  assert.match(page, /role="status"/)
  assert.doesNotMatch(page, /CHK@|<b>|innerHTML/)
  assert.equal(idIn(page).length, 22)
})

test('the next load is the content, and nothing is asked for twice', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const uri = node.add('the text', { name: 'a.txt', contentType: 'text/plain' })
  const page = await (await open(uri)).text()
  assert.equal(idIn(await (await get(uri)).text()), idIn(page))
  assert.equal(node.waiting(), 1)
  node.release()
  await clock.runFor(0)
  const response = await get(uri)
  assert.deepEqual([response.status, await response.text()], [200, 'the text'])
  assert.equal(node.calls.fetch.length, 2) // the beginning, and the whole
})

test('other windows still hear that it was found, for half a minute', async (t) => {
  const { node, clock, waits, get, open } = await gateway(t)
  const uri = node.add('the text', { contentType: 'text/plain' })
  const wait = `api/v1/waits/${idIn(await (await open(uri)).text())}`
  const stateOf = async () => ((await (await get(wait)).json()) as WaitView).state
  node.release()
  await clock.runFor(0)
  for (let load = 0; load < 2; load++) {
    const response = await get(uri)
    assert.deepEqual([response.status, await response.text()], [200, 'the text'])
    assert.equal(await stateOf(), 'found')
  }
  await clock.runFor(31_000)
  assert.equal((await get(wait)).status, 404)
  assert.equal(waits.size, 0)
})

test('two windows whose key fails within the second both get its status, from one try', async (t) => {
  const { node, clock, get } = await gateway(t)
  const uri = node.add('x')
  const answers = [get(uri), get(uri)]
  await until(() => node.waiting() === 1)
  await sleep(20)
  await clock.runFor(600)
  node.release(NOT_FOUND)
  assert.deepEqual(
    (await Promise.all(answers)).map(({ status }) => status),
    [404, 404],
  )
  assert.equal(node.calls.fetch.length, 0)
})

test('what is there within a second comes as ever, and no job is left', async (t) => {
  const { node, waits, get } = await gateway(t)
  node.release()
  const uri = node.add('the text', { contentType: 'text/plain' })
  const response = await get(uri)
  assert.deepEqual([response.status, await response.text()], [200, 'the text'])
  assert.deepEqual(waits.size, 0)
})

const LIKE_NAVIGATION = Object.entries(NAVIGATION)
const WITHOUT_PAGE: readonly (readonly [who: string, headers: Record<string, string>])[] = [
  ['curl', { Accept: '*/*' }],
  ['a program that says nothing', {}],
  ['a program that prefers HTML', { Accept: HTML }],
  ['an old browser', { Accept: HTML, 'Upgrade-Insecure-Requests': '1' }],
  ['a picture', { Accept: 'image/*', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' }],
  ['a film', { Accept: '*/*', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'video' }],
  ['a script', { Accept: '*/*', 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }],
  ...['iframe', 'frame', 'object', 'embed', 'audio', 'video', 'empty'].map(
    (to) => [`a navigation of ${to}`, { ...NAVIGATION, 'Sec-Fetch-Dest': to }] as const,
  ),
  ...['cors', 'no-cors', 'same-origin', 'websocket'].map(
    (mode) => [`a document by ${mode}`, { ...NAVIGATION, 'Sec-Fetch-Mode': mode }] as const,
  ),
  ...LIKE_NAVIGATION.filter(([name]) => name !== 'Sec-Fetch-Site').map(
    ([name]) =>
      [
        `a navigation without ${name}`,
        Object.fromEntries(LIKE_NAVIGATION.filter(([other]) => other !== name)),
      ] as const,
  ),
  ['a navigation that wants no HTML', { ...NAVIGATION, Accept: 'image/png' }],
  ['a part', { ...NAVIGATION, Range: 'bytes=0-3' }],
  ['a reload that holds a copy', { ...NAVIGATION, 'If-None-Match': '"x"' }],
  ['a page fetched ahead', { ...NAVIGATION, 'Sec-Purpose': 'prefetch;prerender' }],
  ['one that may ask nobody', { ...NAVIGATION, 'Cache-Control': 'only-if-cached' }],
]

test('programs, pictures, films, frames and parts never see the page', async (t) => {
  const { node, clock, waits, get } = await gateway(t)
  const uri = node.add('the text', { contentType: 'text/plain' })
  for (const [who, headers] of WITHOUT_PAGE) {
    node.hold()
    const answer = get(uri, headers)
    await until(() => node.waiting() === 1)
    await clock.runFor(5000)
    assert.equal(waits.size, 0, who)
    node.release()
    const response = await answer
    assert.match(await response.text(), /^the/, who)
    assert.ok([200, 206].includes(response.status), who)
  }
  node.hold()
  const head = get(uri, NAVIGATION, 'HEAD')
  await until(() => node.waiting() === 1)
  node.release()
  assert.equal((await head).status, 200)
  assert.equal((await get(`${uri}?info`)).headers.get('content-type'), 'application/json')
})

test('pages of every site mode are waited for, whoever leads there', async (t) => {
  const { node, open } = await gateway(t)
  for (const site of ['none', 'same-origin', 'same-site', 'cross-site']) {
    node.hold()
    const response = await open(node.add('x'), { ...NAVIGATION, 'Sec-Fetch-Site': site })
    assert.equal(response.status, 202, site)
    node.release()
  }
})

test('what failed is told once with its status, and the next load tries anew', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const uri = node.add('the text', { contentType: 'text/plain' })
  await open(uri)
  node.release(NOT_FOUND)
  await clock.runFor(0)
  const response = await get(uri)
  assert.equal(response.status, 404)
  assert.match(await response.text(), /Nobody has this right now/)
  node.release()
  assert.equal((await get(uri)).status, 200)
})

test('what fails within the second is the answer itself', async (t) => {
  const { node, get } = await gateway(t)
  node.release(NOT_FOUND)
  assert.equal((await get(node.add('x'))).status, 404)
})

test('a deadline in the address is kept', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const uri = node.add('x')
  const page = await (await open(`${uri}?timeout=5`)).text()
  assert.match(page, /<dt>Time left<\/dt><dd>4 s<\/dd>/)
  node.release({ type: 'timed-out' })
  await clock.runFor(10_000)
  const response = await get(`${uri}?timeout=5`)
  assert.deepEqual([response.status, response.headers.get('retry-after')], [504, '5'])
})

test('a deadline below a second holds for the window that has it, not for the others', async (t) => {
  const { node, clock, get } = await gateway(t)
  const uri = node.add('the text', { contentType: 'text/plain' })
  const patient = get(uri)
  await until(() => node.waiting() === 1)
  const hasty = get(`${uri}?timeout=0.5`)
  await sleep(20)
  await clock.runFor(500)
  assert.equal((await hasty).status, 504)
  await clock.runFor(100)
  node.release()
  assert.equal(await (await patient).text(), 'the text')
})

test('a longer deadline makes the wait of others longer, and asking again does not', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const uri = node.add('x')
  const wait = `api/v1/waits/${idIn(await (await open(`${uri}?timeout=5`)).text())}`
  const leftMs = async () => ((await (await get(wait)).json()) as WaitView).leftMs
  assert.equal(await leftMs(), 4000)
  assert.equal((await get(`${uri}?timeout=100`)).status, 202)
  assert.equal(await leftMs(), 99_000)
  await clock.runFor(1000)
  for (const timeout of ['100', '2']) await get(`${uri}?timeout=${timeout}`)
  assert.equal(await leftMs(), 98_000)
  node.release({ type: 'timed-out' })
  await clock.runFor(10_000)
  assert.equal(((await (await get(wait)).json()) as WaitView).state, 'pausing')
})

test('how a wait ended is told for 30 seconds to the next load, and for 10 minutes to its page', async (t) => {
  const { node, clock, waits, get, open } = await gateway(t)
  const text = { contentType: 'text/plain' }
  const [early, late] = [node.add('early', text), node.add('late', text)]
  for (const uri of [early, late, node.add('never')]) {
    node.hold()
    await open(uri)
    node.release(NOT_FOUND)
    await clock.runFor(0)
  }
  node.release()
  await clock.runFor(28_500)
  assert.equal(await (await get(early)).text(), 'early', 'it was over for 30.5 s')
  assert.equal((await get(late)).status, 404, 'it was over for 29.5 s')
  assert.equal(waits.size, 1)
  await clock.runFor(571_000)
  assert.equal(waits.size, 1)
  await clock.runFor(1000)
  assert.equal(waits.size, 0)
})

test('a wait in the background ends after a day', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const wait = `api/v1/waits/${idIn(await (await open(node.add('x'))).text())}`
  node.release(NOT_FOUND)
  await clock.runFor(0)
  await get(`${wait}/keep`, {}, 'POST')
  const stateOf = async () => ((await (await get(wait)).json()) as WaitView).state
  await clock.runFor(23.5 * 3600_000)
  assert.equal(await stateOf(), 'pausing')
  await clock.runFor(0.5 * 3600_000)
  assert.equal(await stateOf(), 'failed')
})

test('beyond 64 waits browsers wait as programs do, and what is over makes room', async (t) => {
  const { node, clock, waits, open, get } = await gateway(t)
  const opened = Array.from({ length: 64 }, (_, i) => get(node.add(`${i}`)))
  await until(() => node.waiting() === 64)
  await clock.runFor(1000)
  const pages = await Promise.all(opened.map(async (answer) => (await answer).text()))
  const uri = node.add('the text', { contentType: 'text/plain' })
  const plain = get(uri)
  await until(() => node.waiting() === 65)
  await clock.runFor(2000)
  assert.equal(waits.size, 64)
  node.release()
  assert.equal(await (await plain).text(), 'the text')
  await clock.runFor(0)
  node.hold()
  assert.equal((await open(node.add('y'))).status, 202)
  assert.equal(waits.size, 64)
  const known = await Promise.all(pages.map((page) => get(`api/v1/waits/${idIn(page)}`)))
  assert.equal(known.filter(({ status }) => status === 404).length, 1)
})

test('the newest edition is looked up once, and the wait leads on to it', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const uri = node.addEdition('blog', { 'index.html': '<h1>blog' })
  const lookUp = node.lookUp.bind(node)
  const asked: (() => void)[] = []
  node.lookUp = async (wanted, options) => {
    await new Promise<void>((resolve) => asked.push(resolve))
    return await lookUp(wanted, options)
  }
  const latest = uri.replace(/\/0$/, '/latest/')
  const answer = get(latest)
  await until(() => asked.length === 1)
  await clock.runFor(1000)
  assert.equal((await answer).status, 202)
  asked[0]?.()
  await clock.runFor(0)
  const response = await get(latest)
  assert.equal(response.status, 307)
  assert.equal(response.headers.get('location'), `/${uri}/`)
  assert.equal(node.calls.lookUp.length, 1)
  node.lookUp = lookUp
  const page = await open(`${uri}/`)
  assert.equal(page.status, 202)
  node.release()
  await clock.runFor(0)
  assert.equal(await (await get(`${uri}/`)).text(), '<h1>blog')
})

test('its events tell of each change, and end with the end', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const page = await (await open(node.add('x'))).text()
  const events = await get(`api/v1/waits/${idIn(page)}/events`, { Accept: 'text/event-stream' })
  assert.match(events.headers.get('content-type') ?? '', /^text\/event-stream/)
  const views = viewsOf(events)
  assert.equal(((await views.next()).value as WaitView).state, 'trying')
  node.report({ stage: 'content', foundBlocks: 7, tries: 9, waitingBlocks: 2 })
  let view = (await views.next()).value as WaitView
  while (view.foundBlocks === 0) view = (await views.next()).value as WaitView
  assert.deepEqual([view.foundBlocks, view.tries, view.waitingBlocks], [7, 9, 2])
  node.release()
  await clock.runFor(0)
  const rest: WaitView[] = []
  for await (const next of views) rest.push(next)
  assert.equal(rest.at(-1)?.state, 'found')
})

test('a wait that is cancelled ends its fetch, and the page hears of it', async (t) => {
  const { node, get, open } = await gateway(t)
  const page = await (await open(node.add('x'))).text()
  const path = `api/v1/waits/${idIn(page)}`
  const views = viewsOf(await get(`${path}/events`))
  await views.next()
  assert.equal((await get(path, {}, 'DELETE')).status, 204)
  assert.equal(node.waiting(), 0)
  let last: WaitView | undefined
  for await (const view of views) last = view
  assert.equal(last?.state, 'cancelled')
  assert.equal((await get(path, {}, 'DELETE')).status, 404)
})

test('a window that is closed ends its wait within half a minute', async (t) => {
  const { clock, node, url, open } = await gateway(t)
  const page = await (await open(`${node.add('x')}?timeout=600`)).text()
  const stop = new AbortController()
  const { signal } = stop
  const events = await ask(`${url}api/v1/waits/${idIn(page)}/events`, { headers: {}, signal })
  const views = viewsOf(events)
  await views.next()
  await clock.runFor(100_000)
  assert.equal(node.waiting(), 1)
  stop.abort()
  await assert.rejects(async () => {
    for await (const _ of views);
  })
  await sleep(20)
  await clock.runFor(31_000)
  assert.equal(node.waiting(), 0)
})

test('a reader of events who takes none is told of the end alone, and costs no memory', async (t) => {
  const { clock, node, server, url, open } = await gateway(t)
  const page = await (await open(node.add('x'))).text()
  const began = once(server, 'request')
  const events = await ask(`${url}api/v1/waits/${idIn(page)}/events`, { headers: {} })
  const [, answer] = (await began) as [IncomingMessage, ServerResponse]
  for (let tries = 0; tries < 20_000; tries++) {
    node.report({ stage: 'content', foundBlocks: 1, tries, waitingBlocks: 1 })
  }
  assert.ok(answer.writableLength < 256 * 1024, `${answer.writableLength} bytes are held`)
  node.release()
  await clock.runFor(0)
  let last: WaitView | undefined
  for await (const view of viewsOf(events)) last = view
  assert.equal(last?.state, 'found')
})

test('a page that asks now and then keeps its wait alive', async (t) => {
  const { clock, node, get, open } = await gateway(t)
  const page = await (await open(`${node.add('x')}?timeout=600`)).text()
  await get(`api/v1/waits/${idIn(page)}`)
  for (let i = 0; i < 5; i++) {
    await clock.runFor(60_000) // as often as browsers let a page ask that nobody sees
    const view = (await (await get(`api/v1/waits/${idIn(page)}`)).json()) as WaitView
    assert.equal(view.state, 'trying')
  }
  await clock.runFor(91_000)
  assert.equal((await get(`api/v1/waits/${idIn(page)}`)).status, 404)
  assert.equal(node.waiting(), 0)
})

test('one who hangs up before the page comes is not waited for', async (t) => {
  const { node, clock, waits, url } = await gateway(t)
  const stop = new AbortController()
  const answer = ask(`${url}${node.add('x')}`, { headers: NAVIGATION, signal: stop.signal })
  await until(() => node.waiting() === 1)
  stop.abort()
  await assert.rejects(answer)
  await sleep(20)
  await clock.runFor(31_000)
  assert.deepEqual([node.waiting(), waits.size], [0, 0])
})

test('what is tried in the background is listed, with its key, until it is opened', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const uri = node.add('the text', { name: 'a text.txt', contentType: 'text/plain' })
  const page = await (await open(uri)).text()
  const none = (await (await get('api/v1/waits')).json()) as { waits: unknown[] }
  assert.deepEqual(none.waits, [])
  node.release(NOT_FOUND)
  await clock.runFor(0)
  const kept = await get(`api/v1/waits/${idIn(page)}/keep`, {}, 'POST')
  const view = (await kept.json()) as WaitView
  assert.deepEqual([view.state, view.isKept, view.leftMs], ['pausing', true, 10_000])
  const list = (await (await get('api/v1/waits')).json()) as { waits: Record<string, unknown>[] }
  assert.equal(list.waits.length, 1)
  assert.deepEqual([list.waits[0]?.['uri'], list.waits[0]?.['name']], [uri, 'a text.txt'])
  const again = await get(uri)
  assert.equal(again.status, 202)
  assert.match(await again.text(), /<p id="kept" class="soft">You may close this page/)
  node.release()
  await clock.runFor(20_000)
  assert.equal(await (await get(uri)).text(), 'the text')
  const after = (await (await get('api/v1/waits')).json()) as { waits: unknown[] }
  assert.deepEqual(after.waits, [])
})

test('a seventeenth key in the background is refused in words', async (t) => {
  const { node, get, open } = await gateway(t)
  const statuses: number[] = []
  for (let i = 0; i < 17; i++) {
    const page = await (await open(node.add('x'))).text()
    statuses.push((await get(`api/v1/waits/${idIn(page)}/keep`, {}, 'POST')).status)
  }
  assert.deepEqual(statuses, [...Array.from({ length: 16 }, () => 200), 429])
})

test('what was found in the background takes no place from what is sought', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const keep = async () => {
    const page = await (await open(node.add('x'))).text()
    return (await get(`api/v1/waits/${idIn(page)}/keep`, {}, 'POST')).status
  }
  for (let i = 0; i < 16; i++) assert.equal(await keep(), 200)
  node.release()
  await clock.runFor(0)
  node.hold()
  assert.equal(await keep(), 200)
  const list = (await (await get('api/v1/waits')).json()) as { waits: unknown[] }
  assert.equal(list.waits.length, 17)
})

test('waits are told to no page of another origin, and their list to no site', async (t) => {
  const { node, url, open, get } = await gateway(t)
  const page = await (await open(node.add('x'))).text()
  const path = `api/v1/waits/${idIn(page)}`
  const foreign = [
    { Origin: 'null' },
    { Origin: 'http://example.com' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
  ]
  for (const headers of foreign) {
    for (const [at, method] of [
      ['api/v1/waits', 'GET'],
      [path, 'GET'],
      [path, 'DELETE'],
      [`${path}/events`, 'GET'],
      [`${path}/keep`, 'POST'],
    ] as const) {
      assert.equal((await get(at, headers, method)).status, 403, `${method} ${at}`)
    }
  }
  assert.equal((await get(path, { Origin: url.slice(0, -1) })).status, 200)
  assert.equal((await get(path, {}, 'POST')).status, 405)
  assert.equal((await get('api/v1/waits', {}, 'DELETE')).status, 405)
  assert.equal((await get('api/v1/waits', { Host: 'site.localhost' })).status, 403)
  assert.equal((await get('api/v1/waits/nothing')).status, 404)
  assert.equal((await get('api/v1/waits/nothing/events')).status, 404)
  const head = await get(`${path}/events`, {}, 'HEAD')
  assert.deepEqual([head.status, await head.text()], [200, ''])
})

test('a node that closes says so on the page', async (t) => {
  const { node, clock, get, open } = await gateway(t)
  const uri = node.add('x')
  const page = await (await open(uri)).text()
  const views = viewsOf(await get(`api/v1/waits/${idIn(page)}/events`))
  await node.close()
  await clock.runFor(0)
  let last: WaitView | undefined
  for await (const view of views) last = view
  assert.deepEqual([last?.state, last?.status, last?.canBeKept], ['failed', 503, false])
  assert.match(last?.heading ?? '', /The node is stopping/)
})
