/**
 * Inserting a name's head and edition again (spec §9.8): anyone who can read them can do it, so that a
 * name outlives its publisher's presence.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { documentAddress } from '../keys/signed.ts'
import type { DocumentPlace } from '../keys/signed.ts'
import type { UskUri } from '../keys/uri.ts'
import type { LookUpOutcome } from '../node-types.ts'
import { ALL_HOMES } from './blocks.ts'
import type { BlockSource } from './blocks.ts'
import { withSink } from './insert.ts'
import type { InsertContext } from './insert.ts'
import { keyOfUri, requestOf } from './names.ts'
import type { NameTable } from './names.ts'
import { HEAD_PLACE, namesEdition, readBody } from './signed-document.ts'

const CODES: Record<Exclude<LookUpOutcome['type'], 'found'>, ErrorCode> = {
  'not-found': 'E_NOT_FOUND',
  'timed-out': 'E_TIMEOUT',
  'no-peers': 'E_NO_PEERS',
}

/** @throws ShoalError E_NOT_FOUND, E_TIMEOUT, E_NO_PEERS where there is nothing to announce. */
export async function announceName(
  uri: UskUri,
  { names, source, ...context }: InsertContext & { names: NameTable; source: BlockSource },
): Promise<{ edition: number; insertId: number }> {
  const key = keyOfUri(uri)
  return withSink(context, async (sink, signal) => {
    const outcome = await names.lookUp(key, requestOf(uri, 0), { source, signal })
    if (outcome.type !== 'found') throw nothing(outcome.type)
    const { edition } = outcome
    const place: DocumentPlace = { kind: 'edition', edition }
    const address = documentAddress(key, place)
    const result = await source.getBlock(address, { isTop: true, signal })
    const head = names.headOf(key, edition)
    const isWhole =
      result.type === 'found' &&
      readBody(key, place, result.block) !== undefined &&
      (head === undefined || namesEdition(head, result.block))
    if (isWhole) await sink.add(address, result.block, ALL_HOMES)
    if (head !== undefined) {
      await sink.add(documentAddress(key, HEAD_PLACE), head.block, ALL_HOMES)
    } else if (!isWhole) throw nothing(result.type === 'found' ? 'not-found' : result.type)
    return { edition, insertId: sink.insertId }
  })
}

function nothing(why: Exclude<LookUpOutcome['type'], 'found'>): ShoalError {
  return new ShoalError(CODES[why], 'There is no head or edition at hand to announce.')
}
