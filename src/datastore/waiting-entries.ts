/**
 * Outbox entries as they are met in a pass over the index, in any order: packed, since there may be
 * hundreds of thousands of them before the first is known to be wanted.
 * @module
 */
import type { IndexRecord } from './record.ts'

/** 90 bytes an entry: a decoded record takes nine times as many. */
const AT = {
  key: 0,
  name: 32,
  slot: 64,
  checksum: 68,
  insertId: 72,
  ordinal: 80,
  generation: 88,
  homes: 89,
}
const ENTRY_BYTES = 90
const CHUNK_ENTRIES = 1024

type Kept = 'slot' | 'generation' | 'checksum' | 'homes' | 'insertId' | 'ordinal' | 'name'

export interface WaitingEntry extends Pick<IndexRecord, Kept> {
  /** Of the index. */
  readonly key: Uint8Array
}

export class WaitingEntries {
  readonly #chunks: DataView[] = []
  #count = 0

  add(key: Uint8Array, record: Pick<IndexRecord, Kept>): void {
    const [chunk, at] = this.#placeOf(this.#count++)
    const bytes = new Uint8Array(chunk.buffer)
    bytes.set(key, at + AT.key)
    bytes.set(record.name, at + AT.name)
    chunk.setUint32(at + AT.slot, record.slot)
    chunk.setUint32(at + AT.checksum, record.checksum)
    chunk.setFloat64(at + AT.insertId, record.insertId)
    chunk.setFloat64(at + AT.ordinal, record.ordinal)
    chunk.setUint8(at + AT.generation, record.generation)
    chunk.setUint8(at + AT.homes, record.homes)
  }

  /** In ascending order of ordinals, which is that of adding. */
  *inOrder(): IterableIterator<WaitingEntry> {
    const ordinals = Float64Array.from({ length: this.#count }, (_, i) => this.#ordinalAt(i))
    const order = Uint32Array.from(ordinals.keys())
    order.sort((a, b) => (ordinals[a] as number) - (ordinals[b] as number))
    for (const index of order) yield this.#entryAt(index)
  }

  #ordinalAt(index: number): number {
    const [chunk, at] = this.#placeOf(index)
    return chunk.getFloat64(at + AT.ordinal)
  }

  #entryAt(index: number): WaitingEntry {
    const [chunk, at] = this.#placeOf(index)
    const bytes = new Uint8Array(chunk.buffer)
    return {
      key: Uint8Array.from(bytes.subarray(at + AT.key, at + AT.name)),
      name: Uint8Array.from(bytes.subarray(at + AT.name, at + AT.slot)),
      slot: chunk.getUint32(at + AT.slot),
      checksum: chunk.getUint32(at + AT.checksum),
      insertId: chunk.getFloat64(at + AT.insertId),
      ordinal: chunk.getFloat64(at + AT.ordinal),
      generation: chunk.getUint8(at + AT.generation),
      homes: chunk.getUint8(at + AT.homes),
    }
  }

  #placeOf(index: number): [chunk: DataView, at: number] {
    const number = Math.floor(index / CHUNK_ENTRIES)
    const chunk = (this.#chunks[number] ??= new DataView(
      new ArrayBuffer(CHUNK_ENTRIES * ENTRY_BYTES),
    ))
    return [chunk, (index % CHUNK_ENTRIES) * ENTRY_BYTES]
  }
}
