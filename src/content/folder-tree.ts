/**
 * Folders inside folders while they come in, depth first: one open directory a level (spec §5.5).
 * @module
 */
import type { CheckedItem } from './checked-items.ts'
import { hasEntries } from './directory.ts'
import type { DirectoryEntry } from './directory.ts'
import { DirectoryWriter, manifestOf } from './directory-writer.ts'
import type { WrittenDirectory } from './directory-writer.ts'
import type { TreeTarget } from './pack.ts'

export interface EnterStep {
  readonly type: 'enter'
  readonly name: string
  /** From the topmost folder, without a slash at its end. */
  readonly path: string
  /** There is a cut before it. */
  readonly isCut: boolean
}

export type FolderStep =
  | EnterStep
  | { readonly type: 'leave' }
  | { readonly type: 'entry'; readonly entry: DirectoryEntry; readonly isCut: boolean }

/** Which folder the last item was in. */
export class OpenPath {
  #names: readonly string[] = []

  /** Out of folders and into others, to the one that `item` is in or is; no cuts. */
  stepsTo(item: CheckedItem): FolderStep[] {
    const names = item.type === 'file' ? item.names.slice(0, -1) : item.names
    const differing = names.findIndex((name, index) => name !== this.#names[index])
    const shared = differing < 0 ? names.length : differing
    const left = this.#names.slice(shared).map(() => ({ type: 'leave' }) as const)
    const entered = names.slice(shared).map((name, index) => {
      const path = names.slice(0, shared + index + 1).join('/')
      return { type: 'enter', name, path, isCut: false } as const
    })
    this.#names = names
    return [...left, ...entered]
  }
}

interface OpenFolder {
  readonly name: string
  readonly writer: DirectoryWriter
  /** There was a cut before it. */
  readonly isCut: boolean
  /** The last entry is a folder with a cut in it: that counts as one before the next. */
  isCutNext: boolean
  /** There was a cut anywhere in it. */
  hasCut: boolean
}

export class FolderTree {
  readonly #target: TreeTarget
  readonly #isSplit: boolean
  readonly #open: OpenFolder[]

  /** `isSplit` false: everything is known to fit one manifest. */
  constructor(target: TreeTarget, { isSplit }: { isSplit: boolean }) {
    this.#target = target
    this.#isSplit = isSplit
    this.#open = [this.#folder({ name: '', path: '', isCut: false })]
  }

  async take(step: FolderStep): Promise<void> {
    switch (step.type) {
      case 'enter':
        this.#open.push(this.#folder(step))
        break
      case 'leave':
        await this.#leave()
        break
      case 'entry':
        await this.#add(step.entry, step.isCut)
        break
    }
  }

  /** Leaves all folders. Nothing may come after it. */
  async finish(): Promise<WrittenDirectory> {
    while (this.#open.length > 1) await this.#leave()
    return await this.#top.writer.close()
  }

  get #top(): OpenFolder {
    return this.#open.at(-1) as OpenFolder
  }

  #folder({ name, path, isCut }: Omit<EnterStep, 'type'>): OpenFolder {
    const prefix = path === '' ? '' : `${path}/`
    const writer = new DirectoryWriter(prefix, this.#target, { isSplit: this.#isSplit })
    return { name, writer, isCut, isCutNext: false, hasCut: false }
  }

  async #leave(): Promise<void> {
    const folder = this.#open.pop() as OpenFolder
    await this.#add(await this.#entryOf(folder), folder.isCut)
    this.#top.isCutNext = folder.hasCut
    this.#top.hasCut ||= folder.hasCut
  }

  async #entryOf({ name, writer }: OpenFolder): Promise<DirectoryEntry> {
    const written = await writer.close()
    const { directory, size, isSmall } = written
    if (isSmall && hasEntries(directory)) {
      return { type: 'inline-folder', name, size, entries: directory.entries }
    }
    const { sink, secret } = this.#target
    const { reference, readKey } = await sink.addTree(manifestOf(written), secret)
    return { type: 'folder', name, size, reference, readKey }
  }

  async #add(entry: DirectoryEntry, isCut: boolean): Promise<void> {
    const folder = this.#top
    await folder.writer.add(entry, isCut || folder.isCutNext)
    folder.isCutNext = false
    folder.hasCut ||= isCut
  }
}
