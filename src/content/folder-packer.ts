/**
 * Where the bytes of a folder's files go when they do not fit its manifest (spec §5.5.4): packs of small
 * files, trees of large ones. Entries wait until the pack they are in has its root.
 * @module
 */
import { concat } from '../keys/bytes.ts'
import type { CheckedFile, CheckedItem } from './checked-items.ts'
import type { FileEntry } from './directory.ts'
import type { WrittenDirectory } from './directory-writer.ts'
import { isCut } from './folder-cuts.ts'
import { FolderTree, OpenPath } from './folder-tree.ts'
import type { FolderStep } from './folder-tree.ts'
import { OpenPack, addTreeOf } from './pack.ts'
import type { TreeTarget } from './pack.ts'

/** Files from here on have a tree of their own. */
const OWN_TREE_BYTES = 128 * 1024
/** Steps that wait for their pack; then it is closed. */
const MAX_WAITING_STEPS = 4096

export class FolderPacker {
  readonly #target: TreeTarget
  readonly #tree: FolderTree
  readonly #path = new OpenPath()
  #pack: OpenPack | undefined
  /** Those since the open pack was begun. */
  #waiting: FolderStep[] = []

  constructor(target: TreeTarget) {
    this.#target = target
    this.#tree = new FolderTree(target, { isSplit: true })
  }

  async add(item: CheckedItem): Promise<void> {
    for (const step of this.#path.stepsTo(item)) {
      const cut = step.type === 'enter' && isCut(step.path, 0)
      await this.#put(step.type === 'enter' ? { ...step, isCut: cut } : step)
    }
    if (item.type === 'file') await this.#addFile(item)
  }

  async finish(): Promise<WrittenDirectory> {
    await this.#closePack()
    return await this.#tree.finish()
  }

  async #addFile(file: CheckedFile): Promise<void> {
    const { names, size } = file
    const isPacked = size > 0 && size < OWN_TREE_BYTES
    const cut = isCut(names.join('/'), isPacked ? size : 0)
    if (cut || (isPacked && this.#pack?.hasRoom(size) === false)) await this.#closePack()
    const entry = await this.#entryOf(file, isPacked)
    await this.#put({ type: 'entry', entry, isCut: cut })
  }

  async #entryOf(file: CheckedFile, isPacked: boolean): Promise<FileEntry> {
    const { names, size, contentType, content } = file
    const base = { name: names.at(-1) as string, contentType }
    if (isPacked) {
      this.#pack ??= new OpenPack(this.#target)
      const offset = await this.#pack.append(content)
      return { ...base, type: 'packed', size, pack: this.#pack, offset }
    }
    if (size > 0)
      return { ...base, type: 'tree', size, root: await addTreeOf(content, this.#target) }
    return { ...base, type: 'inline', bytes: await readAll(content) }
  }

  /** A cut ends the open pack; what comes while one is open waits for it. */
  async #put(step: FolderStep): Promise<void> {
    if (step.type === 'enter' && step.isCut) await this.#closePack()
    if (this.#pack === undefined) await this.#tree.take(step)
    else if (this.#waiting.push(step) === MAX_WAITING_STEPS) await this.#closePack()
  }

  async #closePack(): Promise<void> {
    await this.#pack?.close()
    this.#pack = undefined
    for (const step of this.#waiting) await this.#tree.take(step)
    this.#waiting = []
  }
}

/** All of `content`, for what is known to be short. */
export async function readAll(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return concat(...pieces)
}
