/**
 * Why an insert finds no room: what helps against a full outbox does not help against a full disk.
 * @module
 */
import { isShoalError, ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'

/** `error`, or what to say in its place while the disk of the node is full. */
export function explainFull(error: unknown, node: Pick<Node, 'status'>): unknown {
  const isFull = isShoalError(error) && error.code === 'E_STORE_FULL'
  if (!isFull || node.status().store.condition !== 'disk-full') return error
  const message = 'The disk of the node is full: make room on it, and send this again.'
  return new ShoalError('E_STORE_FULL', message, { cause: error })
}
