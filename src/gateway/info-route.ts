/**
 * `?info` of a key, and `Accept: application/json` alone of a file: what it names and how much of it is here, as JSON, without its bytes.
 * @module
 */
import type { Node } from '../node.ts'
import { servedType } from './media-type.ts'
import { NoPathError, outcomeError } from './outcome-error.ts'
import type { Ask } from './ask.ts'

/**
 * Answers where it was asked for; false where the content itself is the answer. Never cached: how much is here
 * changes. Throws as a fetch of the key does.
 */
export async function isInfoSent(node: Node, ask: Ask): Promise<boolean> {
  const { uri, request, response } = ask
  if (!ask.isInfo && !ask.isInfoOfFile) return false
  const outcome = await node.inspect(uri, ask.fetchOptions)
  if (outcome.type === 'no-such-path') throw new NoPathError(uri)
  if (outcome.type !== 'found') {
    throw outcomeError(node, outcome.type, 'No node that was asked holds this content.')
  }
  if (outcome.kind === 'folder' && !ask.isInfo) return false
  const { kind, size, contentType, name, tree, urn, local } = outcome
  const type = kind === 'folder' ? undefined : servedType(contentType, ask.fileName ?? name)
  const info = { kind, size, type, name: ask.fileName ?? name, tree, urn, local }
  const body = Buffer.from(`${JSON.stringify(info)}\n`)
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    Vary: 'Accept',
    ...ask.headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
  return true
}
