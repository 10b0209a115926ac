/**
 * A node's position proof in the data directory: solved once, so that the next start costs nothing and
 * the node keeps its place on the ring.
 * @module
 */
import { join } from 'node:path'
import { readAtMost, replaceFile } from './datastore/whole-file.ts'
import { ShoalError } from './errors.ts'
import { makeFolder } from './make-folder.ts'
import type { NetworkDefinition } from './routing/network.ts'
import { solveProof, verifyProof } from './routing/position-proof.ts'

const FILE = 'node.proof'
/** Proofs are shorter; of a longer file nothing is believed. */
const MAX_FILE_BYTES = 256

export interface ProofRequest {
  readonly definition: NetworkDefinition
  readonly publicKey: Uint8Array
  /** Gives up solving; nothing is written. */
  readonly signal?: AbortSignal
  /** Called once where there is none yet, and solving takes some seconds. */
  readonly onsolving?: () => void
}

/**
 * The proof in `dataDir` where it is good for that network and key, else a new one, which is written
 * there. Without `dataDir` it is kept nowhere; a network without puzzles needs no file. Rejects with the
 * reason of `signal`. @throws ShoalError E_STORE_IO
 */
export async function loadProof(
  dataDir: string | undefined,
  request: ProofRequest,
): Promise<Uint8Array> {
  const { definition, publicKey, signal, onsolving } = request
  const options = signal === undefined ? {} : { signal }
  if (definition.proof.kind === 0) return solveProof(definition, publicKey, options)
  const kept = dataDir === undefined ? undefined : await readProof(dataDir)
  if (kept !== undefined && (await verifyProof(definition, publicKey, kept))) return kept
  onsolving?.()
  const proof = await solveProof(definition, publicKey, options)
  if (dataDir !== undefined) await writeProof(dataDir, proof)
  return proof
}

async function readProof(dataDir: string): Promise<Uint8Array | undefined> {
  return orIoError(() => readAtMost(join(dataDir, FILE), MAX_FILE_BYTES))
}

async function writeProof(dataDir: string, proof: Uint8Array): Promise<void> {
  await orIoError(async () => {
    await makeFolder(dataDir)
    await replaceFile(join(dataDir, FILE), proof)
  })
}

async function orIoError<T>(access: () => Promise<T>): Promise<T> {
  try {
    return await access()
  } catch (error) {
    const message = `${FILE} in the data directory cannot be read or written.`
    throw new ShoalError('E_STORE_IO', message, { cause: error })
  }
}
