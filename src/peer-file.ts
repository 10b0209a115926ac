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

/** The file `peers` in `dataDir`. A damaged one is ignored, with a warning, and soon replaced. */
export function peerFile(dataDir: string, logger: Logger): PeerCache {
  const path = join(dataDir, FILE)
  return {
    async load() {
      const bytes = await readAtMost(path, MAX_CACHE_BYTES).catch(() => new Uint8Array(0))
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
