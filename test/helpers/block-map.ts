/**
 * Blocks in a map, from both sides: where inserts put them and where readers get them.
 * @module
 */
import { BlockSink } from '../../src/content/block-sink.ts'
import type { BlockSource } from '../../src/content/blocks.ts'
import type { FetchContext } from '../../src/content/fetch.ts'
import { writeFolder } from '../../src/content/folder-writer.ts'
import type { WrittenFolder } from '../../src/content/folder-writer.ts'
import type { FolderItems } from '../../src/content/folder-item.ts'
import type { InsertContext } from '../../src/content/insert.ts'
import { decodeManifest } from '../../src/content/manifest.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { WindowShares } from '../../src/content/window.ts'
import type { Outbox } from '../../src/datastore/store.ts'
import { BLOCK_BYTES, toAddress, toBlock } from '../../src/keys/block.ts'
import type { Address, Block, Home } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { ErisEncoder } from '../../src/keys/eris.ts'
import type { ReadCapability } from '../../src/keys/eris.ts'
import type { ContentUri, Path } from '../../src/keys/uri.ts'
import { createSimulatedClock } from './clock.ts'

export const SECRET = new Uint8Array(32).fill(7)

export interface BlockMap {
  readonly blocks: Map<string, Block>
  /** Homes that each block was added with. */
  readonly homes: Map<string, readonly Home[]>
  /** What was asked for, in order. */
  readonly asked: { readonly address: Address; readonly isTop: boolean }[]
  readonly source: BlockSource
  readonly insertContext: InsertContext
  readonly fetchContext: FetchContext
  /** Adds a folder under SECRET and opens its topmost manifest. */
  add(items: FolderItems): Promise<WrittenFolder & { opened: Manifest }>
}

/** `keep` false: only addresses are kept, not blocks. */
export function createBlockMap({ keep }: { keep: boolean } = { keep: true }): BlockMap {
  const clock = createSimulatedClock()
  const blocks = new Map<string, Block>()
  const homes = new Map<string, readonly Home[]>()
  const asked: { address: Address; isTop: boolean }[] = []
  const source: BlockSource = {
    getBlock(address, { isTop, signal }) {
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      asked.push({ address, isTop })
      const block = blocks.get(mapKey(address))
      return Promise.resolve(block === undefined ? { type: 'not-found' } : { type: 'found', block })
    },
    getNewest: () => Promise.resolve({ type: 'not-found' }),
  }
  const outbox = outboxOf({ blocks, homes, keep })
  const sinkContext = { outbox, clock, peers: () => 1, added: () => {} }
  const { signal } = new AbortController()
  const sink = new BlockSink(1, { ...sinkContext, signal })
  return {
    blocks,
    homes,
    asked,
    source,
    insertContext: { ...sinkContext, signals: [] },
    fetchContext: { source, clock, signal, shares: new WindowShares() },
    async add(items) {
      const written = await writeFolder(items, { sink, secret: SECRET, isTyped: true, signal })
      await sink.settle()
      return { ...written, opened: decodeManifest(written.manifest) }
    },
  }
}

/** The part of an outbox that an insert needs. */
function outboxOf(map: {
  blocks: Map<string, Block>
  homes: Map<string, readonly Home[]>
  keep: boolean
}): Outbox {
  const part: Pick<Outbox, 'begin' | 'add' | 'commit' | 'discard'> = {
    begin: () => Promise.resolve(1),
    add({ address, block, homes }) {
      const name = mapKey(address)
      if (map.keep) map.blocks.set(name, new Uint8Array(block) as Block)
      map.homes.set(name, homes)
      return Promise.resolve('added')
    },
    commit: () => Promise.resolve(),
    discard() {
      map.blocks.clear()
      map.homes.clear()
      return Promise.resolve()
    },
  }
  return part as Outbox
}

/** All bytes of a stream or generator. */
export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await listOf(pieces)))
}

export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** Puts a tree of `bytes` into the map. */
export function putTree(map: BlockMap, bytes: Uint8Array): ReadCapability {
  const encoder = new ErisEncoder(SECRET, BLOCK_BYTES)
  const blocks = [...encoder.update(bytes)]
  const last = encoder.finish()
  let step = last.next()
  for (; step.done !== true; step = last.next()) blocks.push(step.value)
  for (const { reference, block } of blocks) {
    map.blocks.set(mapKey(reference), toBlock(new Uint8Array(block)))
  }
  return step.value
}

/** The CHK of a tree. */
export function uriOf(root: ReadCapability, kind: ContentUri['kind'], path: Path = []): ContentUri {
  const { readKey, level } = root
  const reference = toAddress(root.reference)
  return { type: 'chk', reference, readKey, level, kind, name: 'site', path }
}
