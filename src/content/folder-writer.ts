/**
 * From a stream of sorted files to a directory manifest (spec §5.5.4): what fits one manifest is held and
 * lies in it; more than that goes on in packs, trees and nodes as it comes, in bounded memory.
 * @module
 */
import { formatUri } from '../keys/uri.ts'
import { checkItems } from './checked-items.ts'
import type { CheckedFile, CheckedItem } from './checked-items.ts'
import { NODE_HEADER_BYTES, lengthOfEntry } from './directory.ts'
import type { DirectoryEntry } from './directory.ts'
import { manifestOf } from './directory-writer.ts'
import type { WrittenDirectory } from './directory-writer.ts'
import type { FolderItems } from './folder-item.ts'
import { FolderPacker, readAll } from './folder-packer.ts'
import { FolderTree, OpenPath } from './folder-tree.ts'
import { convergenceSecretFor, uriOf, withSink } from './insert.ts'
import type { InsertContext } from './insert.ts'
import { MAX_DIRECTORY_BYTES } from './manifest.ts'
import type { TreeTarget } from './pack.ts'

const DEFAULT_NAME = 'folder'

export interface WrittenFolder {
  /** A directory manifest of at most MAX_INLINE_MANIFEST_BYTES; not in the sink. */
  readonly manifest: Uint8Array
  /** Bytes of all files. */
  readonly size: number
  readonly files: number
}

export interface InsertedFolder {
  /** `CHK@…/<name>`. */
  readonly uri: string
  readonly size: number
  readonly files: number
  readonly insertId: number
}

/**
 * Takes a folder to its end and resolves when all is safe in the outbox; when that fails nothing of it
 * stays. @throws ShoalError E_FOLDER, E_QUERY, E_STORE_FULL, E_STORE_IO; rejects with `signal.reason`.
 */
export async function insertFolder(
  items: FolderItems,
  { name, isConvergent }: { name: string | undefined; isConvergent: boolean },
  context: InsertContext,
): Promise<InsertedFolder> {
  return await withSink(context, async (sink, signal) => {
    const secret = convergenceSecretFor(isConvergent)
    const how = { sink, secret, isTyped: !isConvergent, signal }
    const { manifest, size, files } = await writeFolder(items, how)
    const root = uriOf(await sink.addTree(manifest, secret), 'folder')
    const uri = formatUri({ ...root, name: name ?? DEFAULT_NAME })
    return { uri, size, files, insertId: sink.insertId }
  })
}

/**
 * Everything of a folder but its topmost manifest goes to the sink. `isTyped`: entries say the type
 * that the file's name gives. @throws ShoalError E_FOLDER for items that are out of order, doubled,
 * absolute, too deep or not as long as they say, E_QUERY for a content type.
 */
export async function writeFolder(
  items: FolderItems,
  how: TreeTarget & { readonly isTyped: boolean; readonly signal: AbortSignal },
): Promise<WrittenFolder> {
  const totals = { files: 0, size: 0 }
  const checked = checkItems(items, how, totals)
  try {
    const { held, next } = await holdWhatFits(checked)
    const isWhole = next === undefined
    const written = await (isWhole
      ? writeWhole(held, how)
      : writeSplit([...held, next], checked, how))
    return { manifest: manifestOf(written), ...totals }
  } finally {
    await checked.return()
  }
}

/** Items whose content is in memory, as long as all of them fit one manifest. */
async function holdWhatFits(items: AsyncIterator<CheckedItem, void>): Promise<{
  held: CheckedItem[]
  /** The first that does not fit; its content is not read. */
  next: CheckedItem | undefined
}> {
  const held: CheckedItem[] = []
  const path = new OpenPath()
  let bytes = NODE_HEADER_BYTES
  for (;;) {
    const step = await items.next()
    if (step.done === true) return { held, next: undefined }
    bytes += lengthInline(step.value, path)
    if (bytes > MAX_DIRECTORY_BYTES) return { held, next: step.value }
    held.push(step.value.type === 'file' ? await hold(step.value) : step.value)
  }
}

/** Bytes that `item` adds to a node that holds everything, its folders included. */
function lengthInline(item: CheckedItem, path: OpenPath): number {
  const lengths = path.stepsTo(item).map((step) => {
    if (step.type !== 'enter') return 0
    return lengthOfEntry({ type: 'inline-folder', name: step.name, size: 0, entries: [] })
  })
  const folders = lengths.reduce((sum, length) => sum + length, 0)
  if (item.type === 'folder') return folders
  return folders + lengthOfEntry(inlineEntry(item, new Uint8Array())) + item.size
}

async function hold(file: CheckedFile): Promise<CheckedFile> {
  const bytes = await readAll(file.content)
  return { ...file, content: once(bytes) }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield await Promise.resolve(bytes)
}

async function writeWhole(
  items: readonly CheckedItem[],
  how: TreeTarget,
): Promise<WrittenDirectory> {
  const tree = new FolderTree(how, { isSplit: false })
  const path = new OpenPath()
  for (const item of items) {
    for (const step of path.stepsTo(item)) await tree.take(step)
    if (item.type === 'folder') continue
    const entry = inlineEntry(item, await readAll(item.content))
    await tree.take({ type: 'entry', entry, isCut: false })
  }
  return await tree.finish()
}

async function writeSplit(
  first: readonly CheckedItem[],
  rest: AsyncIterable<CheckedItem>,
  how: TreeTarget,
): Promise<WrittenDirectory> {
  const packer = new FolderPacker(how)
  for (const item of first) await packer.add(item)
  for await (const item of rest) await packer.add(item)
  return await packer.finish()
}

function inlineEntry({ names, contentType }: CheckedFile, bytes: Uint8Array): DirectoryEntry {
  return { type: 'inline', name: names.at(-1) as string, contentType, bytes }
}
