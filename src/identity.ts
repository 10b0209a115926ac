/**
 * A node's long-lived identity: a seed in the data directory. Its position on the ring follows from
 * it, so losing it means starting over somewhere else.
 * @module
 */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from './errors.ts'
import { randomBytes } from './keys/primitives.ts'
import { makeFolder } from './make-folder.ts'

const SEED_BYTES = 32
const FILE = 'node.key'

/** The seed in `dataDir`, made there on the first start. @throws ShoalError E_STORE_IO */
export async function loadIdentitySeed(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, FILE)
  try {
    await makeFolder(dataDir)
    const seed = await readFile(path).catch(absent)
    if (seed?.length === SEED_BYTES) return seed
    // absent, or cut off while it was first written: nothing depended on it yet
    return await writeSeed(path, randomBytes(SEED_BYTES))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') throw inTheWay()
    throw new ShoalError('E_STORE_IO', 'The data directory cannot be read or written.', {
      cause: error,
    })
  }
}

/** Only a file that is not there is made: one that cannot be read may still hold the identity. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function inTheWay(): ShoalError {
  const message = `${FILE} is no file: move it away, and put back the file if there is a copy`
  return new ShoalError('E_STORE_IO', message)
}

async function writeSeed(path: string, seed: Uint8Array): Promise<Uint8Array> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(seed)
    await file.sync()
  } finally {
    await file.close()
  }
  return seed
}
