/**
 * Files and folders of the fake node: whole in memory, or made while they are read.
 * @module
 */
import { createHash } from 'node:crypto'

import { ShoalError } from '../../src/errors.ts'
import type { Path } from '../../src/keys/uri.ts'
import type {
  ByteRange,
  FetchOptions,
  FetchOutcome,
  FolderEntry,
  FolderItems,
  InspectOutcome,
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

/** Files by their path; a path that ends with a slash is a folder without files. */
export type FakeFolder = ReadonlyMap<string, FakeContent>
export type FakeTree =
  | { readonly type: 'file'; readonly content: FakeContent }
  | { readonly type: 'folder'; readonly files: FakeFolder }

/** What is given where content is wanted. */
export type Given = Uint8Array | string | FakeContent
/** One file, or files by their path. */
export type GivenTree = Given | Readonly<Record<string, Given>>

export interface Live {
  streams: number
  pulledBytes: number
}

const PIECE_BYTES = 32_768

export function contentFrom(given: Given, contentType?: string): FakeContent {
  if (typeof given === 'object' && isContent(given)) return given
  const bytes = typeof given === 'string' ? new TextEncoder().encode(given) : given
  return {
    size: bytes.length,
    ...(contentType !== undefined && { contentType }),
    read: (first, length) => bytes.subarray(first, first + length),
  }
}

export function treeFrom(given: GivenTree): FakeTree {
  if (typeof given === 'string' || given instanceof Uint8Array || isContent(given)) {
    return { type: 'file', content: contentFrom(given) }
  }
  const files = Object.entries(given).map(([path, file]) => [path, contentFrom(file)] as const)
  return { type: 'folder', files: new Map(files) }
}

function isContent(given: object): given is FakeContent {
  return 'read' in given && typeof given.read === 'function'
}

/** Takes a folder in, checking its order. Throws E_FOLDER as a node does. */
export async function folderFrom(
  items: FolderItems,
  take: (content: AsyncIterable<Uint8Array>) => Promise<Uint8Array>,
): Promise<{ files: FakeFolder; size: number }> {
  const files = new Map<string, FakeContent>()
  let last = ''
  let size = 0
  for await (const item of items) {
    const path = item.path.split('/')
    if (path.some((name) => ['', '.', '..'].includes(name))) {
      throw new ShoalError('E_FOLDER', `"${item.path}" is no path inside the folder.`)
    }
    const order = path.join('\0')
    if (order <= last) throw new ShoalError('E_FOLDER', `"${item.path}" is out of order.`)
    last = order
    if (item.type === 'folder') {
      files.set(`${item.path}/`, contentFrom(''))
      continue
    }
    const bytes = await take(item.content)
    if (bytes.length !== item.size) {
      throw new ShoalError('E_FOLDER', `"${item.path}" has another size than it said.`)
    }
    size += bytes.length
    files.set(item.path, contentFrom(bytes, item.contentType))
  }
  return { files, size }
}

/** What a node answers for `path` in `tree`. */
export function outcomeOf(
  tree: FakeTree,
  path: Path,
  options: FetchOptions & { readonly live: Live; readonly name: string | undefined },
): FetchOutcome {
  if (tree.type === 'file') {
    if (path.length > 0) return { type: 'no-such-path' }
    return fileOutcome(tree.content, options)
  }
  const { files } = tree
  const hasSlash = path.at(-1) === ''
  const names = hasSlash ? path.slice(0, -1) : path
  const file = files.get(names.join('/'))
  if (file !== undefined && !hasSlash) return fileOutcome(file, { ...options, name: names.at(-1) })
  const prefix = names.length === 0 ? '' : `${names.join('/')}/`
  const isFolder = names.length === 0 || [...files.keys()].some((key) => key.startsWith(prefix))
  if (!isFolder) return { type: 'no-such-path' }
  if (!hasSlash) return { type: 'slash-missing' }
  const index = options.listing === true ? undefined : files.get(`${prefix}index.html`)
  if (index !== undefined) return fileOutcome(index, { ...options, name: 'index.html' })
  const entries = entriesOf(files, prefix)
  return {
    type: 'folder',
    entries: inTurn(entries),
    identity: identityOf(JSON.stringify(entries)),
  }
}

/** What a node tells of `path` in `tree`; `name`: that of the document. */
export function inspectionOf(tree: FakeTree, path: Path, name: string | undefined): InspectOutcome {
  const rest = { tree: undefined, urn: undefined }
  const local = { blocks: 0, of: 0, isSampled: false }
  const names = path.filter((segment) => segment !== '')
  const file = tree.type === 'file' ? tree.content : tree.files.get(names.join('/'))
  if (file !== undefined) {
    const { size, contentType } = file
    const called = names.at(-1) ?? name
    return { type: 'found', kind: 'file', size, contentType, name: called, ...rest, local }
  }
  const files = tree.type === 'file' ? [] : [...tree.files]
  const below = files.filter(([at]) => `${at}/`.startsWith([...names, ''].join('/')))
  if (below.length === 0) return { type: 'no-such-path' }
  const size = below.reduce((sum, [, content]) => sum + content.size, 0)
  const nothing = { contentType: undefined, local: undefined }
  return { type: 'found', kind: 'folder', size, name: names.at(-1) ?? name, ...nothing, ...rest }
}

/** What is directly below `prefix`, in order. */
function entriesOf(files: FakeFolder, prefix: string): FolderEntry[] {
  const entries = new Map<string, FolderEntry>()
  for (const [path, { size }] of files) {
    if (!path.startsWith(prefix) || path === prefix) continue
    const [name = '', ...more] = path.slice(prefix.length).split('/')
    const before = entries.get(name)?.size ?? 0
    entries.set(name, { name, type: more.length > 0 ? 'folder' : 'file', size: before + size })
  }
  return [...entries.values()]
}

async function* inTurn(entries: readonly FolderEntry[]): AsyncGenerator<FolderEntry, void> {
  for (const entry of entries) {
    await new Promise((next) => setImmediate(next))
    yield entry
  }
}

function fileOutcome(
  content: FakeContent,
  options: FetchOptions & { readonly live: Live; readonly name: string | undefined },
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
    name: options.name,
    identity: identityOf(
      `${size} ${Buffer.from(content.read(0, Math.min(size, 64))).toString('hex')}`,
    ),
    stream: options.headOnly
      ? streamOf(content, { first: 0, last: -1 }, options.live)
      : streamOf(content, { first, last }, options.live),
  }
}

function identityOf(what: string): string {
  return createHash('sha256').update(what).digest().subarray(0, 16).toString('base64url')
}

function resolve(range: RequestedRange, size: number): ByteRange | 'unsatisfiable' {
  const first = range.type === 'suffix' ? Math.max(0, size - range.length) : range.first
  const last = range.type === 'suffix' ? size - 1 : Math.min(range.last ?? size - 1, size - 1)
  return first > last ? 'unsatisfiable' : { first, last }
}

function streamOf(content: FakeContent, range: ByteRange, live: Live): ReadableStream<Uint8Array> {
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
