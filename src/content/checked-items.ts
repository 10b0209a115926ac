/**
 * What comes in as a folder, checked: names, their order, sizes against what really comes (spec §5.5).
 * @module
 */
import { ShoalError } from '../errors.ts'
import { nameFault } from '../keys/uri.ts'
import { untilAborted } from './block-sink.ts'
import { MAX_FOLDER_DEPTH, compareNames } from './directory.ts'
import type { FolderItem, FolderItems } from './folder-item.ts'
import { checkContentType, typeOfName } from './insert.ts'

export interface CheckedFile {
  readonly type: 'file'
  /** Segments of its path, at least one, NFC. */
  readonly names: readonly string[]
  readonly size: number
  /** Rejects with E_FOLDER unless it gives exactly `size` bytes. */
  readonly content: AsyncIterable<Uint8Array>
  /** What its entry will say. */
  readonly contentType: string | undefined
}

export type CheckedItem =
  CheckedFile | { readonly type: 'folder'; readonly names: readonly string[] }

/**
 * `items`, one by one, counting them in `totals`. `isTyped`: files get the type that their name gives.
 * @throws ShoalError E_FOLDER, E_QUERY; rejects with `signal.reason`.
 */
export async function* checkItems(
  items: FolderItems,
  { isTyped, signal }: { isTyped: boolean; signal: AbortSignal },
  totals: { files: number; size: number },
): AsyncGenerator<CheckedItem, void> {
  let before: CheckedItem | undefined
  for await (const item of untilAborted(items, signal)) {
    const checked = checkItem(item, isTyped, signal)
    checkOrder(checked, before)
    before = checked
    if (checked.type === 'file') {
      totals.files++
      totals.size += checked.size
    }
    if (!Number.isSafeInteger(totals.size)) throw refuse(checked.names, 'makes it too large')
    yield checked
  }
}

function checkItem(item: FolderItem, isTyped: boolean, signal: AbortSignal): CheckedItem {
  const names = item.path.split('/').map((name) => name.normalize('NFC'))
  if (item.path.startsWith('/')) throw refuse(names, 'is not relative')
  for (const name of names) {
    const fault = nameFault(name)
    if (fault !== undefined) throw refuse(names, `has a name that ${fault}`)
  }
  if (names.length > MAX_FOLDER_DEPTH) throw refuse(names, 'is more than 64 folders deep')
  if (item.type === 'folder') return { type: 'folder', names }
  const { size } = item
  if (!Number.isSafeInteger(size) || size < 0) throw refuse(names, 'has no valid size')
  checkContentType(item.contentType)
  const contentType = item.contentType ?? (isTyped ? typeOfName(names.at(-1)) : undefined)
  const content = exactly(untilAborted(item.content, signal), size, names)
  return { type: 'file', names, size, content, contentType }
}

/** What makes folders of nodes that are written once: nothing comes back to a folder that is over. */
function checkOrder(item: CheckedItem, before: CheckedItem | undefined): void {
  if (before === undefined) return
  const { names } = item
  const at = names.findIndex((name, index) => name !== before.names[index])
  const name = names[at]
  const last = before.names[at]
  if (name === undefined) throw refuse(names, 'comes twice, or after what is in it')
  if (last === undefined && before.type === 'file') throw refuse(names, 'is below a file')
  if (last !== undefined && compareNames(name, last) < 0) throw refuse(names, 'comes out of order')
}

async function* exactly(
  content: AsyncIterable<Uint8Array>,
  size: number,
  names: readonly string[],
): AsyncGenerator<Uint8Array, void> {
  let left = size
  for await (const piece of content) {
    left -= piece.length
    if (left < 0) break
    yield piece
  }
  if (left !== 0) throw refuse(names, 'is not as long as it was said to be')
}

function refuse(names: readonly string[], what: string): ShoalError {
  const path = JSON.stringify(names.join('/').slice(0, 200))
  return new ShoalError('E_FOLDER', `The folder cannot be inserted: ${path} ${what}.`)
}
