/**
 * What the journal keeps of the downloads to disk: a record for each, so that one that goes on does not
 * have all others written again, and none can take the room of another.
 * @module
 */
import type { Journal } from '../journal.ts'
import { utf8, utf8Text } from '../keys/bytes.ts'
import type { Transfer, TransferPhase } from '../node-types.ts'
import type { Kept } from './download.ts'

/** As the journal keeps it. */
export interface KeptTransfer extends Omit<Transfer, 'bytesPerSecond' | 'nextTryMs'> {
  readonly overwrite: boolean
  readonly kept: Kept
}

const PREFIX = 'transfer-'

/** Name of a download's record in the journal. */
export function transferRecord(id: number): string {
  return `${PREFIX}${id}`
}

export function encodeTransfer(now: KeptTransfer): Uint8Array {
  return utf8(JSON.stringify(now))
}

/** What an earlier run has left, by number; what cannot be read is dropped. @throws ShoalError E_STORE_IO */
export async function readTransfers(journal: Journal): Promise<readonly KeptTransfer[]> {
  const all: KeptTransfer[] = []
  for (const name of await journal.names()) {
    if (!name.startsWith(PREFIX)) continue
    const bytes = await journal.read(name)
    if (bytes === undefined) await journal.remove(name)
    else all.push(decode(bytes))
  }
  return all.sort((a, b) => a.id - b.id)
}

function decode(record: Uint8Array): KeptTransfer {
  const text = (utf8Text(record) ?? '').replace(/\0+$/, '')
  const now = JSON.parse(text) as KeptTransfer
  const wasUnderWay = now.phase === 'running' || now.phase === 'waiting'
  const phase: TransferPhase = wasUnderWay ? 'queued' : now.phase
  return { ...now, phase, doneBytes: phase === 'done' ? now.doneBytes : now.kept.bytes }
}
