/**
 * What a written folder consists of: its packs and its nodes, for tests that count what a change moves.
 * @module
 */
import assert from 'node:assert/strict'

import { decodeDirectory, hasEntries, packsOf } from '../../src/content/directory.ts'
import type { DirectoryEntry, Pack } from '../../src/content/directory.ts'
import { openManifest } from '../../src/content/fetch.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import type { ReferenceKeyPair } from '../../src/keys/eris.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import type { BlockMap } from './block-map.ts'

export interface SiteParts {
  readonly packs: Map<string, Pack>
  /** References of the manifests below the topmost one. */
  readonly nodes: Set<string>
}

export async function partsOf(map: BlockMap, manifest: Manifest): Promise<SiteParts> {
  const parts: SiteParts = { packs: new Map(), nodes: new Set() }
  const open = async (pair: ReferenceKeyPair): Promise<void> => {
    parts.nodes.add(mapKey(pair.reference))
    await walk(await openManifest(pair, map.fetchContext))
  }
  const walkEntries = async (entries: readonly DirectoryEntry[]): Promise<void> => {
    for (const entry of entries) {
      if (entry.type === 'inline-folder') await walkEntries(entry.entries)
      if (entry.type === 'folder') await open(entry)
    }
  }
  const walk = async ({ size, body }: Manifest): Promise<void> => {
    assert.ok(body.type === 'directory')
    const directory = decodeDirectory(body.node, size)
    if (!hasEntries(directory)) {
      for (const child of directory.children) await open(child)
      return
    }
    for (const pack of packsOf(directory.entries)) {
      parts.packs.set(mapKey(pack.root.reference), pack)
    }
    await walkEntries(directory.entries)
  }
  await walk(manifest)
  return parts
}

/** Blocks of a pack: its leaves, and the node above them. */
export function blocksIn({ size }: Pack): number {
  const leaves = Math.floor(size / BLOCK_BYTES) + 1
  return leaves === 1 ? 1 : leaves + 1
}

/** What is in `after` and not in `before`. */
export function newIn<T>(before: { has(key: string): boolean }, after: Map<string, T>): T[] {
  return [...after].filter(([key]) => !before.has(key)).map(([, value]) => value)
}
