/**
 * What the network did not give, as errors with honest statuses: 404 nobody has it, 503 no peers, 504
 * not in time, 412 not here where nobody may be asked; and 404 of another kind for a path that a site
 * does not have.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { ShoalUri } from '../keys/uri.ts'
import { formatUri } from '../keys/uri.ts'
import type { Node } from '../node.ts'

/** A path that is not in a document that is there: not the network's fault. */
export class NoPathError extends ShoalError {
  /** Path of the document's own page, from the gateway's root. */
  readonly site: string

  constructor(uri: ShoalUri) {
    const path = uri.path.join('/') || '/'
    super('E_NO_PATH', `The site "${titleOf(uri)}" has no "${path}".`)
    this.site = `/${formatUri({ ...uri, path: [] })}`
  }
}

/** The error for an outcome of `node` without content; `notFound` is the sentence for "nobody has it". */
export function outcomeError(
  node: Node,
  type: 'not-found' | 'no-peers' | 'timed-out' | 'not-local',
  notFound: string,
): ShoalError {
  switch (type) {
    case 'not-found':
      return new ShoalError('E_NOT_FOUND', notFound)
    case 'no-peers':
      return new ShoalError('E_NO_PEERS', noPeersText(node))
    case 'timed-out':
      return new ShoalError('E_TIMEOUT', 'No complete answer came from the network in time.')
    case 'not-local':
      return new ShoalError('E_NOT_LOCAL', 'This node does not hold it, and was to ask nobody.')
  }
}

function noPeersText(node: Node): string {
  const { state, words } = node.status().connection
  const why = state === 'connected' ? '' : ` ${words}` // a peer has come since
  return `The node has no peers to ask.${why}`
}

/** What people call the document that a key names. */
export function titleOf(uri: ShoalUri): string {
  switch (uri.type) {
    case 'chk':
      return uri.name ?? 'folder'
    case 'ssk':
    case 'usk':
      return uri.document
    case 'ksk':
      return uri.word
  }
}
