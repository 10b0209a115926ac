/**
 * A node that keeps whole files in a map and does as it is told: for tests of what stands in front of
 * a node. Not a model of the network.
 * @module
 */
import { createHash } from 'node:crypto'

import mime from 'mime'

import { ShoalError } from '../../src/errors.ts'
import { toAddress } from '../../src/keys/block.ts'
import type { ContentUri } from '../../src/keys/uri.ts'
import { formatUri, formatUrn } from '../../src/keys/uri.ts'
import type {
  ByteRange,
  FetchOptions,
  FetchOutcome,
  InsertOptions,
  InsertResult,
  InsertStatus,
  Node,
  NodeStatus,
  RequestedRange,
} from '../../src/node.ts'

/** Content of any size that is made while it is read. */
export interface FakeContent {
  readonly size: number
  readonly contentType?: string
  /** `length` bytes from `first` on. */
  read(first: number, length: number): Uint8Array
  /** The stream breaks before the byte of this number. */
  readonly breaksAt?: number
  /** What it breaks with; default E_TIMEOUT. */
  readonly error?: Error
}

export interface FakeNode extends Node {
  /** Makes content fetchable. Returns its CHK URI, or its URN where `bare`. */
  add(content: Uint8Array | string | FakeContent, options?: AddOptions): string
  /** What the next fetch answers instead of looking: an outcome, an error to throw, or `hang`. */
  nextFetch: FetchOutcome | Error | 'hang' | undefined
  /** The next insert reads this many bytes and then throws the error. */
  nextInsert: { readonly afterBytes: number; readonly error: Error } | undefined
  insertStatuses: Map<number, InsertStatus>
  peers: number
  readonly calls: {
    fetch: { uri: ContentUri; options: FetchOptions }[]
    insert: InsertOptions[]
    status: number
  }
  /** What is under way, and how much was asked of streams so far. */
  readonly live: { fetches: number; inserts: number; streams: number; pulledBytes: number }
  /** Bytes of an insert by its URI; undefined: there is none. */
  contentOf(uri: string): Uint8Array | undefined
}

interface AddOptions {
  readonly name?: string
  readonly contentType?: string
  readonly bare?: boolean
}

const PIECE_BYTES = 32_768

export function createFakeNode(): FakeNode {
  const contents = new Map<string, FakeContent>()
  const byUri = new Map<string, Uint8Array>()
  const live = { fetches: 0, inserts: 0, streams: 0, pulledBytes: 0 }
  let keys = 0

  const node: FakeNode = {
    nextFetch: undefined,
    nextInsert: undefined,
    insertStatuses: new Map(),
    peers: 3,
    calls: { fetch: [], insert: [], status: 0 },
    live,
    contentOf: (uri) => byUri.get(uri),
    add(given, options = {}) {
      const content = contentFrom(given, options.bare ? undefined : options.contentType)
      const uri = numberedUri(++keys, options)
      contents.set(idOf(uri), content)
      return options.bare ? formatUrn(uri) : formatUri(uri)
    },
    async fetch(uri, options = {}) {
      node.calls.fetch.push({ uri, options })
      const { nextFetch } = node
      node.nextFetch = undefined
      options.signal?.throwIfAborted()
      if (nextFetch === 'hang') return await hang(options.signal, live)
      if (nextFetch instanceof Error) throw nextFetch
      if (nextFetch !== undefined) return nextFetch
      const content = contents.get(idOf(uri))
      return content === undefined ? { type: 'not-found' } : outcomeOf(content, options, live)
    },
    async insert(content, options = {}) {
      node.calls.insert.push(options)
      live.inserts++
      try {
        const fault = node.nextInsert
        node.nextInsert = undefined
        const bytes = await collect(content, options.signal, fault)
        const uri = node.add(bytes, {
          ...options,
          contentType: options.contentType ?? typeOf(options.name),
        })
        byUri.set(uri, bytes)
        return resultOf(uri, bytes.length, { ...options, insertId: keys })
      } finally {
        live.inserts--
      }
    },
    insertStatus: (insertId) => node.insertStatuses.get(insertId),
    status() {
      node.calls.status++
      return statusOf(node.peers)
    },
    close: () => Promise.resolve(),
  }
  return node
}

function resultOf(
  uri: string,
  size: number,
  options: InsertOptions & { insertId: number },
): InsertResult {
  const type = options.contentType ?? typeOf(options.name)
  return { uri, size, type, insertId: options.insertId }
}

function typeOf(name: string | undefined): string {
  return (name === undefined ? null : mime.getType(`/${name}`)) ?? 'application/octet-stream'
}

function contentFrom(
  given: Uint8Array | string | FakeContent,
  contentType: string | undefined,
): FakeContent {
  if (typeof given === 'object' && 'read' in given) return given
  const bytes = typeof given === 'string' ? new TextEncoder().encode(given) : given
  return {
    size: bytes.length,
    ...(contentType !== undefined && { contentType }),
    read: (first, length) => bytes.subarray(first, first + length),
  }
}

function numberedUri(number: number, options: AddOptions): ContentUri {
  const digest = (label: string): Uint8Array =>
    createHash('sha256').update(`${label} ${number}`).digest()
  return {
    type: 'chk',
    reference: toAddress(digest('reference')),
    readKey: digest('read key'),
    level: 0,
    kind: options.bare ? 'bare' : 'manifest',
    name: options.name,
  }
}

function idOf(uri: ContentUri): string {
  return Buffer.from(uri.reference).toString('hex')
}

function hang(signal: AbortSignal | undefined, live: { fetches: number }): Promise<never> {
  live.fetches++
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => {
      live.fetches--
      reject(signal.reason as Error)
    })
  })
}

function outcomeOf(
  content: FakeContent,
  options: FetchOptions,
  live: FakeNode['live'],
): FetchOutcome {
  const { size } = content
  const range = options.range === undefined ? undefined : resolve(options.range, size)
  if (range === 'unsatisfiable') return { type: 'unsatisfiable-range', size }
  const { first, last } = range ?? { first: 0, last: size - 1 }
  return {
    type: 'found',
    size,
    range,
    contentType: content.contentType,
    stream: options.headOnly
      ? streamOf(content, { first: 0, last: -1 }, live)
      : streamOf(content, { first, last }, live),
  }
}

function resolve(range: RequestedRange, size: number): ByteRange | 'unsatisfiable' {
  const first = range.type === 'suffix' ? Math.max(0, size - range.length) : range.first
  const last = range.type === 'suffix' ? size - 1 : Math.min(range.last ?? size - 1, size - 1)
  return first > last ? 'unsatisfiable' : { first, last }
}

function streamOf(
  content: FakeContent,
  range: ByteRange,
  live: FakeNode['live'],
): ReadableStream<Uint8Array> {
  let at = range.first
  let isOpen = true
  const end = (): void => {
    if (isOpen) live.streams--
    isOpen = false
  }
  const breaksAt = content.breaksAt ?? Number.POSITIVE_INFINITY
  live.streams++
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await new Promise((next) => setImmediate(next))
        if (!isOpen) return
        const length = Math.min(PIECE_BYTES, range.last + 1 - at, breaksAt - at)
        if (length > 0) {
          at += length
          live.pulledBytes += length
          controller.enqueue(content.read(at - length, length))
          return
        }
        end()
        if (at > range.last) controller.close()
        else controller.error(content.error ?? new ShoalError('E_TIMEOUT', 'It broke.'))
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  )
}

async function collect(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  fault: FakeNode['nextInsert'],
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of content) {
    signal?.throwIfAborted()
    pieces.push(piece)
    size += piece.length
    if (fault !== undefined && size >= fault.afterBytes) throw fault.error
  }
  return Buffer.concat(pieces)
}

function statusOf(peers: number): NodeStatus {
  return {
    version: '0.1.0',
    network: 'test',
    peers,
    position: 0.25,
    store: { quotaBytes: 10 * 1024 ** 3, usedBytes: 3 * 1024 ** 3, blocks: 98_304 },
    outbox: { pendingBlocks: 12 },
  }
}
