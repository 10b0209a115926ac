/**
 * Where a node's own readers get their blocks: from its private memory, the outbox and the store, then
 * from the network. Nothing that is read here leaves a trace in the store (threat model §3).
 * @module
 */
import { MissingBlock, homesOf } from './content/blocks.ts'
import type { BlockResult, BlockSource } from './content/blocks.ts'
import { ReadCache } from './content/read-cache.ts'
import type { StorePair } from './datastore/store.ts'
import { supersedes } from './keys/block.ts'
import type { Address, Block } from './keys/block.ts'
import type { Driver } from './routing/net/driver.ts'

interface OwnBlock {
  readonly block: Block
  /** Nobody else has its bytes. */
  readonly isFresh?: boolean
}

export class NodeBlocks {
  /** Asks the network for what is not here. */
  readonly source: BlockSource
  /** Asks nobody: throws a MissingBlock for what is not here. */
  readonly ownSource: BlockSource
  readonly #store: StorePair
  /** Another one takes its place when the node joins. */
  readonly #driver: () => Driver
  readonly #readCache: ReadCache

  constructor(options: { store: StorePair; driver: () => Driver; readCacheBytes: number }) {
    this.#store = options.store
    this.#driver = options.driver
    this.#readCache = new ReadCache(options.readCacheBytes)
    this.source = {
      getBlock: (address, how) => this.#getBlock(address, how),
      getNewest: (address, how) => this.#getNewest(address, how),
    }
    const needOwn = (address: Address, { signal }: { signal: AbortSignal }) =>
      this.#needOwn(address, signal)
    this.ownSource = { getBlock: needOwn, getNewest: needOwn }
  }

  async getOwn(address: Address, signal: AbortSignal): Promise<OwnBlock | undefined> {
    const remembered = this.#readCache.get(address)
    if (remembered !== undefined) return { block: remembered }
    const { outbox, blocks } = this.#store
    const own = outbox.pendingBlocks > 0 ? await outbox.get(address, { signal }) : undefined
    if (own !== undefined) return { block: own }
    const found = await blocks.get(address, { signal })
    return found && { block: found.block, isFresh: blocks.givesFresh === true }
  }

  /** Takes the index's word where it can. */
  async hasOwn(address: Address, signal: AbortSignal): Promise<boolean> {
    if (this.#readCache.get(address) !== undefined) return true
    if ((await this.#store.blocks.has(address, { signal })) !== undefined) return true
    return (await this.#store.outbox.get(address, { signal })) !== undefined
  }

  async #needOwn(address: Address, signal: AbortSignal): Promise<BlockResult> {
    const own = await this.getOwn(address, signal)
    if (own === undefined) throw new MissingBlock({ type: 'not-local' })
    return { type: 'found', ...own, isOwn: true }
  }

  async #getBlock(
    address: Address,
    { isTop, signal }: Parameters<BlockSource['getBlock']>[1],
  ): Promise<BlockResult> {
    const own = await this.getOwn(address, signal)
    if (own !== undefined) return { type: 'found', ...own, isOwn: true }
    const homes = homesOf(isTop)
    const result = await this.#driver().fetch(address, { homes, isAbsentHere: true, signal })
    if (result.type === 'found') this.#readCache.put(address, result.block)
    return result
  }

  /** What the network has, or what waits in the outbox where that takes its place. */
  async #getNewest(
    address: Address,
    { homes, signal }: Parameters<BlockSource['getNewest']>[1],
  ): Promise<BlockResult> {
    const [own, result] = await Promise.all([
      this.#store.outbox.get(address, { signal }),
      this.#driver().fetchNewest(address, { homes, signal }),
    ])
    if (own === undefined) return result
    const isNewer = result.type === 'found' && supersedes(result.block, own)
    return isNewer ? result : { type: 'found', block: own }
  }
}
