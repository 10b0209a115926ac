/**
 * What a store process under test and its parent tell each other, a line of JSON each.
 * @module
 */
import { writeSync } from 'node:fs'

import type { Area, PutResult } from '../../src/datastore/store.ts'
import type { Home } from '../../src/keys/block.ts'
import { contentBlock, signedBlock } from './signed-block.ts'
import type { NamedBlock } from './signed-block.ts'

/** A block said shortly: `c<number>`, or `s<publisher>.<sequence>`. */
export type BlockName = string

/** A block of an insert, and one bit for each home: those surely left, and those perhaps left. */
export type OutboxBlock = readonly [name: BlockName, left: number, perhaps: number]

/** What is known of an insert when the process ends. */
export interface ExpectedInsert {
  readonly insertId: number
  /** It was acknowledged as committed; else it is whole or gone. */
  readonly isCertain: boolean
  /** Blocks it was given, those that have all their copies included. */
  readonly total: number
  readonly blocks: readonly OutboxBlock[]
}

/** What the next process must find. */
export interface Expectation {
  /** Nothing was evicted so far: what was put for good is there. */
  readonly isRoomy: boolean
  /** Content blocks to look at: number, area, one bit for each home in the store. */
  readonly blocks: readonly (readonly [number: number, area: Area, homes: number])[]
  /** Put and acknowledged, yet perhaps not on the disk when the process ended. */
  readonly young: readonly number[]
  /** Of each publisher in the store: the greatest sequence that was there for good. */
  readonly signed: readonly (readonly [publisher: number, atLeast: number])[]
  readonly inserts: readonly ExpectedInsert[]
  /** Greatest insert number given out so far. */
  readonly lastInsertId: number
  /** Quotas the folder may have been left with; empty: none yet. */
  readonly quotas: readonly number[]
}

/** What a process is to do. */
export interface Orders {
  readonly dataDir: string
  readonly seed: number
  /** Given to the store as it opens; undefined: the size that the folder was made with. */
  readonly storeBytes: number | undefined
  /** Waits of the store pass at once: it serves before it has read its index. */
  readonly isHurried: boolean
  readonly expect: Expectation
  /** Content blocks and sequences are numbered from here. */
  readonly firstNumber: number
  /** Closes the store by itself after this much load, ms; undefined: goes on until it is killed. */
  readonly closeAfterMs: number | undefined
  readonly resizeTo: number | undefined
  /** Fresh blocks to put into each area. */
  readonly fresh: Readonly<Record<Area, number>>
}

export type Report =
  | { type: 'refused'; code: string; message: string }
  | { type: 'opened'; quotaBytes: number; openMs: number; condition: string }
  | { type: 'outbox'; inserts: readonly ExpectedInsert[] }
  | { type: 'verified'; blocks: number; youngFound: number; youngLost: number }
  | { type: 'put'; number: number; area: Area; home: Home; result: PutResult }
  | { type: 'signed'; publisher: number; sequence: number; result: PutResult }
  | { type: 'begun'; insertId: number }
  | { type: 'added'; insertId: number; name: BlockName; homes: number }
  | { type: 'committing' | 'committed' | 'discarding'; insertId: number }
  | { type: 'homing' | 'homed'; insertId: number; name: BlockName; home: Home }
  | { type: 'resizing' | 'resized'; quotaBytes: number }
  | { type: 'commits'; count: number }
  | { type: 'checked'; freed: number }
  | { type: 'closing' | 'closed' }
  | { type: 'wrong'; message: string }

/** The block of a name: the same name gives the same block. */
export function blockOf(name: BlockName): NamedBlock {
  if (name.startsWith('c')) return contentBlock(Number(name.slice(1)))
  const [publisher, sequence] = name.slice(1).split('.').map(Number) as [number, number]
  return signedBlock(publisher, sequence)
}

const STDOUT = 1
const PIPE_FULL_PAUSE_MS = 1
const neverWoken = new Int32Array(new SharedArrayBuffer(4))

/**
 * Returns when the parent's pipe has all of it, so that what was said survives the process.
 * `process.stdout` would not do: of a pipe that is full it keeps the rest in memory, which a kill takes.
 */
export function say(report: Report): void {
  const line = Buffer.from(`${JSON.stringify(report)}\n`)
  for (let from = 0; from < line.length;) from += writeSome(line, from)
}

function writeSome(line: Buffer, from: number): number {
  try {
    return writeSync(STDOUT, line, from)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    Atomics.wait(neverWoken, 0, 0, PIPE_FULL_PAUSE_MS)
    return 0
  }
}
