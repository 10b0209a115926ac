/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isShoalError, ShoalError } from '../../src/errors.ts'
import type { WaitJob } from '../../src/gateway/wait/wait-job.ts'
import { viewOf } from '../../src/gateway/wait/wait-view.ts'
import { Waits } from '../../src/gateway/wait/waits.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSlowNode } from '../helpers/slow-node.ts'

const SECOND_MS = 1000
const HOUR_MS = 3600 * SECOND_MS
const NOT_FOUND = { type: 'not-found' } as const

function world() {
  const node = createSlowNode()
  const clock = createSimulatedClock()
  const waits = new Waits({ node, clock })
  const join = (uri = node.add('content', { name: 'a.txt' }), limitMs?: number): WaitJob => {
    const job = waits.join({ uri: parseUri(uri), isPinned: false, limitMs })
    assert.ok(job)
    return job
  }
  node.hold()
  return { node, clock, waits, join }
}

function codeOf(job: WaitJob): string | undefined {
  return isShoalError(job.error) ? job.error.code : undefined
}

test('one key is one job, whoever waits, and another key another one', async () => {
  const { node, clock, waits, join } = world()
  const uri = node.add('content', { name: 'a.txt' })
  const job = join(uri)
  assert.equal(join(uri.replace('CHK@', 'freenet:CHK@')), job)
  assert.notEqual(join(), job)
  await clock.runFor(0)
  assert.equal(node.waiting(), 2)
  assert.equal(waits.find(job.id), job)
  assert.match(job.id, /^[\w-]{22}$/)
  assert.ok(!uri.includes(job.id))
})

test('an edition that is pinned is another wait than the newest one', () => {
  const { node, waits } = world()
  const uri = parseUri(node.addEdition('blog', 'text'))
  const newest = waits.join({ uri, isPinned: false })
  assert.notEqual(waits.join({ uri, isPinned: true }), newest)
})

test('only the first byte is asked for, and the stream is let go', async () => {
  const { node, clock, join } = world()
  const job = join(node.add('x'.repeat(100_000)))
  node.release()
  await clock.runFor(1)
  assert.equal(job.state, 'found')
  assert.deepEqual(node.calls.fetch[0]?.options.range, { type: 'from-to', first: 0, last: 0 })
  assert.equal(node.live.streams, 0)
})

test('content of no bytes, folders and paths that a site does not have are found as well', async () => {
  const { node, clock, join } = world()
  const folder = node.addFolder({ 'a.txt': 'a' }, 'things')
  const jobs = [node.add(''), `${folder}/`, folder, `${folder}/nothing`].map((uri) => join(uri))
  node.release()
  await clock.runFor(1)
  assert.deepEqual(
    jobs.map(({ state }) => state),
    ['found', 'found', 'found', 'found'],
  )
})

test('a job that nobody looks at ends after 30 s, and its fetch with it', async () => {
  const { node, clock, waits, join } = world()
  const job = join(undefined, 600 * SECOND_MS)
  const leave = waits.view(job)
  const leaveToo = waits.view(job)
  await clock.runFor(40 * SECOND_MS)
  leave()
  await clock.runFor(40 * SECOND_MS)
  assert.equal(job.state, 'trying')
  leaveToo()
  await clock.runFor(29 * SECOND_MS)
  waits.view(job)()
  await clock.runFor(29 * SECOND_MS)
  assert.equal(job.state, 'trying')
  await clock.runFor(2 * SECOND_MS)
  assert.equal(job.state, 'cancelled')
  assert.equal(node.waiting(), 0)
  assert.throws(() => waits.find(job.id), { code: 'E_ROUTE' })
})

test('there are at most 64 jobs, and what is over makes room', async () => {
  const { node, clock, waits, join } = world()
  const jobs = Array.from({ length: 64 }, () => join())
  const uri = parseUri(node.add('one more'))
  await clock.runFor(0)
  assert.equal(waits.join({ uri, isPinned: false }), undefined)
  assert.equal(node.waiting(), 64)
  node.release(NOT_FOUND)
  await clock.runFor(1)
  assert.ok(waits.join({ uri, isPinned: false }))
  assert.throws(() => waits.find(jobs[0]?.id ?? ''), { code: 'E_ROUTE' })
  assert.equal(waits.find(jobs[1]?.id ?? ''), jobs[1])
})

test('that nobody has it is the end, and its words are those of the error page', async () => {
  const { node, clock, join } = world()
  const job = join()
  node.release(NOT_FOUND)
  await clock.runFor(1)
  const { state, status, heading, canBeKept } = viewOf(job)
  assert.deepEqual([state, status, canBeKept], ['failed', 404, true])
  assert.equal(heading, 'Nobody has this right now')
})

test('without peers it is tried again each second until the time is up', async () => {
  const { node, clock, waits, join } = world()
  node.fetch = () => Promise.resolve({ type: 'no-peers' })
  const job = join(undefined, 10 * SECOND_MS)
  waits.view(job)
  await clock.runFor(4500)
  assert.deepEqual([job.state, job.attempts], ['pausing', 5])
  assert.match(viewOf(job).detail, /no peers to ask.*tries again/)
  await clock.runFor(10 * SECOND_MS)
  assert.deepEqual([job.state, job.attempts, codeOf(job)], ['failed', 10, 'E_NO_PEERS'])
})

test('each try gets the time that is left', async () => {
  const { node, clock, waits, join } = world()
  const given: unknown[] = []
  node.fetch = (_uri, options) => {
    given.push(options?.timeoutMs)
    return Promise.resolve({ type: 'timed-out' })
  }
  waits.view(join(undefined, 2500))
  await clock.runFor(5000)
  assert.deepEqual(given, [2500, 1500, 500])
})

test('what is damaged is not tried again, and cannot be kept', async () => {
  const { node, clock, waits, join } = world()
  const job = join()
  node.release(new ShoalError('E_DECODE', 'Damaged.'))
  await clock.runFor(1)
  waits.keep(job)
  await clock.runFor(HOUR_MS / 6)
  assert.deepEqual([job.state, job.attempts, viewOf(job).canBeKept], ['cancelled', 1, false])
})

test('a kept job is tried after 10 s, then ever later up to 10 min, and ends after 24 h', async () => {
  const { node, clock, waits, join } = world()
  const triedMs: number[] = []
  const job = join()
  node.fetch = () => {
    triedMs.push(clock.now())
    return Promise.resolve(NOT_FOUND)
  }
  node.release(NOT_FOUND)
  await clock.runFor(0)
  assert.equal(job.state, 'failed')
  waits.keep(job)
  await clock.runFor(HOUR_MS)
  const pauses = triedMs.map((ms, at) => ms - (triedMs[at - 1] ?? 0))
  const seconds = [0, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]
  assert.deepEqual(
    pauses,
    seconds.map((pause) => pause * SECOND_MS),
  )
  assert.deepEqual(waits.kept, [job])
  await clock.runFor(24 * HOUR_MS)
  assert.deepEqual(waits.kept, [])
  assert.throws(() => waits.find(job.id), { code: 'E_ROUTE' })
  const tries = triedMs.length
  await clock.runFor(24 * HOUR_MS)
  assert.equal(triedMs.length, tries)
  assert.ok((triedMs.at(-1) ?? 0) <= 24 * HOUR_MS)
})

test('what a kept job has found is told for 24 h', async () => {
  const { node, clock, waits, join } = world()
  const uri = node.add('content')
  const job = join(uri)
  waits.keep(job)
  node.release()
  await clock.runFor(23 * HOUR_MS)
  assert.deepEqual([job.state, waits.kept.length], ['found', 1])
  assert.notEqual(join(uri), job) // so long ago that it may be gone again: looked for anew
  assert.deepEqual(waits.kept, [])
})

test('at most 16 jobs are kept', () => {
  const { waits, join } = world()
  const jobs = Array.from({ length: 17 }, () => join())
  for (const job of jobs.slice(0, 16)) waits.keep(job)
  assert.throws(() => waits.keep(jobs[16] as WaitJob), { code: 'E_BUSY' })
  waits.keep(jobs[0] as WaitJob)
  waits.cancel(jobs[0] as WaitJob)
  waits.keep(jobs[16] as WaitJob)
  assert.equal(waits.kept.length, 16)
})

test('an end is the answer for 30 s only, and a failed job can be kept for 10 min', async () => {
  const { node, clock, waits, join } = world()
  const uri = node.add('content')
  const job = join(uri)
  node.release(NOT_FOUND)
  await clock.runFor(20 * SECOND_MS)
  assert.equal(join(uri), job)
  const other = join()
  await clock.runFor(HOUR_MS / 6 - SECOND_MS)
  assert.equal(waits.find(other.id), other)
  await clock.runFor(2 * SECOND_MS)
  assert.throws(() => waits.find(other.id), { code: 'E_ROUTE' })
  assert.notEqual(join(uri), job)
})

test('progress is told in numbers and words, and no key is in it', async () => {
  const { node, clock, join } = world()
  const uri = node.add('content', { name: 'secret.txt' })
  const job = join(uri)
  let changes = 0
  const ignore = job.onChange(() => changes++)
  await clock.runFor(2000)
  node.report({ stage: 'content', foundBlocks: 4, tries: 9, waitingBlocks: 3 })
  const view = viewOf(job)
  assert.equal(changes, 1)
  assert.deepEqual(
    [view.foundBlocks, view.tries, view.waitingBlocks, view.bytesPerSecond, view.leftMs],
    [4, 9, 3, 65_536, 58_000],
  )
  assert.deepEqual(view.facts, [
    ['Blocks found', '4 (128 KiB)'],
    ['Rate', '64 KiB/s'],
    ['Blocks asked for', '9 (3 on their way)'],
    ['Tries', '1'],
    ['Time left', '58 s'],
  ])
  assert.doesNotMatch(JSON.stringify(view), /CHK@|secret/)
  ignore()
  node.report({ stage: 'content', foundBlocks: 5, tries: 9, waitingBlocks: 2 })
  assert.equal(changes, 1)
})

test('closing ends every job and leaves no timer', async () => {
  const { node, clock, waits, join } = world()
  const jobs = Array.from({ length: 5 }, () => join())
  const leave = waits.view(jobs[0] as WaitJob)
  waits.keep(jobs[1] as WaitJob)
  await clock.runFor(0)
  assert.equal(node.waiting(), 5)
  waits.close()
  leave()
  await clock.runFor(0)
  assert.equal(node.waiting(), 0)
  assert.deepEqual(
    jobs.map(({ state }) => state),
    jobs.map(() => 'cancelled'),
  )
  await clock.runFor(48 * HOUR_MS)
  assert.deepEqual(waits.kept, [])
})
