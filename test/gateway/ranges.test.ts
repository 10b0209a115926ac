/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'
import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { planRanges } from '../../src/gateway/multi-range.ts'
import { parseRanges } from '../../src/gateway/range.ts'
import { createNode } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()

/** Content in which no two places look alike, nor like the lines between parts. */
function bytesOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8) * 31) & 0xff)
}

function gateway(size: number) {
  const node = createFakeNode()
  const app = createApp({ node, logger: silentLogger })
  const bytes = bytesOf(size)
  const path = `/${node.add(bytes, { name: 'film.webm', contentType: 'video/webm' })}`
  const get = (headers: Record<string, string>) =>
    request(app).get(path).set(headers).buffer(true).parse(asBuffer)
  const head = (headers: Record<string, string>) => request(app).head(path).set(headers)
  return { node, bytes, get, head }
}

function asBuffer(
  response: request.Response,
  done: (error: Error | null, body: Buffer) => void,
): void {
  const pieces: Buffer[] = []
  const stream = response as unknown as NodeJS.ReadableStream
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  stream.on('end', () => done(null, Buffer.concat(pieces)))
}

function lasting(headers: Record<string, unknown>) {
  const { date: _date, ...rest } = headers
  return rest
}

interface Part {
  readonly first: number
  readonly last: number
  readonly size: number
  readonly type: string
  readonly bytes: Buffer
}

/** A `multipart/byteranges` body, read by the letter of RFC 2046. */
function partsOf(contentType: string, body: Buffer): Part[] {
  const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{24})$/.exec(contentType)?.[1]
  assert.ok(boundary !== undefined, contentType)
  const text = `\r\n${body.toString('latin1')}`
  const pieces = text.split(`\r\n--${boundary}`)
  assert.equal(pieces.shift(), '')
  assert.equal(pieces.pop(), '--\r\n')
  return pieces.map((piece) => {
    const end = piece.indexOf('\r\n\r\n')
    const head = piece.slice(0, end)
    const range = /^Content-Range: bytes (\d+)-(\d+)\/(\d+)$/m.exec(head)
    const [, first, last, size] = (range ?? []).map(Number)
    const type = /^Content-Type: (.+)$/m.exec(head)?.[1] ?? ''
    const bytes = Buffer.from(piece.slice(end + 4), 'latin1')
    return { first: first ?? -1, last: last ?? -1, size: size ?? -1, type, bytes }
  })
}

const SPECS = specsUpTo(1200)

/** Ranges in content of about `end` bytes, some of them beyond it. */
function specsUpTo(end: number): fc.Arbitrary<string> {
  const length = fc.oneof(fc.nat(60), fc.nat(end))
  return fc.oneof(
    fc.tuple(fc.nat(end), length).map(([first, more]) => `${first}-${first + more}`),
    fc.nat(end).map((first) => `${first}-`),
    length.map((bytes) => `-${bytes}`),
  )
}

/** The bytes that `spec` names in content of `size` bytes: first and last, none where the last is before. */
function slice(spec: string, size: number): readonly [number, number] {
  const [first = '', last = ''] = spec.split('-')
  if (first === '') return [Math.max(0, size - Number(last)), size - 1]
  return [Number(first), last === '' ? size - 1 : Math.min(size - 1, Number(last))]
}

/** What RFC 9110 and our bounds make of `specs`: by marking each byte, so that it shares no thought with the code. */
function wantedOf(specs: readonly string[], size: number) {
  const slices = specs.map((spec) => slice(spec, size)).filter(([first, last]) => first <= last)
  const isWanted = new Uint8Array(size)
  for (const [first, last] of slices) isWanted.fill(1, first, last + 1)
  const parts: { first: number; last: number }[] = []
  for (let at = isWanted.indexOf(1); at >= 0;) {
    const gap = isWanted.indexOf(0, at)
    const end = gap < 0 ? size : gap
    const before = parts.at(-1)
    if (before !== undefined && at - before.last - 1 < 80) before.last = end - 1
    else parts.push({ first: at, last: end - 1 })
    at = isWanted.indexOf(1, end)
  }
  const bytes = slices.reduce((sum, [first, last]) => sum + last - first + 1, 0)
  if (parts.length === 0) return { status: 416, parts }
  return bytes > size || parts.length > 16 ? { status: 200, parts: [] } : { status: 206, parts }
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
}

/** Fails unless it is what `specs` ask for of `bytes`. */
function assertSlices({ status, headers, body }: Answer, specs: readonly string[], bytes: Buffer) {
  const size = bytes.length
  const wanted = wantedOf(specs, size)
  const asked = `${specs.join()} of ${size}`
  assert.equal(status, wanted.status, asked)
  if (status === 416) {
    assert.equal(headers['content-range'], `bytes */${size}`)
    return
  }
  assert.equal(headers['content-length'], String(body.length))
  const [only, ...more] = wanted.parts
  if (only === undefined) assert.ok(body.equals(bytes), asked)
  else if (more.length === 0) {
    assert.equal(headers['content-range'], `bytes ${only.first}-${only.last}/${size}`, asked)
    assert.ok(body.equals(bytes.subarray(only.first, only.last + 1)), asked)
  } else {
    const parts = partsOf(headers['content-type'] ?? '', body)
    const inOrder = parts.toSorted((a, b) => a.first - b.first)
    assert.deepEqual(
      inOrder.map(({ first, last }) => ({ first, last })),
      wanted.parts,
      asked,
    )
    for (const { first, last, size: told, bytes: part } of parts) {
      assert.ok(part.equals(bytes.subarray(first, last + 1)), asked)
      assert.equal(told, size)
    }
  }
}

test('any ranges of any file are the slices of the whole, and HEAD says what GET does', async () => {
  const sizes = fc.oneof(fc.constantFrom(0, 1, 70_000), fc.nat(1000), fc.nat(70_000))
  const cases = sizes.chain((size) =>
    fc.record({
      size: fc.constant(size),
      specs: fc.array(specsUpTo(size + Math.ceil(size / 5)), { minLength: 1, maxLength: 20 }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(cases, async ({ size, specs }) => {
      const { node, bytes, get, head } = gateway(size)
      const headers = { Range: `bytes=${specs.join(', ')}` }
      const answer = await get(headers)
      const said = await head(headers)
      assert.equal(said.status, answer.status)
      assert.deepEqual(lasting(said.headers), lasting(answer.headers))
      assert.equal(node.live.streams, 0)
      assertSlices(answer, specs, Buffer.from(bytes))
      if (answer.status !== 206) return
      const type = answer.headers['content-type'] ?? ''
      const types = type.startsWith('multipart/')
        ? partsOf(type, answer.body as Buffer).map((part) => part.type)
        : [type]
      assert.deepEqual([...new Set(types)], ['video/webm'])
    }),
    { seed, numRuns: 200 },
  )
})

test('what is planned covers what is asked, never overlaps, and stays in the order asked', () => {
  const cases = fc.record({
    size: fc.integer({ min: 1, max: 5000 }),
    specs: fc.array(SPECS, { minLength: 1, maxLength: 30 }),
  })
  fc.assert(
    fc.property(cases, ({ size, specs }) => {
      const asked = parseRanges(`bytes=${specs.join()}`)
      assert.ok(asked !== undefined)
      const plan = planRanges(asked, size)
      if (plan.type !== 'parts') return
      const { parts } = plan
      const sorted = [...parts].sort((a, b) => a.first - b.first)
      for (const [i, { first, last }] of sorted.entries()) {
        assert.ok(first >= 0 && first <= last && last < size)
        const next = sorted[i + 1]
        if (next !== undefined) assert.ok(next.first - last > 80)
      }
      const places = asked.flatMap((range) => {
        const begin = range.type === 'suffix' ? Math.max(0, size - range.length) : range.first
        const isEmpty = range.type === 'suffix' && range.length === 0
        if (begin >= size || isEmpty) return []
        return [parts.findIndex(({ first, last }) => first <= begin && begin <= last)]
      })
      assert.ok(!places.includes(-1))
      const firstSeen = [...new Set(places)]
      assert.deepEqual(
        firstSeen,
        firstSeen.toSorted((a, b) => a - b),
      )
    }),
    { seed },
  )
})

const FAR = Array.from({ length: 17 }, (_, i) => `${i * 200}-${i * 200}`)
const TABLE: readonly (readonly [string, string, number, readonly string[] | undefined])[] = [
  ['two ranges', 'bytes=0-9,500-509', 206, ['0-9', '500-509']],
  ['the order asked', 'bytes=500-509,0-9', 206, ['500-509', '0-9']],
  ['a suffix among them', 'bytes=0-0,-1', 206, ['0-0', '9999-9999']],
  ['blanks and empty elements', 'bytes= ,0-9 , ,\t500-509,', 206, ['0-9', '500-509']],
  ['overlapping', 'bytes=0-9,5-19', 206, undefined],
  ['adjacent', 'bytes=0-9,10-19', 206, undefined],
  ['79 bytes between', 'bytes=0-9,89-99', 206, undefined],
  ['80 bytes between', 'bytes=0-9,90-99', 206, ['0-9', '90-99']],
  ['joined in the middle', 'bytes=900-910,0-9,905-920', 206, ['900-920', '0-9']],
  ['one of two beyond the end', 'bytes=0-9,20000-', 206, undefined],
  ['all beyond the end', 'bytes=20000-,30000-', 416, undefined],
  ['empty suffixes', 'bytes=-0,-0', 416, undefined],
  ['sixteen', `bytes=${FAR.slice(1).join()}`, 206, FAR.slice(1)],
  ['seventeen', `bytes=${FAR.join()}`, 200, undefined],
  ['seventeen that touch', `bytes=${'0-9,'.repeat(17)}`, 206, undefined],
  ['more than there is', 'bytes=0-,0-', 200, undefined],
  ['one that runs backwards', 'bytes=5-2', 200, undefined],
  ['one of two that runs backwards', 'bytes=0-1,5-2', 200, undefined],
  ['one of two that is none', 'bytes=0-1,x', 200, undefined],
  ['nothing', 'bytes=', 200, undefined],
  ['only commas', 'bytes=,,,', 200, undefined],
  ['a hundred', `bytes=${'0-0,'.repeat(100)}`, 206, undefined],
  ['a hundred and one', `bytes=${'0-0,'.repeat(101)}`, 200, undefined],
  ['4,000 ranges', `bytes=${'0-,'.repeat(4000)}`, 200, undefined],
  ['2,048 characters', `bytes=0-9${' '.repeat(2030)},2-3`.padEnd(2048, ','), 206, undefined],
  ['a longer header', `bytes=0-9,${','.repeat(2048)}`, 200, undefined],
]

for (const [what, range, status, expected] of TABLE) {
  test(`ranges: ${what} are answered ${status}`, async () => {
    const { node, get, head } = gateway(10_000)
    const answer = await get({ Range: range })
    assert.equal(answer.status, status)
    assert.equal((await head({ Range: range })).status, status)
    assert.ok(node.calls.fetch.length <= 20)
    const isMultipart = (answer.headers['content-type'] ?? '').startsWith('multipart/')
    assert.equal(isMultipart, expected !== undefined)
    if (expected === undefined) return
    const parts = partsOf(answer.headers['content-type'] ?? '', answer.body as Buffer)
    assert.deepEqual(
      parts.map(({ first, last }) => `${first}-${last}`),
      expected,
    )
    assert.equal(answer.headers['content-range'], undefined)
    assert.equal(answer.headers['accept-ranges'], 'bytes')
  })
}

test('several ranges count only for the version that they were meant for', async () => {
  const { get, head } = gateway(1000)
  const tag = (await head({})).headers['etag'] ?? ''
  const ranges = { Range: 'bytes=0-1,500-501' }
  assert.equal((await get({ ...ranges, 'If-Range': tag })).status, 206)
  assert.equal((await get({ ...ranges, 'If-Range': '"other"' })).status, 200)
  assert.equal((await get({ ...ranges, 'If-None-Match': tag })).status, 304)
})

test('a boundary is another one for other content and other ranges', async () => {
  const { node, head } = gateway(1000)
  const app = createApp({ node, logger: silentLogger })
  const boundary = async (of: request.Test) => (await of).headers['content-type']
  const Range = 'bytes=0-1,500-501'
  const one = await boundary(head({ Range }))
  assert.equal(await boundary(head({ Range })), one)
  assert.notEqual(await boundary(head({ Range: 'bytes=0-1,500-502' })), one)
  const other = `/${node.add(bytesOf(1000), { contentType: 'video/webm' })}`
  assert.notEqual(await boundary(request(app).head(other).set({ Range })), one)
})

test('a part that breaks off breaks the answer off', async () => {
  const node = createFakeNode()
  const app = createApp({ node, logger: silentLogger })
  const content = { size: 1000, read: (_: number, length: number) => new Uint8Array(length) }
  const path = `/${node.add({ ...content, breaksAt: 500 })}`
  await assert.rejects(async () => await request(app).get(path).set('Range', 'bytes=0-1,600-601'))
  assert.equal(node.live.streams, 0)
})

const ABSENT = [
  ['not-found', 404],
  ['no-peers', 503],
  ['timed-out', 504],
  ['not-local', 412],
] as const

for (const [type, status] of ABSENT) {
  test(`bytes that are ${type} are ${status}, asked for in one part, in two, and as a whole`, async () => {
    const { node, get } = gateway(10_000)
    const fetch = node.fetch.bind(node)
    node.fetch = async (uri, options) =>
      options?.headOnly === true ? await fetch(uri, options) : { type }
    for (const headers of [{}, { Range: 'bytes=0-9' }, { Range: 'bytes=0-9,500-509' }]) {
      const answer = await get(headers)
      assert.equal(answer.status, status)
      assert.equal(answer.headers['retry-after'], status > 500 ? '5' : undefined)
      assert.doesNotMatch(String(answer.body), /has changed/)
    }
  })
}

test('only-if-cached of what is here in part is the same for HEAD and GET', async () => {
  const { node, get, head } = gateway(10_000)
  const fetch = node.fetch.bind(node)
  // the manifest is here, and the first block is not
  node.fetch = async (uri, options) =>
    options?.headOnly === true ? await fetch(uri, options) : { type: 'not-local' }
  for (const range of [{}, { Range: 'bytes=0-9' }, { Range: 'bytes=0-9,500-509' }]) {
    const headers = { ...range, 'Cache-Control': 'only-if-cached' }
    assert.deepEqual([(await get(headers)).status, (await head(headers)).status], [412, 412])
  }
  node.fetch = fetch
  for (const range of [{}, { Range: 'bytes=0-9,500-509' }]) {
    const said = await head({ ...range, 'Cache-Control': 'only-if-cached' })
    assert.equal(said.status, 'Range' in range ? 206 : 200)
  }
  assert.equal(node.live.streams, 0)
})

test('a part of another version than the first ones breaks the answer off', async () => {
  const node = createFakeNode()
  const app = createApp({ node, logger: silentLogger })
  const path = `/${node.addWord('word', 'a'.repeat(1000))}`
  const fetch = node.fetch.bind(node)
  node.fetch = (uri, options) => {
    // the probe, the first part, and then somebody writes to the word
    if (node.calls.fetch.length === 2) node.addWord('word', 'b'.repeat(1000))
    return fetch(uri, options)
  }
  await assert.rejects(async () => await request(app).get(path).set('Range', 'bytes=0-1,600-601'))
  assert.equal(node.calls.fetch.length, 3)
  assert.equal(node.live.streams, 0)
})

test('a real node answers any ranges across its leaves with the slices of the whole', async (t) => {
  const node = await createNode({ network: 'test', storeBytes: 64 * 1024 * 1024 })
  t.after(() => node.close())
  const app = createApp({ node, logger: silentLogger })
  const near = fc.tuple(fc.nat(12), fc.integer({ min: -2, max: 2 }))
  const place = near.map(([leaves, more]) => Math.max(0, leaves * 32_768 + more))
  const cases = fc.record({
    size: place,
    specs: fc.array(fc.tuple(place, place), { minLength: 1 }),
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ size, specs }) => {
      const bytes = bytesOf(size)
      const { uri } = await node.insert(inPieces(bytes))
      const ranges = specs
        .slice(0, 5)
        .map(([a, b], i) => (i === 4 ? `-${a}` : `${Math.min(a, b)}-${Math.max(a, b)}`))
      const headers = { Range: `bytes=${ranges.join()}` }
      const answer = await request(app).get(`/${uri}`).set(headers).buffer(true).parse(asBuffer)
      const head = await request(app).head(`/${uri}`).set(headers)
      const { 'server-timing': _timing, ...said } = lasting(answer.headers)
      const { 'server-timing': _other, ...saidByHead } = lasting(head.headers)
      assert.deepEqual(saidByHead, said)
      assertSlices(answer, ranges, Buffer.from(bytes))
    }),
    { seed, numRuns: 60 },
  )
})

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield await Promise.resolve(bytes)
}
