/**
 * The public API: a node, its types, key URIs and errors.
 * @module
 */
export { ERROR_CODES, ShoalError, isShoalError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export { formatUri, formatUrn, parseUri } from './keys/uri.ts'
export type { ContentUri, KskUri, Path, ShoalUri, SskUri, UskUri } from './keys/uri.ts'
export { createNode } from './node.ts'
export type {
  AreaStats,
  ByteRange,
  CheckResult,
  ConnectionStatus,
  EvictionReason,
  FetchOptions,
  FetchOutcome,
  FolderEntry,
  FolderItem,
  FolderItems,
  Histogram,
  InsertFolderOptions,
  InsertFolderResult,
  InsertOptions,
  InsertResult,
  InsertStatus,
  LookUpOptions,
  LookUpOutcome,
  Node,
  NodeStatus,
  NodeStore,
  NodeTransfers,
  NodeUploads,
  PublishOptions,
  PublishResult,
  PublishSource,
  PublisherKey,
  PublisherKeys,
  RequestedRange,
  SolvingWork,
  StoreCondition,
  StoreStats,
  StoreStatus,
  Transfer,
  TransferChange,
  TransferPhase,
  TransferRequest,
  UploadPart,
  UploadRequest,
  UploadState,
} from './node.ts'
export type { ConnectOptions, NodeOptions, Parts } from './options.ts'
