/**
 * What memory knew when the store was closed, sealed in one file, so that the next open need not read
 * the whole index (spec §11.9). It is used once, and only by the index that it was saved with.
 * @module
 */
import { rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import { ADDRESS_BYTES } from '../keys/block.ts'
import type { Address } from '../keys/block.ts'
import { copyOf } from '../keys/bytes.ts'
import { RECORD_OVERHEAD_BYTES, openState, sealState } from '../keys/seal.ts'
import type { SealKeys } from '../keys/seal.ts'
import type { Areas } from './areas.ts'
import type { FilteredIndex } from './filtered-index.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import { sharesOf } from './quota.ts'
import type { SlotTable } from './slot-table.ts'
import { DRAFT, fileAt, syncFolder, withFile } from './whole-file.ts'

export const STATE_FILE = 'state'
/** The file is always as long as it may get, which is in the plan of the quota: what is in it does not show. */
const FILE_BYTES_PER_SLOT = 16
const FILE_FIXED_BYTES = 64 * 1024
/** Bytes sealed together. */
const PIECE_BYTES = 1024 * 1024
const SEALED_PIECE_BYTES = PIECE_BYTES + RECORD_OVERHEAD_BYTES
/** Numbers of the header, 8 bytes each. */
const HEADER_NUMBERS = 16
/** As a double: other versions and other byte orders read something else. */
const VERSION = 1
/** Insert: number and count of blocks, 8 bytes each. Entry: address, index of the insert, homes left. */
const INSERT_NUMBERS = 2
const ENTRY_BYTES = ADDRESS_BYTES + 5

/** What is saved, and filled in place when it is loaded. */
export interface StateParts {
  readonly table: SlotTable
  readonly areas: Areas
  readonly index: FilteredIndex
  readonly ledger: OutboxLedger
}

export interface StatePlace {
  readonly folder: string
  readonly keys: SealKeys
  /** 32 bytes, also in the meta entry of the index. */
  readonly epoch: Uint8Array
}

/**
 * For a store that is over: its areas get the shares of all its slots. False: there is too much of it, or
 * inserts have lost blocks, and nothing was written. @throws what the disk throws.
 */
export async function saveState(place: StatePlace, parts: StateParts): Promise<boolean> {
  // a disk that is full may have made the shares smaller: the next open begins with all slots
  const shares = sharesOf(parts.table.capacity)
  if (parts.areas.shares.cacheSlots !== shares.cacheSlots) parts.areas.shares = shares
  // how many are lost stands in the index alone: the next open reads it
  for (const { lost } of parts.ledger.inserts()) if (lost > 0) return false
  const sections = sectionsOf(parts)
  const { fileBytes, pieces } = sizeFor(parts.table.capacity)
  const plainBytes = fileBytes - pieces * RECORD_OVERHEAD_BYTES
  if (sections.reduce((sum, { length }) => sum + length, 0) > plainBytes) return false
  const path = join(place.folder, STATE_FILE)
  const draft = path + DRAFT
  try {
    await rm(draft, { force: true })
    await withFile(draft, 'wx', async (file) => {
      let piece = 0
      for (const plain of cut(sections, plainBytes)) {
        await file.appendFile(sealState(place.keys, { epoch: place.epoch, piece, pieces }, plain))
        piece++
      }
      await file.sync()
    })
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {}) // a full disk needs the room
    throw error
  }
  await syncFolder(place.folder)
  return true
}

/**
 * Fills `parts`, which are empty, with what was saved for a slab of `slots`. False: there is no such file
 * or it does not fit, and `parts` may be half full.
 */
export async function loadState(
  place: StatePlace,
  parts: StateParts,
  slots: number,
): Promise<boolean> {
  const path = join(place.folder, STATE_FILE)
  const found = await fileAt(path)
  const size = sizeFor(parts.table.capacity)
  if (found?.isFile !== true || found.sizeBytes !== size.fileBytes) return false
  return withFile(path, 'r', (file) => fill(new PieceReader(file, place, size), parts, slots))
}

/** Removes the file: from now on memory changes. */
export async function dropState(folder: string): Promise<void> {
  await rm(join(folder, STATE_FILE + DRAFT), { force: true })
  await rm(join(folder, STATE_FILE), { force: true })
  await syncFolder(folder)
}

interface FileSize {
  readonly fileBytes: number
  readonly pieces: number
}

function sizeFor(slots: number): FileSize {
  const most = slots * FILE_BYTES_PER_SLOT + FILE_FIXED_BYTES
  const whole = Math.floor(most / SEALED_PIECE_BYTES)
  const rest = most - whole * SEALED_PIECE_BYTES
  // the last piece has at least one byte
  return rest > RECORD_OVERHEAD_BYTES
    ? { fileBytes: most, pieces: whole + 1 }
    : { fileBytes: whole * SEALED_PIECE_BYTES, pieces: whole }
}

/** Header, arrays, inserts, entries. */
function sectionsOf(parts: StateParts): Uint8Array[] {
  const { ledger } = parts
  const inserts = [...ledger.inserts()]
  const numbers = new Float64Array(inserts.length * INSERT_NUMBERS)
  const placeOf = new Map<number, number>()
  for (const [i, { insertId, blocks }] of inserts.entries()) {
    numbers.set([insertId, blocks], i * INSERT_NUMBERS)
    placeOf.set(insertId, i)
  }
  const entries = new Uint8Array(ledger.pendingBlocks * ENTRY_BYTES)
  const view = new DataView(entries.buffer)
  let at = 0
  for (const { address, insertId, homes } of ledger.kept()) {
    entries.set(address, at)
    view.setUint32(at + ADDRESS_BYTES, placeOf.get(insertId) ?? 0, true)
    entries[at + ADDRESS_BYTES + 4] = homes
    at += ENTRY_BYTES
  }
  return [bytesOf(headerOf(parts, inserts.length)), ...arraysOf(parts), bytesOf(numbers), entries]
}

function headerOf({ table, areas, index, ledger }: StateParts, inserts: number): Float64Array {
  const header = new Float64Array(HEADER_NUMBERS)
  const areaBytes = areas.arrays.reduce((sum, { byteLength }) => sum + byteLength, 0)
  header.set([
    VERSION,
    table.extent,
    table.capacity,
    table.staleEntries,
    areaBytes,
    index.filter.bits.length,
    index.filter.added,
    index.isTrusted ? 1 : 0,
    ledger.nextOrdinal,
    inserts,
    ledger.pendingBlocks,
  ])
  return header
}

async function fill(reader: PieceReader, parts: StateParts, slots: number): Promise<boolean> {
  const { table, areas, index, ledger } = parts
  const header = new Float64Array(HEADER_NUMBERS)
  if (!(await reader.read(bytesOf(header))) || !fits(header, parts, slots)) return false
  const [, , , staleEntries = 0, , , added = 0, isTrusted, nextOrdinal = 1] = header
  const [inserts = 0, entries = 0] = header.subarray(9)
  const numbers = new Float64Array(inserts * INSERT_NUMBERS)
  const kept = new Uint8Array(entries * ENTRY_BYTES)
  for (const section of [...arraysOf(parts), bytesOf(numbers), kept]) {
    if (!(await reader.read(section))) return false
  }
  table.recount(slots)
  table.staleEntries = staleEntries
  areas.restored('from-arrays')
  index.filter.restored(added)
  if (isTrusted === 1) index.trust()
  fillLedger(ledger, numbers, kept)
  ledger.startOrdinals(nextOrdinal)
  return true
}

/** Whether the state is of these parts: then nothing is read that has no place. */
function fits(header: Float64Array, parts: StateParts, slots: number): boolean {
  const expected = headerOf(parts, 0)
  const [inserts = -1, entries = -1] = header.subarray(9)
  return (
    header[0] === VERSION &&
    header[1] === slots &&
    header[2] === expected[2] &&
    header[4] === expected[4] &&
    header[5] === expected[5] &&
    inserts >= 0 &&
    entries >= inserts &&
    entries <= parts.table.capacity
  )
}

function fillLedger(ledger: OutboxLedger, numbers: Float64Array, entries: Uint8Array): void {
  for (let i = 0; i < numbers.length; i += INSERT_NUMBERS) {
    ledger.restoreInsert(numbers[i] as number, numbers[i + 1] as number)
  }
  const view = new DataView(entries.buffer)
  let ordinal = 1
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
    const address = copyOf(entries, at, at + ADDRESS_BYTES) as Address
    const insert = view.getUint32(at + ADDRESS_BYTES, true)
    const insertId = numbers[insert * INSERT_NUMBERS] as number
    const homes = entries[at + ADDRESS_BYTES + 4] as number
    ledger.restore(address, { insertId, ordinal: ordinal++, homes })
  }
}

/** The arrays of all parts as bytes, in place. */
function arraysOf({ table, areas, index }: StateParts): Uint8Array[] {
  const { flags, generations, marks } = table.arrays
  return [flags, generations, marks, ...areas.arrays, index.filter.bits].map(bytesOf)
}

function bytesOf(array: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number }) {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** The bytes of all sections, and zeros up to `bytes`, in pieces: in one buffer that is used again and again. */
function* cut(sections: readonly Uint8Array[], bytes: number): Generator<Uint8Array> {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, bytes))
  let left = bytes
  let filled = 0
  for (const section of sections) {
    for (let at = 0; at < section.length;) {
      const part = section.subarray(at, at + piece.length - filled)
      piece.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < piece.length) continue
      yield piece
      left -= filled
      filled = 0
    }
  }
  for (; left > 0; left -= piece.length) {
    piece.fill(0, filled)
    filled = 0
    yield piece.subarray(0, left)
  }
}

/** Reads the pieces one after the other. */
class PieceReader {
  readonly #file: FileHandle
  readonly #place: StatePlace
  readonly #size: FileSize
  #piece = 0
  #rest: Uint8Array = new Uint8Array(0)

  constructor(file: FileHandle, place: StatePlace, size: FileSize) {
    this.#file = file
    this.#place = place
    this.#size = size
  }

  /** Fills `target`; false: a piece is damaged, of another state, or missing. */
  async read(target: Uint8Array): Promise<boolean> {
    for (let at = 0; at < target.length;) {
      if (this.#rest.length === 0 && !(await this.#next())) return false
      const part = this.#rest.subarray(0, target.length - at)
      target.set(part, at)
      at += part.length
      this.#rest = this.#rest.subarray(part.length)
    }
    return true
  }

  async #next(): Promise<boolean> {
    const { pieces, fileBytes } = this.#size
    const start = this.#piece * SEALED_PIECE_BYTES
    const sealed = new Uint8Array(Math.min(SEALED_PIECE_BYTES, Math.max(0, fileBytes - start)))
    for (let at = 0; at < sealed.length;) {
      const { bytesRead } = await this.#file.read(sealed, at, sealed.length - at, start + at)
      if (bytesRead === 0) return false
      at += bytesRead
    }
    const { epoch, keys } = this.#place
    const plain = openState(keys, { epoch, piece: this.#piece, pieces }, sealed)
    if (plain === undefined || plain.length === 0) return false
    this.#piece++
    this.#rest = plain
    return true
  }
}
