/**
 * Finds the package's own files, wherever the compiled code was put (`dist/`, `build/src/`).
 * @module
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder that holds our package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) {
    folder = dirname(folder)
  }
  return folder
}

/**
 * Flags that `shoal` starts Node with, as in the first line of `main.ts`. Blocks are short-lived 32 KiB
 * buffers outside the heap, freed only when the young generation is collected: with 4 MiB for it
 * instead of 16 that is more often, and a busy node is some 40 MB smaller at the same speed.
 */
export const NODE_FLAGS = ['--max-semi-space-size=4']
