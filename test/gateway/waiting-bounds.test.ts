/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { WaitView } from '../../src/gateway/wait/wait-view.ts'
import {
  ask,
  idIn,
  NAVIGATION,
  NOT_FOUND,
  until,
  viewsOf,
  waitingGateway,
} from '../helpers/waiting-gateway.ts'

test('a deadline below a second holds for the window that has it, not for the others', async (t) => {
  const { node, clock, get } = await waitingGateway(t)
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
  const { node, clock, get, open } = await waitingGateway(t)
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
  const { node, clock, waits, get, open } = await waitingGateway(t)
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
  const { node, clock, get, open } = await waitingGateway(t)
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
  const { node, clock, waits, open, get } = await waitingGateway(t)
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

test('a window that is closed ends its wait within half a minute', async (t) => {
  const { clock, node, url, open } = await waitingGateway(t)
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
  const { clock, node, server, url, open } = await waitingGateway(t)
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
  const { clock, node, get, open } = await waitingGateway(t)
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
  const { node, clock, waits, url } = await waitingGateway(t)
  const stop = new AbortController()
  const answer = ask(`${url}${node.add('x')}`, { headers: NAVIGATION, signal: stop.signal })
  await until(() => node.waiting() === 1)
  stop.abort()
  await assert.rejects(answer)
  await sleep(20)
  await clock.runFor(31_000)
  assert.deepEqual([node.waiting(), waits.size], [0, 0])
})

test('a seventeenth key in the background is refused in words', async (t) => {
  const { node, get, open } = await waitingGateway(t)
  const statuses: number[] = []
  for (let i = 0; i < 17; i++) {
    const page = await (await open(node.add('x'))).text()
    statuses.push((await get(`api/v1/waits/${idIn(page)}/keep`, {}, 'POST')).status)
  }
  assert.deepEqual(statuses, [...Array.from({ length: 16 }, () => 200), 429])
})

test('what was found in the background takes no place from what is sought', async (t) => {
  const { node, clock, get, open } = await waitingGateway(t)
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
