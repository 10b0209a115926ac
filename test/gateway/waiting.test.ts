/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { WaitView } from '../../src/gateway/wait/wait-view.ts'
import {
  HTML,
  idIn,
  NAVIGATION,
  NOT_FOUND,
  until,
  viewsOf,
  waitingGateway,
} from '../helpers/waiting-gateway.ts'

test('a person who waits for a second gets a page on the same address', async (t) => {
  const { node, open } = await waitingGateway(t)
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
  const { node, clock, get, open } = await waitingGateway(t)
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
  const { node, clock, waits, get, open } = await waitingGateway(t)
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
  const { node, clock, get } = await waitingGateway(t)
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
  const { node, waits, get } = await waitingGateway(t)
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
  ['one that wants this version only', { ...NAVIGATION, 'If-Match': '*' }],
  ['a page fetched ahead', { ...NAVIGATION, 'Sec-Purpose': 'prefetch;prerender' }],
  ['one that may ask nobody', { ...NAVIGATION, 'Cache-Control': 'only-if-cached' }],
]

test('a person who returns with a copy that is stale gets the page, and then what is new or that nothing is', async (t) => {
  const { node, clock, get, open } = await waitingGateway(t)
  node.release()
  const uri = node.addEdition('doc', 'the text')
  const tag = (await get(uri)).headers.get('etag') ?? ''
  const load = async (held: string) => {
    node.hold()
    const headers = { ...NAVIGATION, 'If-None-Match': held }
    const page = await open(uri, headers)
    assert.equal(page.status, 202)
    assert.equal(page.headers.get('cache-control'), 'no-store')
    assert.equal(page.headers.get('etag'), null)
    node.release()
    await clock.runFor(0)
    const { status } = await get(uri, headers)
    await clock.runFor(31_000)
    return status
  }
  assert.equal(await load(tag), 304)
  assert.equal(await load('"an older one"'), 200)
})

test('programs, pictures, films, frames and parts never see the page', async (t) => {
  const { node, clock, waits, get } = await waitingGateway(t)
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
  const { node, open } = await waitingGateway(t)
  for (const site of ['none', 'same-origin', 'same-site', 'cross-site']) {
    node.hold()
    const response = await open(node.add('x'), { ...NAVIGATION, 'Sec-Fetch-Site': site })
    assert.equal(response.status, 202, site)
    node.release()
  }
})

test('what failed is told once with its status, and the next load tries anew', async (t) => {
  const { node, clock, get, open } = await waitingGateway(t)
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
  const { node, get } = await waitingGateway(t)
  node.release(NOT_FOUND)
  assert.equal((await get(node.add('x'))).status, 404)
})

test('a deadline in the address is kept', async (t) => {
  const { node, clock, get, open } = await waitingGateway(t)
  const uri = node.add('x')
  const page = await (await open(`${uri}?timeout=5`)).text()
  assert.match(page, /<dt>Time left<\/dt><dd>4 s<\/dd>/)
  node.release({ type: 'timed-out' })
  await clock.runFor(10_000)
  const response = await get(`${uri}?timeout=5`)
  assert.deepEqual([response.status, response.headers.get('retry-after')], [504, '5'])
})

test('the newest edition is looked up once, and the wait leads on to it', async (t) => {
  const { node, clock, get, open } = await waitingGateway(t)
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
  const { node, clock, get, open } = await waitingGateway(t)
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
  const { node, get, open } = await waitingGateway(t)
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

test('what is tried in the background is listed, with its key, until it is opened', async (t) => {
  const { node, clock, get, open } = await waitingGateway(t)
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

test('waits are told to no page of another origin, and their list to no site', async (t) => {
  const { node, url, open, get } = await waitingGateway(t)
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
  const { node, clock, get, open } = await waitingGateway(t)
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
