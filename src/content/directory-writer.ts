/**
 * The nodes of one folder while its entries come in (spec §5.5.4). Holds one node a level; what is
 * full goes to the sink, so that memory does not depend on the size of the folder.
 * @module
 */
import { ShoalError } from '../errors.ts'
import {
  MAX_DIRECTORY_LEVEL,
  NODE_HEADER_BYTES,
  PACK_BYTES,
  encodeDirectory,
  lengthOfChild,
  lengthOfEntry,
  packsOf,
  sizeOfEntry,
} from './directory.ts'
import type { Directory, DirectoryChild, DirectoryEntry, Pack } from './directory.ts'
import { isBranchCut } from './folder-cuts.ts'
import { MAX_DIRECTORY_BYTES, encodeManifest } from './manifest.ts'
import type { TreeTarget } from './pack.ts'

/** A node ends at a cut once it has so many bytes: fewer blocks are nearly empty. */
const MIN_NODE_BYTES = 8 * 1024
/** A folder of one node that is not longer lies inside its parent. */
const MAX_INLINE_FOLDER_BYTES = 8 * 1024

/** A folder that is over: its topmost node. */
export interface WrittenDirectory {
  readonly directory: Directory
  /** Bytes of all files below. */
  readonly size: number
  /** Short enough to lie inside the folder above it. */
  readonly isSmall: boolean
}

interface NodeLimits {
  /** Nodes may end at cuts and short folders go elsewhere; false: all is known to fit one node. */
  readonly isSplit: boolean
}

export function manifestOf({ directory, size }: WrittenDirectory): Uint8Array {
  const body = { type: 'directory', node: encodeDirectory(directory) } as const
  return encodeManifest({ size, contentType: undefined, body })
}

export class DirectoryWriter {
  readonly #prefix: string
  readonly #target: TreeTarget
  readonly #limits: NodeLimits
  #leaf = new OpenLeaf()
  /** Nodes of level 1 and above. */
  readonly #branches: OpenBranch[] = []

  /** `prefix`: what paths in the folder begin with, `''` or with a slash at its end. */
  constructor(prefix: string, target: TreeTarget, limits: NodeLimits) {
    this.#prefix = prefix
    this.#target = target
    this.#limits = limits
  }

  /** `isCut`: there is a cut before it. */
  async add(entry: DirectoryEntry, isCut: boolean): Promise<void> {
    if (this.#limits.isSplit && this.#leaf.endsBefore(entry, isCut)) await this.#emit(0)
    this.#leaf.add(entry)
  }

  /** All but the topmost node goes to the sink. */
  async close(): Promise<WrittenDirectory> {
    let level = 0
    for (; level < this.#branches.length; level++) await this.#emit(level)
    const { directory, size } = this.#node(level)
    const isWhole = level === 0 && !this.#limits.isSplit
    const isSmall = isWhole || (level === 0 && this.#leaf.bytes <= MAX_INLINE_FOLDER_BYTES)
    return { directory, size, isSmall }
  }

  /** Ends the node of `level`, and begins another. */
  async #emit(level: number): Promise<void> {
    const { sink, secret } = this.#target
    const { directory, size, firstName } = this.#node(level)
    const manifest = manifestOf({ directory, size, isSmall: false })
    const { reference, readKey } = await sink.addTree(manifest, secret)
    if (level === 0) this.#leaf = new OpenLeaf()
    else this.#branches[level - 1] = new OpenBranch(level)
    await this.#push(level + 1, { child: { firstName, reference, readKey }, size })
  }

  async #push(level: number, node: { child: DirectoryChild; size: number }): Promise<void> {
    if (level > MAX_DIRECTORY_LEVEL) {
      throw new ShoalError('E_FOLDER', 'A folder has more files and folders than one can have.')
    }
    const branch = this.#branches[level - 1]
    if (branch?.endsBefore(node.child, this.#prefix) === true) await this.#emit(level)
    this.#branches[level - 1] ??= new OpenBranch(level)
    this.#branches[level - 1]?.add(node)
  }

  #node(level: number): OpenLeaf | OpenBranch {
    return level === 0 ? this.#leaf : (this.#branches[level - 1] as OpenBranch)
  }
}

class OpenLeaf {
  readonly #entries: DirectoryEntry[] = []
  readonly #packs = new Set<Pack>()
  size = 0
  bytes = NODE_HEADER_BYTES

  get directory(): Directory {
    return { level: 0, entries: this.#entries }
  }

  get firstName(): string {
    return (this.#entries[0] as DirectoryEntry).name
  }

  endsBefore(entry: DirectoryEntry, isCut: boolean): boolean {
    if (this.#entries.length === 0) return false
    const hasEnough = isCut && this.bytes >= MIN_NODE_BYTES
    return hasEnough || this.bytes + this.#bytesFor(entry) > MAX_DIRECTORY_BYTES
  }

  add(entry: DirectoryEntry): void {
    this.bytes += this.#bytesFor(entry)
    this.size += sizeOfEntry(entry)
    for (const pack of packsOf([entry])) this.#packs.add(pack)
    this.#entries.push(entry)
  }

  #bytesFor(entry: DirectoryEntry): number {
    const newPacks = [...packsOf([entry])].filter((pack) => !this.#packs.has(pack))
    return lengthOfEntry(entry) + newPacks.length * PACK_BYTES
  }
}

class OpenBranch {
  readonly #level: number
  readonly #children: DirectoryChild[] = []
  size = 0
  #bytes = 1

  constructor(level: number) {
    this.#level = level
  }

  get directory(): Directory {
    return { level: this.#level, children: this.#children }
  }

  get firstName(): string {
    return (this.#children[0] as DirectoryChild).firstName
  }

  /** `prefix` of the paths in the folder. */
  endsBefore(child: DirectoryChild, prefix: string): boolean {
    if (this.#children.length === 0) return false
    const isFull = this.#bytes + lengthOfChild(child) > MAX_DIRECTORY_BYTES
    const hasEnough = this.#bytes >= MIN_NODE_BYTES
    return isFull || (hasEnough && isBranchCut(prefix + child.firstName, this.#level))
  }

  add({ child, size }: { child: DirectoryChild; size: number }): void {
    this.#children.push(child)
    this.#bytes += lengthOfChild(child)
    this.size += size
  }
}
