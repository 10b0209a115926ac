/**
 * The public API: a node, its types, key URIs and errors.
 * @module
 */
export { ERROR_CODES, ShoalError, isShoalError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export { formatUri, formatUrn, parseUri } from './keys/uri.ts'
export type { ContentUri, ShoalUri } from './keys/uri.ts'
export { createNode } from './node.ts'
export type {
  ByteRange,
  FetchOptions,
  FetchOutcome,
  InsertOptions,
  InsertResult,
  InsertStatus,
  Node,
  NodeStatus,
  RequestedRange,
} from './node.ts'
export type { ConnectOptions, NodeOptions, Parts } from './options.ts'
