/**
 * Folders for tests: from an object of paths to the sorted stream that a node takes.
 * @module
 */
import { compare, utf8 } from '../../src/keys/bytes.ts'
import type { FolderItem } from '../../src/node.ts'

/** Paths with their content; a path that ends with a slash is a folder of its own. */
export type Files = Readonly<Record<string, Uint8Array | string>>

/** The order that a node asks for: depth first, names by their bytes. */
export function comparePaths(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')]
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = compare(utf8(left[i] as string), utf8(right[i] as string))
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

export async function* folderItems(files: Files): AsyncGenerator<FolderItem, void> {
  for (const path of Object.keys(files).sort(comparePaths)) {
    if (path.endsWith('/')) {
      yield { type: 'folder', path: path.slice(0, -1) }
      continue
    }
    const given = files[path] as Uint8Array | string
    const bytes = typeof given === 'string' ? utf8(given) : given
    yield { type: 'file', path, size: bytes.length, content: pieces(bytes) }
  }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000)
}
