/**
 * A node's position proof in the data directory: solved once, so that the next start costs nothing and
 * the node keeps its place on the ring.
 * @module
 */
import { join } from 'node:path'
import { fileAt, readAtMost, replaceFile } from './datastore/whole-file.ts'
import { ShoalError } from './errors.ts'
import { makeFolder } from './make-folder.ts'
import { NO_PROOF } from './routing/handshake.ts'
import type { NetworkDefinition } from './routing/network.ts'
import { verifyProof } from './routing/position-proof.ts'
import type { Logger } from './runtime.ts'

const FILE = 'node.proof'
/** Proofs are shorter; of a longer file nothing is believed. */
const MAX_FILE_BYTES = 256

export interface ProofRequest {
  readonly definition: NetworkDefinition
  readonly publicKey: Uint8Array
  readonly logger: Logger
}

/**
 * The proof in `dataDir` where it is good for that network and key; undefined: it has to be solved. A
 * network without puzzles needs no file. Warns of one that is good for nothing.
 * @throws ShoalError E_STORE_IO where what has the name is no file, or cannot be read
 */
export async function keptProof(
  dataDir: string | undefined,
  { definition, publicKey, logger }: ProofRequest,
): Promise<Uint8Array | undefined> {
  if (definition.proof.kind === 0) return NO_PROOF
  const kept = dataDir === undefined ? undefined : await readProof(join(dataDir, FILE))
  if (kept === undefined) return undefined
  if (await verifyProof(definition, publicKey, kept)) return kept
  logger.warn(`the file ${FILE} is damaged, or of another node: solving the puzzle again`)
  return undefined
}

/** Writes the proof for the next start. Where that fails it is solved again then, and a warning says so. */
export async function keepProof(
  dataDir: string | undefined,
  proof: Uint8Array,
  logger: Logger,
): Promise<void> {
  if (dataDir === undefined) return
  try {
    await makeFolder(dataDir)
    await replaceFile(join(dataDir, FILE), proof)
  } catch {
    logger.warn(`the file ${FILE} could not be written: the next start solves the puzzle again`)
  }
}

async function readProof(path: string): Promise<Uint8Array | undefined> {
  try {
    const found = await fileAt(path)
    if (found === undefined) return undefined
    if (found.isFile) return await readAtMost(path, MAX_FILE_BYTES)
  } catch (cause) {
    throw new ShoalError('E_STORE_IO', `${FILE} in the data directory cannot be read.`, { cause })
  }
  throw new ShoalError('E_STORE_IO', `${FILE} is no file: move it away, it is made again.`)
}
