/**
 * What the waiting page waits for: everything that leads to a key's first byte, and that byte. It stays in
 * the read cache, so whoever asks next has it at once.
 * @module
 */
import type { ShoalUri } from '../../keys/uri.ts'
import type { Node } from '../../node.ts'
import type { Edition } from '../editions.ts'
import { findEdition } from '../editions.ts'
import { outcomeError } from '../outcome-error.ts'
import { letGo } from '../send-file.ts'
import type { Open } from './wait-job.ts'

const FIRST_BYTE = { type: 'from-to', first: 0, last: 0 } as const

/**
 * The work of a wait for `uri`. Whatever is here afterwards, also a path that a site does not have, is for
 * the content route to tell. Rejects with what keeps it from being here.
 */
export function openingOf(node: Node, uri: ShoalUri, isPinned: boolean): Open {
  return async (how) => {
    const edition = await editionFor(node, uri, { ...how, isPinned })
    if (edition?.isElsewhere === true) return edition // a redirect
    const outcome = await node.fetch(edition?.uri ?? uri, { ...how, range: FIRST_BYTE })
    letGo(outcome)
    switch (outcome.type) {
      case 'not-found':
      case 'no-peers':
      case 'timed-out':
      case 'not-local':
        throw outcomeError(node, outcome.type, 'No node that was asked holds this content.')
      case 'found':
      case 'folder':
      case 'slash-missing':
      case 'no-such-path':
      case 'unsatisfiable-range':
        return edition
    }
  }
}

async function editionFor(
  node: Node,
  uri: ShoalUri,
  how: { signal: AbortSignal; timeoutMs: number; isPinned: boolean },
): Promise<Edition | undefined> {
  if (uri.type !== 'usk') return undefined
  if (how.isPinned && uri.edition !== 'latest' && uri.edition >= 0) return undefined
  return await findEdition(node, uri, { ...how, isReload: false })
}
