/** @module */
import type { ContentUri } from './keys/uri.ts'

/** Bytes `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** How a request names its range before the size is known: RFC 9110 §14.1.2. */
export type RequestedRange =
  | { readonly type: 'from-to'; readonly first: number; readonly last: number | undefined }
  | { readonly type: 'suffix'; readonly length: number }

export type FetchOutcome =
  | {
      readonly type: 'found'
      /** Size of the whole content, bytes. */
      readonly size: number
      /** The part that `stream` carries; undefined: all of it (no range was asked for). */
      readonly range: ByteRange | undefined
      /** Content type from the manifest; undefined where it names none. */
      readonly contentType: string | undefined
      /** The bytes of the range, in order. Errors: E_DECODE, E_TIMEOUT. Cancel it to stop fetching. */
      readonly stream: ReadableStream<Uint8Array>
    }
  | { readonly type: 'unsatisfiable-range'; readonly size: number }
  | { readonly type: 'not-found' }
  | { readonly type: 'no-peers' }
  | { readonly type: 'timed-out' }

export interface FetchOptions {
  readonly range?: RequestedRange
  /** Only the size and type are wanted: `stream` is empty and no leaf is fetched. */
  readonly headOnly?: boolean
  /** Time until the first byte must be there, ms; default FIRST_BYTE_TIMEOUT_MS. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface InsertOptions {
  /** Last path segment of the URI, and where the content type comes from. */
  readonly name?: string
  /** Overrides the type derived from `name`. */
  readonly contentType?: string
  /** Null convergence secret: the same bytes give the same key, so others can confirm a known file. */
  readonly convergent?: boolean
  /** Bare content without a manifest, convergent: the URI is a standard `urn:eris:`. */
  readonly bare?: boolean
  readonly signal?: AbortSignal
}

export interface InsertResult {
  /** `CHK@…[/name]` or `urn:eris:…`. */
  readonly uri: string
  readonly size: number
  /** Content type in the manifest, else the one that the name gives, else application/octet-stream. */
  readonly type: string
  /** Number under which `insertStatus` tells how far the blocks have spread. */
  readonly insertId: number
}

export interface InsertStatus {
  /** Distinct blocks of the insert. */
  readonly blocks: number
  /** Those with every copy they want; all of them: "spread". */
  readonly spreadBlocks: number
  /** Peers connected now: with none, nothing spreads. */
  readonly peers: number
}

export interface NodeStatus {
  readonly version: string
  readonly network: string
  readonly peers: number
  /** Own ring position, in [0, 1). */
  readonly position: number
  readonly store: {
    readonly quotaBytes: number
    readonly usedBytes: number
    readonly blocks: number
  }
  readonly outbox: { readonly pendingBlocks: number }
}

/** What the gateway and library users see of a node. */
export interface Node {
  /**
   * Resolves when the first bytes are there or it is clear that they will not be. Throws E_DECODE for
   * content that is not what its key says, E_CLOSED; rejects with `signal.reason` when aborted.
   */
  fetch(uri: ContentUri, options?: FetchOptions): Promise<FetchOutcome>
  /**
   * Takes `content` to its end, holding at most a few blocks in memory, and resolves when the last
   * byte is safe in the outbox. On an error or abort everything it held is released. Throws
   * E_STORE_FULL, E_STORE_IO, E_CLOSED.
   */
  insert(content: AsyncIterable<Uint8Array>, options?: InsertOptions): Promise<InsertResult>
  /** undefined: no such insert, or finished long ago. */
  insertStatus(insertId: number): InsertStatus | undefined
  status(): NodeStatus
  close(): Promise<void>
}
