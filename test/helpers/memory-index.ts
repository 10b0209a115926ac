/**
 * An index in memory: it counts the keys and pages it is asked for, and a test may make it wait or fail.
 * @module
 */
import type { Index } from '../../src/datastore/sorted-index.ts'
import { compare, mapKey } from '../../src/keys/bytes.ts'

export interface MemoryIndex {
  readonly index: Index
  readonly entries: Map<string, { readonly key: Uint8Array; readonly value: Uint8Array }>
  readonly asked: { keys: number; pages: number }
}

export function memoryIndex(): MemoryIndex {
  const entries: MemoryIndex['entries'] = new Map()
  const asked = { keys: 0, pages: 0 }
  const index: Index = {
    getMany: (keys) => {
      asked.keys += keys.length
      return Promise.resolve(keys.map((key) => entries.get(mapKey(key))?.value))
    },
    write: (changes) => {
      for (const { key, value } of changes) {
        if (value === undefined) entries.delete(mapKey(key))
        else entries.set(mapKey(key), { key, value })
      }
      return Promise.resolve()
    },
    range: ({ gt }, limit) => {
      asked.pages++
      const sorted = [...entries.values()].toSorted((a, b) => compare(a.key, b.key))
      const rest = sorted.filter(({ key }) => gt === undefined || compare(key, gt) > 0)
      return Promise.resolve(rest.slice(0, limit))
    },
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
  return { index, entries, asked }
}
