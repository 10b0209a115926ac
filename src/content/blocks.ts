/**
 * What content needs of the rest: blocks by address, wherever they come from.
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'

export type BlockResult =
  /** `isOwn`: nobody had to be asked for it. `isFresh`: its bytes may be written over. */
  | {
      readonly type: 'found'
      readonly block: Block
      readonly isOwn?: boolean
      readonly isFresh?: boolean
    }
  | { readonly type: 'not-found' }
  | { readonly type: 'timed-out' }
  | { readonly type: 'no-peers' }

export interface BlockSource {
  /** Resolves to a verified block or to why there is none; rejects with `signal.reason`. */
  getBlock(
    address: Address,
    options: { readonly isTop: boolean; readonly signal: AbortSignal },
  ): Promise<BlockResult>
  /**
   * The signed block that supersedes all others there are: every home is asked at once, and only nodes
   * responsible for it answer (freshness 2). What this node itself holds or is inserting counts.
   */
  getNewest(
    address: Address,
    options: { readonly homes: readonly Home[]; readonly signal: AbortSignal },
  ): Promise<BlockResult>
}

/** Where every signed block has copies: few, small, and the way to everything else. */
export const ALL_HOMES: readonly Home[] = [0, 1, 2]

/** Homes of a block: leaves and inner nodes have two, roots and manifests a third (design §4). */
export function homesOf(isTop: boolean): readonly Home[] {
  return isTop ? ALL_HOMES : [0, 1]
}

/** Why a block is not to be had; `not-local`: nobody may be asked, and it is not here. */
export type Missing = Exclude<BlockResult, { type: 'found' }> | { readonly type: 'not-local' }

/**
 * Thrown inside content/ where a block that the content needs is not to be had. A source that asks
 * nobody throws it itself: asking it again gives nothing else.
 */
export class MissingBlock extends Error {
  readonly result: Missing

  constructor(result: Missing) {
    super(result.type)
    this.result = result
  }
}
