/**
 * The one entry that every index has (spec §11.3): which insert numbers were never used, and which saved
 * state belongs to the index.
 * @module
 */
import type { SealKeys } from '../keys/seal.ts'
import type { GroupCommit } from './group-commit.ts'
import { insertKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import { EMPTY_RECORD, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { Index } from './sorted-index.ts'
import { unreadableIndex } from './store-error.ts'
import { FORMAT } from './store-header.ts'

/** Insert numbers set aside by one write: a crash skips at most this many. */
const NUMBERS_AHEAD = 64
/** Fewer left of them and the next ones are set aside, so that hardly anyone waits for it. */
const FEW_NUMBERS = 16
/** Insert numbers begin at 1. */
const META_ID = 0

/**
 * What the meta entry says; an index without one that opens has used no numbers. @throws ShoalError
 * E_STORE_IO where the disk does not tell.
 */
export async function readMeta(
  index: Pick<Index, 'getMany'>,
  keys: SealKeys,
): Promise<{ readonly nextInsertId: number; readonly epoch: Uint8Array | undefined }> {
  const { bytes } = insertKey(keys, META_ID)
  const [value] = await index.getMany([bytes])
  if (value === 'unreadable') throw unreadableIndex()
  const record = value && decodeRecord(keys, bytes, value)
  if (record?.area !== 'meta') return { nextInsertId: 1, epoch: undefined }
  const epoch = record.name.some((byte) => byte !== 0) ? record.name : undefined
  return { nextInsertId: Math.max(1, record.ordinal), epoch }
}

export class DiskMeta {
  readonly key: IndexKey
  readonly #group: Pick<GroupCommit, 'put' | 'commit'>
  #nextInsertId: number
  /** Numbers below this are set aside: in memory, and on the disk. */
  #setAside: number
  #settled: number

  constructor(keys: SealKeys, group: Pick<GroupCommit, 'put' | 'commit'>, nextInsertId: number) {
    this.key = insertKey(keys, META_ID)
    this.#group = group
    this.#nextInsertId = nextInsertId
    this.#setAside = nextInsertId
    this.#settled = nextInsertId
  }

  /** A number that was never used, and will not be again after a crash. Rejects with the disk's error. */
  async takeInsertId(): Promise<number> {
    const insertId = this.#nextInsertId++
    if (insertId + FEW_NUMBERS >= this.#setAside) {
      this.#setAside = insertId + NUMBERS_AHEAD
      this.disown()
    }
    if (insertId >= this.#settled) {
      const setAside = this.#setAside
      await this.#group.commit()
      this.#settled = Math.max(this.#settled, setAside)
    }
    return insertId
  }

  /** Queues an entry to which no saved state belongs. */
  disown(): void {
    this.#group.put(this.key, this.disowned())
  }

  /** The entry to which no saved state belongs, as memory has it. */
  disowned(): IndexRecord {
    return this.#record(this.#setAside, EMPTY_RECORD.name)
  }

  /** The entry to which the state saved under `epoch` belongs. */
  owning(epoch: Uint8Array): IndexRecord {
    return this.#record(this.#nextInsertId, epoch)
  }

  #record(ordinal: number, name: Uint8Array): IndexRecord {
    return { ...EMPTY_RECORD, area: 'meta', homes: FORMAT, ordinal, name }
  }
}
