/**
 * Looking for editions one by one, where no head says which is the newest (spec §9.8).
 * @module
 */
import { MAX_EDITION, documentAddress } from '../keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../keys/signed.ts'
import type { BlockResult } from './blocks.ts'
import type { FetchContext } from './fetch.ts'
import { readBody } from './signed-document.ts'

/** Editions absent in a row that end a search: what a publisher may have lost to others or to crashes. */
export const PROBE_AHEAD = 5

export type NameContext = Pick<FetchContext, 'source' | 'signal' | 'isLocalOnly'>
export type LookUpFailure = Extract<BlockResult, { type: 'timed-out' | 'no-peers' }>

export interface ProbeResult {
  /** The greatest edition found. */
  readonly newest: number | undefined
  /** Why an edition that was not found may be there all the same. */
  readonly failure: LookUpFailure | undefined
}

/**
 * Asks for editions from `start` on, five at once, until five in a row are absent; `found` hears of
 * each as it comes, since a search may be given up half-way. Rejects with `signal.reason`.
 */
export async function probeEditions(
  key: DocumentKey,
  start: number,
  { found, ...context }: NameContext & { found: (edition: number) => void },
): Promise<ProbeResult> {
  let newest: number | undefined
  let failure: LookUpFailure | undefined
  let next = start
  for (;;) {
    const last = Math.min(MAX_EDITION, (newest ?? start - 1) + PROBE_AHEAD)
    if (next > last) return { newest, failure }
    const editions = Array.from({ length: last - next + 1 }, (_, index) => next + index)
    const results = await Promise.all(editions.map((edition) => probe(key, edition, context)))
    for (const [index, result] of results.entries()) {
      if (result === 'found') newest = next + index
      else if (result !== 'absent') failure ??= result
    }
    if (newest !== undefined && newest >= next) found(newest)
    next = last + 1
  }
}

async function probe(
  key: DocumentKey,
  edition: number,
  { source, signal }: NameContext,
): Promise<'found' | 'absent' | LookUpFailure> {
  const place: DocumentPlace = { kind: 'edition', edition }
  const result = await source.getBlock(documentAddress(key, place), { isTop: true, signal })
  if (result.type === 'found')
    return readBody(key, place, result.block) !== undefined ? 'found' : 'absent'
  return result.type === 'not-found' ? 'absent' : result
}
