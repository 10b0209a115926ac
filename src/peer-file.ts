/**
 * The peers of a node in its data directory, for the next start. Membership is public knowledge; still,
 * the file is its owner's alone.
 * @module
 */
import { join } from 'node:path'
import { readAtMost, replaceFile } from './datastore/whole-file.ts'
import { MAX_CACHE_BYTES, decodePeers, encodePeers } from './routing/net/peer-cache.ts'
import type { PeerCache } from './routing/net/peer-cache.ts'
import type { Logger } from './runtime.ts'

const FILE = 'peers'

/**
 * The file `peers` in `dataDir`. One that is damaged, or cannot be read, is ignored with a warning; a damaged
 * one is soon replaced.
 */
export function peerFile(dataDir: string, logger: Logger): PeerCache {
  const path = join(dataDir, FILE)
  return {
    async load() {
      let bytes: Uint8Array | undefined
      try {
        bytes = await readAtMost(path, MAX_CACHE_BYTES)
      } catch {
        logger.warn(`${FILE} is not a file that can be read: looking for peers anew`)
      }
      if (bytes === undefined) return []
      const peers = decodePeers(bytes)
      if (peers === undefined) logger.warn(`the file ${FILE} is damaged: looking for peers anew`)
      return peers ?? []
    },
    async save(peers) {
      await replaceFile(path, encodePeers(peers)).catch(() => {
        logger.warn(`the file ${FILE} could not be written`)
      })
    },
  }
}
