/**
 * What the gateway and library users see of a node: the types of `node.ts`, apart from its wiring.
 * @module
 */
import type { ConnectionStatus } from './connection.ts'
import type { FolderEntry, FolderItems } from './content/folder-item.ts'
import type { StoreCare, StoreStatus } from './datastore/store.ts'
import type { ShoalUri, UskUri } from './keys/uri.ts'

export type { ConnectionStatus, SolvingWork } from './connection.ts'
export type { FolderEntry, FolderItem, FolderItems } from './content/folder-item.ts'
export type {
  AreaStats,
  CheckResult,
  EvictionReason,
  Histogram,
  StoreCondition,
  StoreStats,
  StoreStatus,
} from './datastore/store.ts'

/** Bytes `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** How a request names its range before the size is known: RFC 9110 §14.1.2. */
export type RequestedRange =
  | { readonly type: 'from-to'; readonly first: number; readonly last: number | undefined }
  | { readonly type: 'suffix'; readonly length: number }

/** How long a fetch took until its first byte, ms, and whether the network had a part in that. */
export interface FetchTiming {
  /** The signed document; undefined for a CHK. */
  readonly documentMs: number | undefined
  /** Manifest, and folders on the way to the file. */
  readonly manifestMs: number
  /** From there to the first byte of the content. */
  readonly firstMs: number
  /** Every block of it was here already. */
  readonly isLocal: boolean
}

/** Where a fetch stands. */
export interface FetchProgress {
  /** What is being sought: the signed document, the manifest and folders, the bytes. */
  readonly stage: 'document' | 'manifest' | 'content'
  readonly foundBlocks: number
  /** Blocks asked for so far; a block that is asked for again counts again. */
  readonly tries: number
  /** Blocks asked for and not answered yet. */
  readonly waitingBlocks: number
}

export type FetchOutcome =
  | {
      readonly type: 'found'
      /** Size of the whole content, bytes. */
      readonly size: number
      /** The part that `stream` carries; undefined: all of it (no range was asked for). */
      readonly range: ByteRange | undefined
      /** Content type from the manifest; undefined where it names none. */
      readonly contentType: string | undefined
      /** Last segment of the path that led here: for the type and the saved file's name. */
      readonly name: string | undefined
      /** The same for the same bytes under this key: base64url, for an ETag. */
      readonly identity: string
      /** The bytes of the range, in order. Errors: E_DECODE, E_TIMEOUT. Cancel it to stop fetching. */
      readonly stream: ReadableStream<Uint8Array>
      readonly timing?: FetchTiming
    }
  | { readonly type: 'unsatisfiable-range'; readonly size: number }
  /** A folder without an `index.html`, named with its slash. */
  | {
      readonly type: 'folder'
      /** In order; fetches what it needs as it goes. Throws E_DECODE, E_TIMEOUT, E_NOT_FOUND. */
      readonly entries: AsyncIterable<FolderEntry>
      readonly identity: string
    }
  /** A folder, named without the slash that its relative links need. */
  | { readonly type: 'slash-missing' }
  /** The document is there and has no such path. */
  | { readonly type: 'no-such-path' }
  | { readonly type: 'not-found' }
  | { readonly type: 'no-peers' }
  | { readonly type: 'timed-out' }
  /** With `isLocalOnly`: a part of what comes before the first byte is not here. */
  | { readonly type: 'not-local' }

export interface FetchOptions {
  readonly range?: RequestedRange
  /** Only the size and type are wanted: `stream` is empty and no leaf is fetched. */
  readonly headOnly?: boolean
  /** A folder gives its entries even where it has an `index.html`. */
  readonly listing?: boolean
  /** Nothing is asked of the network; the stream errors with E_NOT_FOUND at the first leaf that is not here. */
  readonly isLocalOnly?: boolean
  /** Called when something has changed, at most 4 times a second. */
  readonly onprogress?: (progress: FetchProgress) => void
  /** Time until the first byte must be there, ms; default FIRST_BYTE_TIMEOUT_MS. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export type InspectOptions = Pick<FetchOptions, 'isLocalOnly' | 'timeoutMs' | 'signal'>

export type InspectOutcome =
  | {
      readonly type: 'found'
      readonly kind: 'file' | 'folder'
      /** Bytes of the content; of a folder: of all files in it. */
      readonly size: number
      /** From the manifest; undefined where it names none, and for folders. */
      readonly contentType: string | undefined
      /** As `FetchOutcome` names it. */
      readonly name: string | undefined
      /** The tree that the bytes lie in, which other files may share; undefined: they came with the manifest. */
      readonly tree: { readonly level: number; readonly blocks: number } | undefined
      /** `urn:eris:…` of the bytes, where they have a tree for themselves. */
      readonly urn: string | undefined
      /** Undefined for folders: each of their files is somewhere. */
      readonly local: LocalShare | undefined
    }
  | Extract<
      FetchOutcome,
      { readonly type: 'no-such-path' | 'not-found' | 'no-peers' | 'timed-out' | 'not-local' }
    >

/** How much of some content this node holds. */
export interface LocalShare {
  /** Blocks of its bytes that are here, among the `of` that were looked for; none where they came with the manifest. */
  readonly blocks: number
  readonly of: number
  /** `of` are some of the blocks only, evenly spread. */
  readonly isSampled: boolean
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
  /**
   * Inserts under this KSK word, which anyone may write to; without `bare`. Throws E_COLLISION where it
   * is written, E_NO_PEERS and E_TIMEOUT where that cannot be found out.
   */
  readonly word?: string
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

export type UploadRequest = Omit<InsertOptions, 'signal'> & {
  /** Bytes that will come in all, where that is known. */
  readonly length?: number
  /** An upload with the same one is not made again but goes on. */
  readonly tag?: string
}

/** The next part of an upload. */
export interface UploadPart {
  /** Bytes before it. */
  readonly offset: number
  readonly content: AsyncIterable<Uint8Array>
  /** Nothing comes after it. */
  readonly isLast: boolean
  readonly length?: number | undefined
  readonly signal?: AbortSignal
}

export interface UploadState {
  /** 32 hex digits by chance: who has them may go on with the upload, and end it. */
  readonly id: string
  /** Bytes taken so far: where the next part begins. */
  readonly offset: number
  readonly length: number | undefined
  /** Once it is whole. */
  readonly result: InsertResult | undefined
}

/**
 * Inserts that come in parts, over several connections and across restarts. At most 16; one without a byte
 * for an hour gives way to a new one, and ends after a day. Of a part that breaks off what has come stays.
 */
export interface NodeUploads {
  /**
   * One that is under way with the same tag goes on. Throws E_QUERY, E_BUSY, E_STORE_IO, E_EXISTS where that one is to
   * be inserted otherwise; for a word E_NAME, E_NO_PEERS.
   */
  create(request: UploadRequest): Promise<UploadState>
  /** undefined: there is none. A part that is coming in ends. */
  status(id: string): UploadState | undefined
  /**
   * Resolves when the part is taken, and with the last one when all is safe in the outbox. A part before it that
   * still comes in ends. Throws E_ROUTE, E_OFFSET, E_REQUEST, E_STORE_FULL, E_STORE_IO, and what `content` throws;
   * the last part for a word E_COLLISION, which ends the upload, and E_NO_PEERS, E_TIMEOUT: then the last part may
   * come again, empty.
   */
  append(id: string, part: UploadPart): Promise<UploadState>
  /** False: there is none. */
  cancel(id: string): Promise<boolean>
}

/**
 * `waiting`: for peers, or for somebody who holds it; it tries again by itself. `failed`: it can be
 * resumed when what was wrong is no more. `removed`: listeners are told so once, it is on no list.
 */
export type TransferPhase =
  'queued' | 'running' | 'waiting' | 'paused' | 'done' | 'failed' | 'removed'

/** A download to a file of this machine, or, where the key ends with a slash, of a folder to one. */
export interface Transfer {
  readonly id: number
  readonly uri: string
  /** Absolute. What is downloaded appears there when it is whole; until then `<path>.part` is beside it. */
  readonly path: string
  readonly phase: TransferPhase
  /** 0 to 9; the greater goes first. */
  readonly priority: number
  readonly doneBytes: number
  /** undefined: not known yet. */
  readonly sizeBytes: number | undefined
  /** Why it waits or failed: a code of spec §10. */
  readonly fault: string | undefined
  /** Of the present try; undefined: not known yet, or not running. */
  readonly bytesPerSecond: number | undefined
  /** Until the next try of one that waits. */
  readonly nextTryMs: number | undefined
}

export interface TransferRequest {
  readonly uri: string
  readonly path: string
  /** Default 5. */
  readonly priority?: number
  /** A file replaces one that is there; never a folder, link or device. A folder replaces nothing. */
  readonly overwrite?: boolean
}

export interface TransferChange {
  readonly paused?: boolean
  readonly priority?: number
}

/** Downloads to disk, at most 1,000, two at once; they go on after a restart. */
export interface NodeTransfers {
  list(): readonly Transfer[]
  get(id: number): Transfer | undefined
  /** Throws E_URI, E_PATH, E_EXISTS, E_BUSY, E_DENIED, E_STORE_IO, E_STORE_FULL. */
  add(request: TransferRequest): Promise<Transfer>
  /** undefined: there is none. `paused: false` begins one that failed or waits again, at once. */
  change(id: number, change: TransferChange): Promise<Transfer | undefined>
  /** Forgets it; what is not whole is removed. False: there is none. */
  remove(id: number): Promise<boolean>
  /**
   * Stops those whose key is denied, which fail with E_DENIED, and lets none of them begin; `add` throws that
   * too. Asks once more for all of them with each call.
   */
  deny(isDenied: (uri: ShoalUri) => boolean): Promise<void>
  /** Each change of one of them. Returns what ends it. */
  onchange(listener: (transfer: Transfer) => void): () => void
}

export interface InsertFolderOptions {
  /** Last path segment of the URI; default `folder`. */
  readonly name?: string
  readonly convergent?: boolean
  readonly word?: string
  readonly signal?: AbortSignal
}

export interface InsertFolderResult {
  readonly uri: string
  /** Bytes of all files. */
  readonly size: number
  readonly files: number
  readonly insertId: number
}

/** What a publication consists of: one file, or a folder. */
export type PublishSource =
  | {
      readonly type: 'file'
      readonly content: AsyncIterable<Uint8Array>
      /** Where the content type comes from; default: the document's name. */
      readonly name?: string
      readonly contentType?: string
    }
  | { readonly type: 'folder'; readonly items: FolderItems }

export interface PublishOptions {
  /** Name of the key in the keyring. */
  readonly key: string
  readonly document: string
  /** As an SSK, which never changes, in place of the next edition of a USK. */
  readonly fixed?: boolean
  readonly signal?: AbortSignal
}

export interface PublishResult {
  /** `USK@…/<document>/<edition>`, or `SSK@…/<document>`. */
  readonly uri: string
  /** 0 for an SSK. */
  readonly edition: number
  readonly size: number
  readonly files: number
  readonly insertId: number
  /** Editions that another machine with the same key took first (E_COLLISION), ascending. */
  readonly collisions: readonly number[]
  /**
   * False where the network did not answer, or there are no peers: whether another machine took the
   * edition is found out later.
   */
  readonly isConfirmed: boolean
}

export interface PublisherKey {
  readonly name: string
  /** `USK@<public key>,`: what every URI of this publisher begins with. */
  readonly uri: string
}

/** Publisher keys of this node. All throw ShoalError: E_NAME, E_EXISTS, E_NO_KEY, E_KEY, E_STORE_IO. */
export interface PublisherKeys {
  list(): readonly PublisherKey[]
  create(name: string): Promise<PublisherKey>
  get(name: string): PublisherKey
  /** What the URIs of one of its documents begin with: `USK@…,…,…/<document>/`. */
  documentUri(name: string, document: string): string
  /** The secret as one text that can be kept on paper. */
  export(name: string): string
  /** Takes such a text; `name` in place of the one in it. */
  import(text: string, name?: string): Promise<PublisherKey>
  remove(name: string): Promise<void>
}

export interface LookUpOptions {
  /** A head looked up at most this long ago will do, ms; default 0. */
  readonly maxAgeMs?: number
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export type LookUpOutcome =
  /** `ageMs`: since the network was asked. */
  | { readonly type: 'found'; readonly edition: number; readonly ageMs: number }
  | { readonly type: 'not-found' }
  | { readonly type: 'no-peers' }
  | { readonly type: 'timed-out' }

export interface InsertStatus {
  /** Distinct blocks of the insert. */
  readonly blocks: number
  /** Those with every copy they want; all of them: "spread". */
  readonly spreadBlocks: number
  /** Those that the disk lost before they had them: the content should be inserted again. */
  readonly lostBlocks: number
  /** Peers connected now: with none, nothing spreads. */
  readonly peers: number
}

export interface NodeStatus {
  readonly version: string
  /** Its name. */
  readonly network: string
  /** Whether only nodes with a key meet in it. */
  readonly isPrivate: boolean
  readonly peers: number
  readonly connection: ConnectionStatus
  /** Own ring position, in [0, 1); undefined while its proof is being solved. */
  readonly position: number | undefined
  readonly ring: {
    /** Nodes in the network, as the spacing of the nearest ones says; undefined: too few links to tell. */
    readonly estimatedNodes: number | undefined
    /** Nearest first. `distance`: share of the ring between the two, in [0, 0.5]. */
    readonly links: readonly {
      readonly distance: number
      readonly role: 'ring' | 'long' | 'spare'
    }[]
  }
  readonly store: StoreStatus
  readonly outbox: { readonly pendingBlocks: number }
}

/** What peers asked of this node since its start: numbers only, and nothing of what it asked for itself. */
export interface PeerWork {
  /** Requests that came from peers. */
  readonly fetches: number
  readonly inserts: number
  /** Circuits between peers that it passed on, and their payload, bytes. */
  readonly circuits: number
  readonly circuitBytes: number
  /** Links that ended since the peer broke the rules. */
  readonly bans: number
  /** Blocks that were not what their address says. */
  readonly invalidBlocks: number
}

/**
 * Looking after the store of a running node. `resize` throws E_OPTION out of bounds, E_STORE_FULL where
 * the disk or the pending inserts have no room for it, E_BUSY while another one runs; both throw E_CLOSED.
 */
export type NodeStore = Pick<StoreCare, 'stats' | 'check' | 'resize'>

/** What the gateway and library users see of a node. */
export interface Node {
  /**
   * Resolves when the first bytes are there or it is clear that they will not be. Throws E_DECODE for
   * content that is not what its key says, E_URI, E_CLOSED; rejects with `signal.reason` when aborted.
   * Of a USK it takes the very edition; `latest` and negative ones are looked up first.
   */
  fetch(uri: ShoalUri, options?: FetchOptions): Promise<FetchOutcome>
  /**
   * What a key names, and how much of it is here: fetches what leads to the content and none of it. A
   * folder is itself, not its `index.html`. Throws and rejects as `fetch`.
   */
  inspect(uri: ShoalUri, options?: InspectOptions): Promise<InspectOutcome>
  /**
   * Takes `content` to its end, holding at most a few blocks in memory, and resolves when the last
   * byte is safe in the outbox. On an error or abort everything it held is released. Throws
   * E_STORE_FULL, E_STORE_IO, E_CLOSED.
   */
  insert(content: AsyncIterable<Uint8Array>, options?: InsertOptions): Promise<InsertResult>
  /** As `insert`, for a folder. Throws E_FOLDER besides. */
  insertFolder(items: FolderItems, options?: InsertFolderOptions): Promise<InsertFolderResult>
  /**
   * Inserts as `insert` does and puts it under a publisher's name. With peers it resolves when the
   * edition is known to be this one's; once it is sent, an abort comes too late. Throws E_NO_KEY, E_NAME,
   * E_FOLDER, E_FADED (blocks of the last publication are gone: the same again sends all), and of an SSK
   * E_COLLISION (it exists), E_NO_PEERS, E_TIMEOUT (whether it does cannot be found out) besides.
   */
  publish(source: PublishSource, options: PublishOptions): Promise<PublishResult>
  readonly uploads: NodeUploads
  readonly transfers: NodeTransfers
  readonly keys: PublisherKeys
  /** The newest edition: by its head, else by probing; a negative edition probes in any case. */
  lookUp(uri: UskUri, options?: LookUpOptions): Promise<LookUpOutcome>
  /** Each newer edition as it is found, beginning with the newest one now. Ends with `signal`. */
  watch(uri: UskUri, options?: { readonly signal?: AbortSignal }): AsyncIterable<number>
  /** Inserts the head and its edition again; needs no private key. Throws E_NOT_FOUND, E_TIMEOUT, E_NO_PEERS. */
  announce(
    uri: UskUri,
    options?: { readonly signal?: AbortSignal },
  ): Promise<{ readonly edition: number; readonly insertId: number }>
  /** undefined: no such insert, or finished long ago. */
  insertStatus(insertId: number): InsertStatus | undefined
  status(): NodeStatus
  peerWork(): PeerWork
  /**
   * Resolves when the node looks for peers. That is so when it opens, unless its network asks for a proof
   * that has to be solved first: then it takes seconds, and rejects with E_LISTEN, E_CLOSED.
   */
  readonly joined: Promise<void>
  readonly store: NodeStore
  /** Resolves when the store key was destroyed (`shoal panic`) and the node has closed itself. */
  readonly destroyed: Promise<void>
  close(): Promise<void>
}
