/**
 * Good and bad requests of what goes on for long: uploads in parts, downloads to disk, waits.
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

import { ShoalError } from '../../src/errors.ts'
import type { Waits } from '../../src/gateway/wait/waits.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { MAX_UPLOADS } from '../../src/uploads/uploads.ts'
import type { FakeNode } from './fake-node.ts'
import { once } from './publishing.ts'

export type Headers = Readonly<Record<string, string>>
export interface Given {
  readonly node: FakeNode
  readonly waits: Waits
}

/** Longest upload that the gateway takes. */
export const MAX_BYTES = 1_000_000
const LONGER = { 'Upload-Length': `${MAX_BYTES + 1}`, 'Upload-Complete': '?0' }

/** One request of an operation: its query, what the node is told before, and the status of its answer. */
export interface Try {
  readonly path?: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  readonly status: number
  readonly prepare?: (node: FakeNode) => void
  /** Prepares, and says where what it made is. */
  readonly place?: (given: Given) => Promise<string> | string
  readonly headers?: Readonly<Record<string, string>>
  /** Events without an end: the first one is enough. */
  readonly isEndless?: true
}

const FOLDER = mkdtempSync(join(tmpdir(), 'shoal-openapi-'))
after(() => {
  rmSync(FOLDER, { recursive: true, force: true })
})

async function placeOfUpload({ node }: Given): Promise<string> {
  return `/api/v1/uploads/${(await node.uploads.create({ name: 'a' })).id}`
}

async function placeOfTransfer({ node }: Given): Promise<string> {
  node.nextFetch = 'hang'
  const { id } = await node.transfers.add({ uri: 'KSK@word', path: join(FOLDER, 'a') })
  return `/api/v1/transfers/${id}`
}

async function placeOfEvents(given: Given): Promise<string> {
  await placeOfTransfer(given)
  return '/api/v1/transfers/events'
}

function waitOn({ node, waits }: Given): string {
  node.nextFetch = 'hang'
  const job = waits.join({ uri: parseUri('KSK@word'), isPinned: false })
  return `/api/v1/waits/${job?.id}`
}

/** One that has failed. */
async function placeOfWait({ waits }: Given): Promise<string> {
  const job = waits.join({ uri: parseUri('KSK@nobody'), isPinned: false })
  await new Promise<void>((resolve) => {
    job?.onChange(() => {
      if (job.isOver) resolve()
    })
  })
  return `/api/v1/waits/${job?.id}`
}

/** Every upload in parts that the node takes at once is under way. */
async function busy({ node }: Given): Promise<string> {
  for (let i = 0; i < MAX_UPLOADS; i++) {
    const { id } = await node.uploads.create({})
    await node.uploads.append(id, { offset: 0, content: once(Buffer.from('a')), isLast: false })
  }
  return '/api/v1/uploads'
}

async function placeWithTag({ node }: Given): Promise<string> {
  await node.uploads.create({ tag: 'film', name: 'a' })
  return '/api/v1/uploads'
}

async function placeOfWord({ node }: Given): Promise<string> {
  return `/api/v1/uploads/${(await node.uploads.create({ word: 'w' })).id}`
}

const LONELY = new ShoalError('E_NO_PEERS', 'No peer is connected.')
const LATE = new ShoalError('E_TIMEOUT', 'Nobody answered in time.')

/** What the network says of the word when its upload is whole. */
const wordFails =
  (fault: ShoalError) =>
  ({ uploadBench }: FakeNode): void => {
    uploadBench.words.fault = fault
  }

const lonely = ({ uploadBench }: FakeNode): void => {
  uploadBench.words.beginWord = () => Promise.reject(LONELY)
}

const full = ({ uploadBench }: FakeNode): void => {
  uploadBench.store.outbox.add = () => Promise.reject(new ShoalError('E_STORE_FULL', 'No room.'))
}

const PART = { 'Content-Type': 'application/partial-upload', 'Upload-Offset': '0' }

/** Last parts that are not taken. */
const LAST_PARTS: readonly Try[] = [
  { place: placeOfWord, prepare: wordFails(LONELY), status: 503 },
  { place: placeOfWord, prepare: wordFails(LATE), status: 504 },
  { place: placeOfUpload, prepare: full, status: 507 },
]

/** Of every operation, by its name. */
export const MOVING_TRIES: Readonly<Record<string, readonly Try[]>> = {
  'POST /api/v1/uploads': [
    { body: 'hello', query: { name: 'a' }, headers: { 'Upload-Complete': '?0' }, status: 201 },
    { body: 'hello', query: { name: 'a' }, headers: { 'Upload-Complete': '?1' }, status: 201 },
    { body: 'hello', query: { tag: '!' }, status: 400 },
    { body: 'hello', headers: { 'Upload-Complete': 'yes' }, status: 400 },
    { body: 'hello', place: placeWithTag, query: { tag: 'film', name: 'b' }, status: 409 },
    { body: 'hello', headers: LONGER, status: 413 },
    { body: 'hello', place: busy, status: 429 },
    { body: 'hello', prepare: lonely, query: { word: 'w' }, status: 503 },
    { body: 'hello', prepare: wordFails(LATE), query: { word: 'w' }, status: 504 },
    { body: 'hello', prepare: full, query: { urn: '1' }, status: 507 },
  ],
  'OPTIONS /api/v1/uploads': [{ status: 204 }],
  'GET /api/v1/uploads/{id}': [
    { place: placeOfUpload, status: 200 },
    { path: '/api/v1/uploads/none', status: 404 },
  ],
  'PATCH /api/v1/uploads/{id}': [
    {
      place: placeOfUpload,
      headers: { ...PART, 'Upload-Complete': '?0' },
      body: Buffer.from('a'),
      status: 200,
    },
    {
      place: placeOfUpload,
      headers: { ...PART, 'Upload-Complete': '?1' },
      body: Buffer.from('a'),
      status: 201,
    },
    {
      place: placeOfUpload,
      headers: { ...PART, 'Upload-Complete': '?1', 'Upload-Offset': '7' },
      body: Buffer.from('a'),
      status: 409,
    },
    { place: placeOfUpload, headers: PART, body: Buffer.from('a'), status: 400 },
    { place: placeOfUpload, headers: { ...PART, ...LONGER }, body: Buffer.from('a'), status: 413 },
    ...LAST_PARTS.map((one) => ({
      ...one,
      headers: { ...PART, 'Upload-Complete': '?1' },
      body: Buffer.from('a'),
    })),
    {
      path: '/api/v1/uploads/none',
      headers: { ...PART, 'Upload-Complete': '?1' },
      body: Buffer.from('a'),
      status: 404,
    },
  ],
  'DELETE /api/v1/uploads/{id}': [
    { place: placeOfUpload, status: 204 },
    { path: '/api/v1/uploads/none', status: 404 },
  ],
  'GET /api/v1/transfers': [
    { status: 200 },
    { place: async (given) => (await placeOfTransfer(given)).replace(/\/\d+$/, ''), status: 200 },
  ],
  'POST /api/v1/transfers': [
    { query: { uri: 'KSK@word', path: join(FOLDER, 'b'), priority: '9' }, status: 201 },
    { query: { uri: 'KSK@word', path: 'relative' }, status: 400 },
    { query: { uri: 'KSK@word', path: FOLDER }, status: 409 },
  ],
  'GET /api/v1/transfers/events': [{ place: placeOfEvents, isEndless: true, status: 200 }],
  'GET /api/v1/transfers/{id}': [
    { place: placeOfTransfer, status: 200 },
    { path: '/api/v1/transfers/1', status: 404 },
  ],
  'PATCH /api/v1/transfers/{id}': [
    { place: placeOfTransfer, query: { paused: '1', priority: '0' }, status: 200 },
    { place: placeOfTransfer, query: { priority: '10' }, status: 400 },
    { path: '/api/v1/transfers/1', status: 404 },
  ],
  'DELETE /api/v1/transfers/{id}': [
    { place: placeOfTransfer, status: 204 },
    { path: '/api/v1/transfers/1', status: 404 },
  ],
  'GET /api/v1/waits': [
    { status: 200 },
    {
      place: (given) => {
        given.waits.keep(given.waits.find(waitOn(given).split('/').at(-1) ?? ''))
        return '/api/v1/waits'
      },
      status: 200,
    },
  ],
  'GET /api/v1/waits/{id}': [
    { place: waitOn, status: 200 },
    { place: placeOfWait, status: 200 },
    { path: '/api/v1/waits/none', status: 404 },
  ],
  'DELETE /api/v1/waits/{id}': [
    { place: waitOn, status: 204 },
    { path: '/api/v1/waits/none', status: 404 },
  ],
  'GET /api/v1/waits/{id}/events': [
    { place: async (given) => `${await placeOfWait(given)}/events`, status: 200 },
    { path: '/api/v1/waits/none/events', status: 404 },
  ],
  'POST /api/v1/waits/{id}/keep': [
    { place: (given) => `${waitOn(given)}/keep`, status: 200 },
    { path: '/api/v1/waits/none/keep', status: 404 },
  ],
}
