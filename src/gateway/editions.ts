/**
 * A USK as a web address: which edition is the newest, and how long an answer about that holds (spec
 * §3.6). A look-up that fails costs nothing but time: the named edition is served.
 * @module
 */
import type { UskUri } from '../keys/uri.ts'
import type { Node } from '../node.ts'
import { outcomeError } from './outcome-error.ts'
import { pathOf } from './redirect.ts'

/** A head looked up within this time is as good as new, ms: all files of a page share one look-up. */
const FRESH_MS = 60_000
/** How long the newest edition is waited for where another one is at hand, ms. */
const LOOK_UP_MS = 5000

export interface Edition {
  /** The edition to serve or to send on to. */
  readonly uri: UskUri & { readonly edition: number }
  /** The request named another one. */
  readonly isElsewhere: boolean
  readonly cacheControl: string
  /** `Link` header: the same path in the newest edition known. */
  readonly link: string
}

/**
 * Looks up the newest edition. @throws ShoalError E_NOT_FOUND, E_NO_PEERS, E_TIMEOUT where none was
 * found and `uri` names none (`latest`, negative).
 */
export async function findEdition(
  node: Node,
  uri: UskUri,
  options: {
    readonly timeoutMs?: number
    readonly isReload: boolean
    readonly signal: AbortSignal
  },
): Promise<Edition> {
  const { timeoutMs, isReload, signal } = options
  const named = uri.edition === 'latest' || uri.edition < 0 ? undefined : uri.edition
  const waitMs = named === undefined ? timeoutMs : Math.min(timeoutMs ?? LOOK_UP_MS, LOOK_UP_MS)
  const outcome = await node.lookUp(uri, {
    // who asks for the newest one, or reloads, wants it as it is now; a negative edition is a search
    maxAgeMs: named === undefined || isReload ? 0 : FRESH_MS,
    ...(waitMs !== undefined && { timeoutMs: waitMs }),
    signal,
  })
  if (outcome.type === 'found') {
    const newest = Math.max(outcome.edition, named ?? 0)
    return editionOf(uri, newest, maxAge(FRESH_MS - outcome.ageMs))
  }
  if (named === undefined) {
    throw outcomeError(node, outcome.type, `No edition of "${uri.document}" was found.`)
  }
  return editionOf(uri, named, 'no-cache')
}

function editionOf(uri: UskUri, edition: number, cacheControl: string): Edition {
  const found = { ...uri, edition }
  const link = `<${pathOf(found)}>; rel="canonical"`
  return { uri: found, isElsewhere: edition !== uri.edition, cacheControl, link }
}

function maxAge(leftMs: number): string {
  const seconds = Math.floor(leftMs / 1000)
  return seconds > 0 ? `max-age=${seconds}` : 'no-cache'
}
