/**
 * From a path to a file or folder inside a document (spec §5.5.5): one block a level, each checked
 * against what led to it.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { base64url, concat, uint64, utf8 } from '../keys/bytes.ts'
import { blake2b256 } from '../keys/primitives.ts'
import type { Path } from '../keys/uri.ts'
import {
  MAX_FOLDER_DEPTH,
  compareNames,
  decodeDirectory,
  encodeDirectory,
  hasEntries,
  isSubfolder,
  sizeOfEntry,
} from './directory.ts'
import type {
  Directory,
  DirectoryChild,
  DirectoryEntry,
  FileEntry,
  SubfolderEntry,
} from './directory.ts'
import { openManifest } from './fetch.ts'
import type { FetchContext } from './fetch.ts'
import type { FolderEntry } from './folder-item.ts'
import type { Manifest } from './manifest.ts'
import { Window } from './window.ts'

/** What a folder shows where it has one. */
const DEFAULT_DOCUMENT = 'index.html'
const IDENTITY_BYTES = 16

export type PathResult =
  | {
      readonly type: 'file'
      readonly file: Manifest
      /** Its name in its folder; undefined: the document is this file. */
      readonly name: string | undefined
    }
  | {
      readonly type: 'folder'
      /** In order; fetches as it goes. @throws MissingBlock, ShoalError E_DECODE */
      list(): AsyncGenerator<FolderEntry, void>
      readonly identity: string
      /** Bytes of all files below it. */
      readonly size: number
    }
  /** A folder, named without the slash at its end. */
  | { readonly type: 'slash-missing' }
  | { readonly type: 'no-such-path' }

/** One node of a folder, and all files below it. */
interface Folder {
  readonly directory: Directory
  readonly size: number
}

/** Names that a node may have: from `first`, included, to `end`, excluded. */
interface NameRange {
  readonly first: string
  readonly end: string | undefined
}

/**
 * What `path` leads to in a document; a folder leads to its `index.html`, or with `isListing` to its
 * entries in any case. @throws MissingBlock where a folder's block is not to be had,
 * ShoalError E_DECODE; rejects with `signal.reason`.
 */
export async function findPath(
  manifest: Manifest,
  path: Path,
  context: FetchContext & { readonly isListing?: boolean },
): Promise<PathResult> {
  if (manifest.body.type !== 'directory') {
    if (path.length > 0) return { type: 'no-such-path' }
    return { type: 'file', file: manifest, name: undefined }
  }
  if (path.length === 0) return { type: 'slash-missing' }
  const names = path.slice(0, -1)
  const last = path.at(-1) as string
  // no writer nests deeper, and whoever asks must not make us fetch without an end
  if (names.length > MAX_FOLDER_DEPTH) return { type: 'no-such-path' }
  let folder = folderOf(manifest)
  for (const name of names) {
    const entry = await findEntry(folder, name, context)
    if (entry === undefined || !isSubfolder(entry)) return { type: 'no-such-path' }
    folder = await openSubfolder(entry, context)
  }
  if (last !== '') return await showEntry(folder, last, context)
  return (
    (context.isListing === true ? undefined : await defaultDocument(folder, context)) ??
    listingOf(folder, context)
  )
}

/** The same for the same bytes under one key: base64url of 16 bytes, for an ETag. */
export function identityOf({ size, body }: Manifest): string {
  const hash = blake2b256(concat(utf8(`${body.type} ${size}\n`), whereItLies(body)))
  return base64url(hash.subarray(0, IDENTITY_BYTES))
}

function whereItLies(body: Manifest['body']): Uint8Array {
  switch (body.type) {
    case 'inline':
      return body.bytes
    case 'directory':
      return body.node
    case 'tree':
      return concat(body.root.reference, body.root.readKey)
    case 'slice':
      return concat(body.root.reference, body.root.readKey, uint64(body.offset))
  }
}

async function defaultDocument(
  folder: Folder,
  context: FetchContext,
): Promise<PathResult | undefined> {
  const entry = await findEntry(folder, DEFAULT_DOCUMENT, context)
  if (entry === undefined || isSubfolder(entry)) return undefined
  return { type: 'file', file: fileOf(entry), name: entry.name }
}

function listingOf(folder: Folder, context: FetchContext): PathResult {
  const { directory, size } = folder
  const body = { type: 'directory', node: encodeDirectory(directory) } as const
  return {
    type: 'folder',
    list: () => listFolder(folder, context),
    identity: identityOf({ size, contentType: undefined, body }),
    size,
  }
}

async function showEntry(folder: Folder, name: string, context: FetchContext): Promise<PathResult> {
  const entry = await findEntry(folder, name, context)
  if (entry === undefined) return { type: 'no-such-path' }
  if (isSubfolder(entry)) return { type: 'slash-missing' }
  return { type: 'file', file: fileOf(entry), name: entry.name }
}

function fileOf(entry: FileEntry): Manifest {
  const { contentType } = entry
  const size = sizeOfEntry(entry)
  switch (entry.type) {
    case 'inline':
      return { size, contentType, body: { type: 'inline', bytes: entry.bytes } }
    case 'tree':
      return { size, contentType, body: { type: 'tree', root: entry.root } }
    case 'packed': {
      const { pack, offset } = entry
      const body = { type: 'slice', root: pack.root, packSize: pack.size, offset } as const
      return { size, contentType, body }
    }
  }
}

function folderOf({ size, body }: Manifest): Folder {
  if (body.type !== 'directory') throw undecodable('a folder leads to a file')
  return { directory: decodeDirectory(body.node, size), size }
}

async function openSubfolder(entry: SubfolderEntry, context: FetchContext): Promise<Folder> {
  if (entry.type === 'inline-folder') {
    return { directory: { level: 0, entries: entry.entries }, size: entry.size }
  }
  const manifest = await openManifest(entry, context)
  if (manifest.size !== entry.size) throw undecodable('a folder is not as large as its entry says')
  return folderOf(manifest)
}

/** Down the one branch that `name` could be in. */
async function findEntry(
  folder: Folder,
  name: string,
  context: FetchContext,
): Promise<DirectoryEntry | undefined> {
  let node = folder
  let end: string | undefined
  while (!hasEntries(node.directory)) {
    const { children } = node.directory
    const after = children.findIndex((child) => compareNames(child.firstName, name) > 0)
    const child = children.at(after < 0 ? -1 : after - 1)
    if (after === 0 || child === undefined) return undefined
    end = children[after]?.firstName ?? end
    const isPatient = false
    node = await openChild(node, { child, end, isPatient }, context)
  }
  return node.directory.entries.find((entry) => entry.name === name)
}

/** `end`: the first name that is not in the child any more. */
async function openChild(
  parent: Folder,
  { child, end, isPatient }: { child: DirectoryChild; end: string | undefined; isPatient: boolean },
  context: FetchContext,
): Promise<Folder> {
  const node = folderOf(await openManifest(child, context, { isPatient }))
  if (node.directory.level !== parent.directory.level - 1) {
    throw undecodable('a node is not of the level that led to it')
  }
  if (node.size > parent.size) throw undecodable('a node is larger than its folder')
  checkNames(node.directory, { first: child.firstName, end })
  return node
}

function checkNames(directory: Directory, { first, end }: NameRange): void {
  const names = hasEntries(directory)
    ? directory.entries.map((entry) => entry.name)
    : directory.children.map((child) => child.firstName)
  if (names[0] !== first) throw undecodable('a node does not begin with the name that led to it')
  if (end !== undefined && compareNames(names.at(-1) as string, end) >= 0) {
    throw undecodable('a node has names of the next one')
  }
}

async function* listFolder(
  folder: Folder,
  context: FetchContext,
): AsyncGenerator<FolderEntry, void> {
  for await (const entries of pagesOf(folder, context)) {
    for (const entry of entries) {
      const type = isSubfolder(entry) ? 'folder' : 'file'
      yield { name: entry.name, type, size: sizeOfEntry(entry) }
    }
  }
}

/** The entries of a folder, node by node. */
async function* pagesOf(
  folder: Folder,
  context: FetchContext,
  end?: string,
): AsyncGenerator<readonly DirectoryEntry[], void> {
  if (hasEntries(folder.directory)) {
    yield folder.directory.entries
    return
  }
  let left = folder.size
  for await (const child of childrenOf(folder, context, end)) {
    left -= child.folder.size
    yield* pagesOf(child.folder, context, child.end)
  }
  if (left !== 0) throw undecodable('a folder is not as large as its nodes')
}

interface OpenedChild {
  readonly folder: Folder
  readonly end: string | undefined
}

/** The nodes below a node, in order, some of them fetched ahead. */
async function* childrenOf(
  folder: Folder,
  context: FetchContext,
  end: string | undefined,
): AsyncGenerator<OpenedChild, void> {
  const { shares } = context
  const window = new Window(placesBelow(folder, end), shares, async (place: ChildPlace) => ({
    folder: await openChild(folder, { ...place, isPatient: true }, context),
    end: place.end,
  }))
  shares.enter()
  try {
    for (let child = await window.next(); child !== undefined; child = await window.next()) {
      yield child
    }
  } finally {
    shares.leave()
  }
}

interface ChildPlace {
  readonly child: DirectoryChild
  readonly end: string | undefined
}

async function* placesBelow(
  { directory }: Folder,
  end: string | undefined,
): AsyncGenerator<readonly ChildPlace[], void> {
  const children = hasEntries(directory) ? [] : directory.children
  yield await Promise.resolve(
    children.map((child, index) => ({ child, end: children[index + 1]?.firstName ?? end })),
  )
}

function undecodable(what: string): ShoalError {
  return new ShoalError('E_DECODE', `The folder is not what its key says: ${what}.`)
}
