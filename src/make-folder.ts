/**
 * A folder and the folders above it. Node's own `recursive` asks again and again, for ever and at full
 * speed, where a folder that exists cannot take another (procfs, some network mounts).
 * @module
 */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/** For its owner only. Rejects as `mkdir` does. */
export async function makeFolder(path: string): Promise<void> {
  const isMade = await tryToMake(path)
  if (isMade) return
  const parent = dirname(path)
  if (parent !== path) await makeFolder(parent)
  await mkdir(path, { mode: 0o700 })
}

/** False: the folder above is not there. */
async function tryToMake(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return true // or a file in its place: what is put into it will tell
    if (code === 'ENOENT') return false
    throw error
  }
}
