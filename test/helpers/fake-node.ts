/**
 * A node that keeps whole files in a map and does as it is told: for tests of what stands in front of
 * a node. Not a model of the network.
 * @module
 */
import { createHash } from 'node:crypto'

import mime from 'mime'

import { connectionStatus } from '../../src/connection.ts'
import type { ConnectionFacts } from '../../src/connection.ts'
import { toAddress } from '../../src/keys/block.ts'
import type { ContentUri, ShoalUri, UskUri } from '../../src/keys/uri.ts'
import { formatUri, formatUrn } from '../../src/keys/uri.ts'
import type {
  FetchOptions,
  FetchOutcome,
  InsertFolderOptions,
  InsertOptions,
  InsertResult,
  InsertStatus,
  InspectOptions,
  InspectOutcome,
  LookUpOptions,
  LookUpOutcome,
  Node,
  NodeStatus,
  PublishOptions,
  PublishResult,
  PublishSource,
  StoreStats,
} from '../../src/node.ts'
import { createMemoryJournal } from '../../src/journal.ts'
import { Transfers } from '../../src/transfers/transfers.ts'
import { createFakeKeys, fakeUsk } from './fake-keys.ts'
import { FakeNames } from './fake-names.ts'
import { createFakeStore } from './fake-store.ts'
import type { FakeStore } from './fake-store.ts'
import type { FakeContent, FakeTree, Given, GivenTree } from './fake-tree.ts'
import { createUploadBench } from './upload-bench.ts'
import { contentFrom, folderFrom, inspectionOf, outcomeOf, treeFrom } from './fake-tree.ts'

export type { FakeContent } from './fake-tree.ts'

export interface FakeNode extends Node {
  /** Makes content fetchable. Returns its CHK URI, or its URN where `bare`. */
  add(content: Given, options?: AddOptions): string
  /** Makes a folder fetchable. Returns its CHK URI, with `name` where one is given. */
  addFolder(files: Readonly<Record<string, Given>>, name?: string): string
  /** Publishes the next edition, or the one given. Returns its USK, without a slash. */
  addEdition(document: string, tree: GivenTree, edition?: number): string
  /** Publishes a document that never changes. Returns its SSK, without a slash. */
  addFixed(document: string, tree: GivenTree): string
  /** Puts something under a word. Returns its KSK, without a slash. */
  addWord(word: string, tree: GivenTree): string
  /** What the next fetch answers instead of looking: an outcome, an error to throw, or `hang`. */
  nextFetch: FetchOutcome | Error | 'hang' | undefined
  nextInspect: InspectOutcome | undefined
  /** The next insert reads this many bytes and then throws the error. */
  nextInsert: { readonly afterBytes: number; readonly error: Error } | undefined
  nextLookUp: LookUpOutcome | Error | undefined
  /** What the next publication answers besides what it finds out itself. */
  nextPublish: Partial<PublishResult> | undefined
  /** What the next watch does in place of watching. */
  nextWatch: Error | undefined
  insertStatuses: Map<number, InsertStatus>
  peers: number
  ring: NodeStatus['ring']
  /** What is true of its connection besides what `peers` says. */
  connection: Partial<ConnectionFacts>
  /** What tests tell the store to be and to do, and what it was asked. */
  readonly fakeStore: FakeStore
  /** What its uploads go to. */
  readonly uploadBench: ReturnType<typeof createUploadBench>
  /** Moves the time that look-ups are aged by, and counts those that went to the network. */
  readonly names: FakeNames
  readonly calls: {
    fetch: { uri: ShoalUri; options: FetchOptions }[]
    inspect: { uri: ShoalUri; options: InspectOptions }[]
    insert: InsertOptions[]
    insertFolder: InsertFolderOptions[]
    publish: { source: PublishSource; options: PublishOptions }[]
    lookUp: { uri: UskUri; options: LookUpOptions }[]
    announce: UskUri[]
    status: number
  }
  /** What is under way, and how much was asked of streams so far. */
  readonly live: {
    fetches: number
    inserts: number
    streams: number
    pulledBytes: number
    watches: number
  }
  /** Bytes of an insert by its URI; undefined: there is none. */
  contentOf(uri: string): Uint8Array | undefined
  /** Texts of an inserted folder by their path; a folder without files ends with a slash. */
  folderOf(uri: string): Readonly<Record<string, string>> | undefined
}

interface AddOptions {
  readonly name?: string
  readonly contentType?: string
  readonly bare?: boolean
}

type Kind = ContentUri['kind']

/** Everything a fake node holds, apart from what tests see of it. */
class Holdings {
  readonly trees = new Map<string, FakeTree>()
  readonly byUri = new Map<string, Uint8Array>()
  readonly folders = new Map<string, FakeTree & { type: 'folder' }>()
  count = 0

  addContent(tree: FakeTree, kind: Kind, name: string | undefined): string {
    const uri = numberedUri(++this.count, kind, name)
    this.trees.set(idOf(uri), tree)
    if (kind === 'bare') return formatUrn(uri)
    const text = formatUri(uri)
    if (tree.type === 'folder') this.folders.set(text, tree)
    return text
  }
}

export function createFakeNode(): FakeNode {
  const held = new Holdings()
  const names = new FakeNames()
  const fakeStore = createFakeStore()
  const uploadBench = createUploadBench()
  const closing = new AbortController()
  const node: FakeNode = {
    nextFetch: undefined,
    nextInspect: undefined,
    nextInsert: undefined,
    nextLookUp: undefined,
    nextPublish: undefined,
    nextWatch: undefined,
    insertStatuses: new Map(),
    peers: 3,
    ring: { estimatedNodes: undefined, links: [] },
    connection: {},
    fakeStore,
    names,
    keys: createFakeKeys(),
    uploadBench,
    uploads: uploadBench.uploads,
    calls: {
      fetch: [],
      inspect: [],
      insert: [],
      insertFolder: [],
      publish: [],
      lookUp: [],
      announce: [],
      status: 0,
    },
    live: { fetches: 0, inserts: 0, streams: 0, pulledBytes: 0, watches: 0 },
    contentOf: (uri) => held.byUri.get(uri),
    folderOf: (uri) => textsOf(held.folders.get(uri)),
    add(given, { name, contentType, bare = false } = {}) {
      const content = contentFrom(given, bare ? undefined : contentType)
      return held.addContent({ type: 'file', content }, bare ? 'bare' : 'manifest', name)
    },
    addFolder: (files, name) => held.addContent(treeFrom(files), 'folder', name),
    addEdition(document, tree, given) {
      const uri = fakeUsk('publisher', document)
      const edition = given ?? names.nextEdition(uri)
      names.add({ ...uri, edition }, treeFrom(tree))
      return formatUri({ ...uri, edition })
    },
    addFixed(document, tree) {
      const { publicKey, readKey } = fakeUsk('publisher', document)
      const uri = { type: 'ssk', publicKey, readKey, document, path: [] } as const
      names.add(uri, treeFrom(tree))
      return formatUri(uri)
    },
    addWord(word, tree) {
      const uri = { type: 'ksk', word, path: [] } as const
      names.add(uri, treeFrom(tree))
      return formatUri(uri)
    },
    transfers: new Transfers(
      {
        journal: createMemoryJournal(),
        fetch: (uri, options) => node.fetch(uri, options),
        clock: uploadBench.clock,
        dataDir: undefined,
      },
      [],
    ),
    async fetch(uri, options = {}) {
      node.calls.fetch.push({ uri, options })
      const { nextFetch } = node
      node.nextFetch = undefined
      options.signal?.throwIfAborted()
      if (nextFetch === 'hang') return await hang(options.signal, node.live)
      if (nextFetch instanceof Error) throw nextFetch
      if (nextFetch !== undefined) return nextFetch
      const tree = uri.type === 'chk' ? held.trees.get(idOf(uri)) : names.open(uri)
      if (tree === undefined) return { type: 'not-found' }
      return outcomeOf(tree, uri.path, { ...options, live: node.live, name: nameIn(uri) })
    },
    inspect(uri, options = {}) {
      node.calls.inspect.push({ uri, options })
      const { nextInspect } = node
      node.nextInspect = undefined
      const tree = uri.type === 'chk' ? held.trees.get(idOf(uri)) : names.open(uri)
      const found = tree && inspectionOf(tree, uri.path, nameIn(uri))
      return Promise.resolve(nextInspect ?? found ?? { type: 'not-found' })
    },
    insert: (content, options = {}) => insert(node, held, { content, options }),
    async insertFolder(items, options = {}) {
      node.calls.insertFolder.push(options)
      return await taking(node, async (take) => {
        const { files, size } = await folderFrom(items, (content) => take(content, options.signal))
        const tree = { type: 'folder', files } as const
        const { word, name = 'folder' } = options
        const uri = word === undefined ? held.addContent(tree, 'folder', name) : `KSK@${word}`
        if (word !== undefined) names.add({ type: 'ksk', word, path: [] }, tree)
        held.folders.set(uri, tree)
        return { uri, size, files: countOf(files), insertId: ++held.count }
      })
    },
    publish: (source, options) => publish(node, held, { source, options }),
    lookUp(uri, options = {}) {
      node.calls.lookUp.push({ uri, options })
      const { nextLookUp } = node
      node.nextLookUp = undefined
      if (nextLookUp instanceof Error) return Promise.reject(nextLookUp)
      return Promise.resolve(nextLookUp ?? names.lookUp(uri, options))
    },
    async *watch(uri, { signal } = {}) {
      const { nextWatch } = node
      node.nextWatch = undefined
      node.live.watches++
      try {
        if (nextWatch !== undefined) throw nextWatch
        const signals = [closing.signal, ...(signal === undefined ? [] : [signal])]
        yield* names.watch(uri, AbortSignal.any(signals))
      } finally {
        node.live.watches--
      }
    },
    announce(uri) {
      node.calls.announce.push(uri)
      return new Promise((resolve) => {
        resolve({ edition: names.announce(uri), insertId: ++held.count })
      })
    },
    insertStatus: (insertId) => node.insertStatuses.get(insertId),
    status() {
      node.calls.status++
      return statusOf(node, fakeStore.care.stats())
    },
    peerWork: () => ({
      fetches: 70,
      inserts: 30,
      circuits: 2,
      circuitBytes: 4096,
      bans: 1,
      invalidBlocks: 5,
    }),
    joined: Promise.resolve(),
    store: fakeStore.care,
    destroyed: new Promise(() => {}),
    close() {
      closing.abort()
      return Promise.resolve()
    },
  }
  return node
}

async function insert(
  node: FakeNode,
  held: Holdings,
  { content, options }: { content: AsyncIterable<Uint8Array>; options: InsertOptions },
): Promise<InsertResult> {
  node.calls.insert.push(options)
  return await taking(node, async (take) => {
    const bytes = await take(content, options.signal)
    const type = options.contentType ?? typeOf(options.name)
    const { word } = options
    const uri =
      word === undefined
        ? node.add(bytes, { ...options, contentType: type })
        : node.addWord(word, contentFrom(bytes, type))
    held.byUri.set(uri, bytes)
    return { uri, size: bytes.length, type, insertId: held.count }
  })
}

async function publish(
  node: FakeNode,
  held: Holdings,
  { source, options }: { source: PublishSource; options: PublishOptions },
): Promise<PublishResult> {
  node.calls.publish.push({ source, options })
  node.keys.get(options.key)
  const { key, document, fixed = false, signal } = options
  return await taking(node, async (take) => {
    const usk = fakeUsk(key, document)
    let tree: FakeTree
    if (source.type === 'folder') {
      const { files } = await folderFrom(source.items, (content) => take(content, signal))
      tree = { type: 'folder', files }
    } else {
      const type = source.contentType ?? typeOf(source.name ?? document)
      tree = { type: 'file', content: contentFrom(await take(source.content, signal), type) }
    }
    const edition = fixed ? 0 : node.names.nextEdition(usk)
    const uri = fixed ? ({ ...usk, type: 'ssk' } as const) : { ...usk, edition }
    node.names.add(uri, tree)
    const given = node.nextPublish
    node.nextPublish = undefined
    return {
      uri: formatUri(uri),
      edition,
      size: sizeOf(tree),
      files: tree.type === 'file' ? 1 : countOf(tree.files),
      insertId: ++held.count,
      collisions: [],
      isConfirmed: true,
      ...given,
    }
  })
}

type Take = (
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
) => Promise<Uint8Array>

/** Counts the insert while it runs, and lets it fail where it was told to. */
async function taking<T>(node: FakeNode, work: (take: Take) => Promise<T>): Promise<T> {
  const fault = node.nextInsert
  node.nextInsert = undefined
  node.live.inserts++
  try {
    return await work((content, signal) => collect(content, signal, fault))
  } finally {
    node.live.inserts--
  }
}

function typeOf(name: string | undefined): string {
  return (name === undefined ? null : mime.getType(`/${name}`)) ?? 'application/octet-stream'
}

function sizeOf(tree: FakeTree): number {
  if (tree.type === 'file') return tree.content.size
  return [...tree.files.values()].reduce((sum, { size }) => sum + size, 0)
}

function countOf(files: ReadonlyMap<string, FakeContent>): number {
  return [...files.keys()].filter((path) => !path.endsWith('/')).length
}

function textsOf(
  tree: (FakeTree & { type: 'folder' }) | undefined,
): Readonly<Record<string, string>> | undefined {
  if (tree === undefined) return undefined
  const texts = [...tree.files].map(([path, content]) => [
    path,
    Buffer.from(content.read(0, content.size)).toString(),
  ])
  return Object.fromEntries(texts) as Record<string, string>
}

function numberedUri(number: number, kind: Kind, name: string | undefined): ContentUri {
  const digest = (label: string): Uint8Array =>
    createHash('sha256').update(`${label} ${number}`).digest()
  return {
    type: 'chk',
    reference: toAddress(digest('reference')),
    readKey: digest('read key'),
    level: 0,
    kind,
    name,
    path: [],
  }
}

function nameIn(uri: ShoalUri): string | undefined {
  if (uri.type === 'chk') return uri.name
  return uri.type === 'ksk' ? uri.word : uri.document
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

function statusOf(
  { peers, ring, connection }: Pick<FakeNode, 'peers' | 'ring' | 'connection'>,
  stats: StoreStats,
): NodeStatus {
  const { condition, quotaBytes, filledShare, usedBytes, blocks } = stats
  return {
    version: '0.1.0',
    network: 'test',
    isPrivate: connection.isPrivate ?? false,
    peers,
    connection: connectionStatus({
      state: peers > 0 ? 'connected' : 'seeking',
      withoutPeersMs: peers > 0 ? 0 : 10_000,
      work: undefined,
      dhtAnswers: undefined,
      failure: undefined,
      isPrivate: false,
      peers,
      ...connection,
    }),
    position: connection.state === 'solving' ? undefined : 0.25,
    ring,
    store: { condition, quotaBytes, filledShare, usedBytes, blocks },
    outbox: { pendingBlocks: 12 },
  }
}
