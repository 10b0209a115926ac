/**
 * Where packs and nodes end (spec §5.5.4): by a hash of the path, so that a change in one place of a
 * folder moves no boundary in another.
 * @module
 */
import { utf8 } from '../keys/bytes.ts'
import { blake2b256 } from '../keys/primitives.ts'

/** Packed bytes from one cut to the next, on average. */
const CUT_BYTES = 2 ** 20
/** What an entry counts beside its bytes: 512 empty files, on average, make a cut as well. */
const ENTRY_WEIGHT_BYTES = 2048
/** Children of a node from one cut to the next, on average. */
const BRANCH_CUT_CHILDREN = 64
const TWO_32 = 2 ** 32

/**
 * Whether there is a cut before the file or folder at `path`. `packedBytes`: the size of a file that
 * goes into a pack, else 0; only its power of two counts, so that an edit seldom moves a cut.
 */
export function isCut(path: string, packedBytes: number): boolean {
  const sizeClass = packedBytes === 0 ? 0 : 2 ** Math.floor(Math.log2(packedBytes))
  return hashWord(path, 0) < (ENTRY_WEIGHT_BYTES + sizeClass) * (TWO_32 / CUT_BYTES)
}

/** Whether a node of `level`, 1 or more, may end before the child whose first file is at `path`. */
export function isBranchCut(path: string, level: number): boolean {
  return hashWord(path, level) < TWO_32 / BRANCH_CUT_CHILDREN
}

/** One of the eight u32 of the hash of `path`: those that cut one level say nothing about another. */
function hashWord(path: string, index: number): number {
  const hash = blake2b256(utf8(path))
  return new DataView(hash.buffer, hash.byteOffset).getUint32(index * 4, true)
}
