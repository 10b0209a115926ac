/**
 * Content for one request: what its conditions and ranges leave to be fetched of the version that there is.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { ShoalUri } from '../keys/uri.ts'
import type { ByteRange, FetchOutcome, Node, RequestedRange } from '../node.ts'
import type { Ask } from './ask.ts'
import { wantsJson } from './ask.ts'
import { asksForAny, checkConditions, isConditional, rangeStillApplies } from './conditions.ts'
import type { Found } from './file-serving.ts'
import { fileServing } from './file-serving.ts'
import { planRanges } from './multi-range.ts'
import { NoPathError, outcomeError } from './outcome-error.ts'
import { contentRange, parseRanges } from './range.ts'
import { pathOf, sendRedirect, withSlash } from './redirect.ts'
import { letGo, refuseUnaskedSaving, sendFile, sendNotModified, sendParts } from './send-file.ts'
import { sendFolder } from './send-folder.ts'
import { rawQuery } from './target.ts'
import type { Version } from './version.ts'
import { versionByKey, versionOf } from './version.ts'

const NOT_FOUND = 'No node that was asked holds this content.'

type Absence = Extract<
  FetchOutcome,
  { readonly type: 'not-found' | 'no-peers' | 'timed-out' | 'not-local' }
>

/** Answers, or throws what the network did not give. @throws ShoalError */
export async function serveContent(node: Node, ask: Ask): Promise<void> {
  const asked = parseRanges(ask.request.headers.range) ?? []
  const probed = needsProbe(ask, asked) ? await probe(node, ask) : undefined
  const version = probed === undefined ? versionByKey(ask) : versionOf(ask, probed)
  if (probed !== undefined && version === undefined) await sendOutcome(node, ask, probed)
  else await serveVersion(node, ask, { asked, version, probed })
}

/** Sends on to another spelling of what was asked for, with the same query. */
export function redirect(ask: Ask, status: 301 | 307, uri: ShoalUri): void {
  sendRedirect(ask.response, status, {
    Location: `${pathOf(uri)}${rawQuery(ask.request)}`,
    'Cache-Control': ask.cacheControl,
    ...ask.headers,
  })
}

/** Where the answer depends on the version or the size, and the key does not tell it. */
function needsProbe(ask: Ask, asked: readonly RequestedRange[]): boolean {
  const { headers } = ask.request
  if (asked.length > 1) return true
  return isConditional(headers) && (asksForAny(headers) || versionByKey(ask) === undefined)
}

/** All but the bytes. @throws ShoalError E_ACCESS as `sendFile` */
async function probe(node: Node, ask: Ask): Promise<FetchOutcome> {
  const outcome = await node.fetch(ask.uri, {
    ...ask.fetchOptions,
    headOnly: true,
    listing: wantsJson(ask),
  })
  letGo(outcome)
  if (outcome.type === 'found') refuseUnaskedSaving(ask, outcome)
  return outcome
}

/** `version`: what the key or the probe tells of it; undefined: the fetch will. */
async function serveVersion(
  node: Node,
  ask: Ask,
  known: {
    readonly asked: readonly RequestedRange[]
    readonly version: Version | undefined
    readonly probed: FetchOutcome | undefined
  },
): Promise<void> {
  const { version, probed } = known
  if (version !== undefined && isAnswered(ask, version)) return
  const isSame = rangeStillApplies(ask.request.get('If-Range'), version?.tag)
  const ranges = isSame && !isRewritten(ask, probed) ? known.asked : []
  if (probed?.type === 'found' && ranges.length > 1)
    await serveRanges(node, ask, { ranges, probed })
  else {
    const how = { range: ranges[0], tag: version?.tag }
    await sendOutcome(node, ask, await fetchVersion(node, ask, how))
  }
}

/** True where the conditions of the request needed no more. @throws ShoalError E_CONDITION */
function isAnswered({ request, response }: Ask, version: Version): boolean {
  const verdict = checkConditions(request.headers, version.tag)
  if (verdict === 'failed') {
    throw new ShoalError('E_CONDITION', 'What is here is not the version that was asked for.')
  }
  if (verdict === 'held') sendNotModified(response, version)
  return verdict === 'held'
}

/** True where the file that was found has no ranges, because its length is not known. */
function isRewritten(ask: Ask, outcome: FetchOutcome | undefined): boolean {
  return outcome?.type === 'found' && fileServing(ask, outcome).rewrite !== undefined
}

/** Several ranges: one after the other of the version that was probed, or the whole of it. */
async function serveRanges(
  node: Node,
  ask: Ask,
  { ranges, probed }: { ranges: readonly RequestedRange[]; probed: Found },
): Promise<void> {
  const tag = versionOf(ask, probed)?.tag
  const plan = planRanges(ranges, probed.size)
  if (plan.type === 'unsatisfiable') throw unsatisfiable(ask, probed.size)
  const parts = plan.type === 'whole' ? [] : plan.parts
  const [first, second] = parts
  if (first === undefined || second === undefined) {
    const range = first && asRequested(first)
    await sendOutcome(node, ask, await fetchVersion(node, ask, { range, tag }))
    return
  }
  const open = async (part: ByteRange): Promise<Found> => {
    const outcome = await node.fetch(ask.uri, { ...ask.fetchOptions, range: asRequested(part) })
    if (outcome.type === 'found' && versionOf(ask, outcome)?.tag === tag) return outcome
    letGo(outcome)
    if (isAbsence(outcome)) throw outcomeError(node, outcome.type, NOT_FOUND)
    throw new ShoalError('E_NOT_FOUND', 'The content has changed, or a part of it is gone.')
  }
  await sendParts(ask, probed, { parts, open })
}

function asRequested({ first, last }: ByteRange): RequestedRange {
  return { type: 'from-to', first, last }
}

/** The part that is asked for of the version that has `tag`, else the whole. */
async function fetchVersion(
  node: Node,
  ask: Ask,
  { range, tag }: { range: RequestedRange | undefined; tag: string | undefined },
): Promise<FetchOutcome> {
  const { request, uri } = ask
  // HEAD with a range answers as GET would: players ask so before they seek. Where nobody else is asked the
  // first byte costs nothing, and decides
  const headOnly = request.method === 'HEAD' && ask.fetchOptions.isLocalOnly !== true
  const options = { ...ask.fetchOptions, headOnly, listing: wantsJson(ask) }
  if (range === undefined) return await node.fetch(uri, options)
  const part = await node.fetch(uri, { ...options, range })
  const found = versionOf(ask, part)?.tag
  const isSame = tag === undefined || found === undefined || found === tag
  const isBeyond = part.type === 'unsatisfiable-range' && ask.viewer.isBrowser
  if (isSame && !isRewritten(ask, part) && !isBeyond) return part
  letGo(part) // a word that was written to since its tag was read, or a page without ranges
  const whole = await node.fetch(uri, options)
  if (!isBeyond || isRewritten(ask, whole)) return whole
  letGo(whole)
  return part
}

async function sendOutcome(node: Node, ask: Ask, outcome: FetchOutcome): Promise<void> {
  switch (outcome.type) {
    case 'found':
      await sendFile(ask, outcome)
      return
    case 'folder':
      await sendFolder(ask, outcome)
      return
    case 'slash-missing':
      redirect(ask, 301, withSlash(ask.uri))
      return
    case 'no-such-path':
      throw new NoPathError(ask.uri)
    case 'unsatisfiable-range':
      throw unsatisfiable(ask, outcome.size)
    case 'not-found':
    case 'no-peers':
    case 'timed-out':
    case 'not-local':
      throw outcomeError(node, outcome.type, NOT_FOUND)
  }
}

function isAbsence(outcome: FetchOutcome): outcome is Absence {
  return ['not-found', 'no-peers', 'timed-out', 'not-local'].includes(outcome.type)
}

/** Sets the header that names the size. */
function unsatisfiable(ask: Ask, size: number): ShoalError {
  ask.response.setHeader('Content-Range', contentRange(undefined, size))
  return new ShoalError('E_RANGE', `The content has ${size} bytes.`)
}
