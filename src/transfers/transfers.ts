/**
 * The downloads to disk of a node: a bounded queue by priority, two at once, kept sealed in the journal,
 * so that they go on after a restart.
 * @module
 */
import { isShoalError, ShoalError } from '../errors.ts'
import type { Journal } from '../journal.ts'
import { utf8, utf8Text } from '../keys/bytes.ts'
import { parseUri } from '../keys/uri.ts'
import type { ShoalUri } from '../keys/uri.ts'
import type {
  Node,
  NodeTransfers,
  Transfer,
  TransferChange,
  TransferPhase,
  TransferRequest,
} from '../node-types.ts'
import type { Clock } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import type { LinkedAbort } from '../signals.ts'
import { checkPinned, downloadFolder, isFolderUri } from './download-folder.ts'
import { download, NOTHING_KEPT } from './download.ts'
import type { Kept } from './download.ts'
import { checkedPath, PART, removePart } from './target-file.ts'

/** Far more than a person lines up; those that are done go first. */
export const MAX_TRANSFERS = 1000
/** One fills a home's line; the second goes on while the first waits for blocks. */
const MAX_RUNNING = 2
const PIECE_BYTES = 16 * 1024 * 1024
const DEFAULT_PRIORITY = 5
const MAX_PRIORITY = 9
/** Until the next look for what nobody has, ms; doubles. */
const FIRST_WAIT_MS = 10_000
const LONGEST_WAIT_MS = 600_000
/** Changes of progress are told no more often, ms. */
const TELL_MS = 500
const RECORD = 'transfers'
const DENIED = { phase: 'failed', fault: 'E_DENIED' } as const
const FAULTS = { 'not-found': 'E_NOT_FOUND', 'no-peers': 'E_NO_PEERS', 'timed-out': 'E_TIMEOUT' }
/** What may be over by itself. */
const PASSING: ReadonlySet<string> = new Set([
  'E_TIMEOUT',
  'E_NOT_FOUND',
  'E_NO_PEERS',
  'E_BUSY',
  'E_CLOSED', // the node ends: it goes on with the next start
])

export interface TransfersOptions {
  readonly journal: Journal
  readonly fetch: Node['fetch']
  readonly clock: Clock
  /** No place for downloads; undefined: there is none. */
  readonly dataDir: string | undefined
  /** What a crash costs a download at most; default PIECE_BYTES. */
  readonly pieceBytes?: number
}

/** As the journal keeps it. */
export interface KeptTransfer extends Transfer {
  readonly overwrite: boolean
  readonly kept: Kept
}

interface Entry {
  now: KeptTransfer
  waits: number
  /** Ends what it does: a try, or waiting for the next one. */
  stop: LinkedAbort | undefined
  /** Resolves when it does nothing more. */
  running: Promise<void>
}

/** What an earlier run has left; nothing where it cannot be read. @throws ShoalError E_STORE_IO */
export async function readTransfers(journal: Journal): Promise<readonly KeptTransfer[]> {
  const bytes = await journal.read(RECORD)
  const text = bytes === undefined ? '' : (utf8Text(bytes) ?? '').replace(/\0+$/, '')
  return text === '' ? [] : (JSON.parse(text) as KeptTransfer[])
}

export class Transfers implements NodeTransfers {
  readonly #options: TransfersOptions
  readonly #entries = new Map<number, Entry>()
  readonly #listeners = new Set<(transfer: Transfer) => void>()
  #isDenied: (uri: ShoalUri) => boolean = () => false
  #lastSave: Promise<void> = Promise.resolve()
  #nextId = 1
  #isClosed = false

  /** Begins at once with what is queued among `kept`. */
  constructor(options: TransfersOptions, kept: readonly KeptTransfer[]) {
    this.#options = options
    for (const now of kept) this.#enter(afterRestart(now))
    this.#startNext()
  }

  list(): readonly Transfer[] {
    return [...this.#entries.values()].map(({ now }) => shown(now))
  }

  get(id: number): Transfer | undefined {
    const entry = this.#entries.get(id)
    return entry && shown(entry.now)
  }

  async add(request: TransferRequest): Promise<Transfer> {
    const { uri, priority = DEFAULT_PRIORITY } = request
    checkPriority(priority)
    const key = parseUri(uri)
    if (this.#isDenied(key)) {
      throw new ShoalError('E_DENIED', 'The operator of this node does not let it fetch this key.')
    }
    const isFolder = isFolderUri(key)
    if (isFolder) checkPinned(key)
    const overwrite = request.overwrite === true && !isFolder // folders are never replaced
    const forbidden = this.#options.dataDir
    const path = await checkedPath(request.path, { overwrite, forbidden })
    const isTaken = [...this.#entries.values()].some(
      ({ now }) => now.path === path && now.phase !== 'done',
    )
    if (isTaken)
      throw new ShoalError('E_EXISTS', 'A download to that path is in the queue already.')
    this.#makeRoom()
    const id = this.#nextId
    const fresh = { phase: 'queued', doneBytes: 0, sizeBytes: undefined, fault: undefined } as const
    const entry = this.#enter({ id, uri, path, priority, overwrite, ...fresh, kept: NOTHING_KEPT })
    await this.#save().catch((error: unknown) => {
      this.#entries.delete(id) // what is not kept was not promised
      throw error
    })
    this.#startNext()
    return shown(entry.now)
  }

  async change(id: number, { paused, priority }: TransferChange): Promise<Transfer | undefined> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    if (priority !== undefined) {
      checkPriority(priority)
      this.#set(entry, { priority })
    }
    if (paused === true && entry.now.phase !== 'done') {
      this.#set(entry, { phase: 'paused' })
      await halt(entry)
    }
    if (paused === false && (entry.now.phase === 'paused' || entry.now.phase === 'failed')) {
      this.#set(entry, { phase: 'queued', fault: undefined })
    }
    await this.#save()
    this.#startNext()
    return shown(entry.now)
  }

  async remove(id: number): Promise<boolean> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return false
    this.#entries.delete(id)
    await halt(entry)
    // without an identity nothing of it was ever there: a .part would be of somebody else
    if (entry.now.phase !== 'done' && entry.now.kept.identity !== undefined) {
      await removePart(entry.now.path + PART, { isFolder: isFolderUri(parseUri(entry.now.uri)) })
    }
    await this.#save()
    this.#startNext()
    return true
  }

  async deny(isDenied: (uri: ShoalUri) => boolean): Promise<void> {
    this.#isDenied = isDenied
    const denied = [...this.#entries.values()].filter(
      ({ now }) => now.phase !== 'done' && isDenied(parseUri(now.uri)),
    )
    if (denied.length === 0) return
    for (const entry of denied) this.#set(entry, DENIED)
    await Promise.all(denied.map(halt))
    await this.#save()
    this.#startNext()
  }

  onchange(listener: (transfer: Transfer) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when nothing is under way; the queue goes on with the next start. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const entry of this.#entries.values()) await halt(entry)
    await this.#lastSave.catch(() => {})
  }

  #enter(now: KeptTransfer): Entry {
    const entry: Entry = { now, waits: 0, stop: undefined, running: Promise.resolve() }
    this.#entries.set(now.id, entry)
    this.#nextId = Math.max(this.#nextId, now.id + 1)
    return entry
  }

  #startNext(): void {
    if (this.#isClosed) return
    const all = [...this.#entries.values()]
    let running = all.filter(({ now }) => now.phase === 'running').length
    const queued = all.filter(({ now }) => now.phase === 'queued')
    queued.sort((a, b) => b.now.priority - a.now.priority || a.now.id - b.now.id)
    for (const entry of queued) {
      if (running >= MAX_RUNNING) return
      if (this.#isDenied(parseUri(entry.now.uri))) this.#set(entry, DENIED)
      else {
        this.#start(entry)
        running++
      }
    }
  }

  #start(entry: Entry): void {
    const stop = linkAbort([])
    entry.stop = stop
    this.#set(entry, { phase: 'running', fault: undefined })
    entry.running = this.#try(entry, stop.signal)
      .catch((error: unknown) => {
        this.#failed(entry, stop.signal, error)
      })
      .then(() => this.#save())
      .catch(() => {}) // a journal that cannot be written: the file is there, the next start finds it so
      .finally(() => {
        this.#startNext()
      })
  }

  async #try(entry: Entry, signal: AbortSignal): Promise<void> {
    const { uri, path, overwrite, kept } = entry.now
    const { clock, fetch, pieceBytes = PIECE_BYTES } = this.#options
    let toldMs = Number.NEGATIVE_INFINITY
    const take = isFolderUri(parseUri(uri)) ? downloadFolder : download
    const missing = await take(
      {
        uri,
        path,
        part: path + PART,
        overwrite,
        kept,
        pieceBytes,
        signal,
        onsize: (sizeBytes) => {
          entry.waits = 0
          this.#set(entry, { sizeBytes, doneBytes: kept.bytes })
        },
        onbytes: (doneBytes) => {
          const isDue = clock.now() - toldMs >= TELL_MS
          if (isDue) toldMs = clock.now()
          this.#set(entry, { doneBytes }, isDue)
        },
        onkept: async (now) => {
          this.#set(entry, { kept: now, doneBytes: now.bytes }, false)
          await this.#save()
        },
      },
      fetch,
    )
    if (missing === undefined)
      this.#set(entry, { phase: 'done', doneBytes: entry.now.sizeBytes ?? 0, fault: undefined })
    else if (!signal.aborted) this.#wait(entry, FAULTS[missing])
  }

  #failed(entry: Entry, signal: AbortSignal, error: unknown): void {
    if (signal.aborted) return // paused, removed, or the end of the node
    const fault = faultOf(error)
    if (PASSING.has(fault)) this.#wait(entry, fault)
    else this.#set(entry, { phase: 'failed', fault })
  }

  #wait(entry: Entry, fault: string): void {
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** entry.waits++)
    this.#set(entry, { phase: 'waiting', fault })
    const cancel = this.#options.clock.after(waitMs, () => {
      if (entry.now.phase === 'waiting') this.#set(entry, { phase: 'queued' })
      this.#startNext()
    })
    entry.stop?.signal.addEventListener('abort', cancel, { once: true })
  }

  #set(entry: Entry, change: Partial<KeptTransfer>, isTold = true): void {
    entry.now = { ...entry.now, ...change }
    if (!isTold) return
    for (const listener of this.#listeners) listener(shown(entry.now))
  }

  /** One after the other: the last one has what counts. */
  #save(): Promise<void> {
    const save = this.#lastSave
      .catch(() => {})
      .then(() => {
        const all = [...this.#entries.values()].map(({ now }) => now)
        return this.#options.journal.write(RECORD, utf8(JSON.stringify(all)))
      })
    this.#lastSave = save
    return save
  }

  /** @throws ShoalError E_BUSY */
  #makeRoom(): void {
    if (this.#entries.size < MAX_TRANSFERS) return
    for (const [id, { now }] of this.#entries) {
      if (now.phase !== 'done') continue
      this.#entries.delete(id)
      return
    }
    throw new ShoalError('E_BUSY', `${MAX_TRANSFERS} downloads are in the queue already.`)
  }
}

async function halt(entry: Entry): Promise<void> {
  entry.stop?.abort(new ShoalError('E_CLOSED', 'The download was stopped.'))
  await entry.running
}

function afterRestart(now: KeptTransfer): KeptTransfer {
  const wasUnderWay = now.phase === 'running' || now.phase === 'waiting'
  const phase: TransferPhase = wasUnderWay ? 'queued' : now.phase
  const doneBytes = phase === 'done' ? now.doneBytes : now.kept.bytes
  return { ...now, phase, doneBytes }
}

function shown(now: KeptTransfer): Transfer {
  const { id, uri, path, phase, priority, doneBytes, sizeBytes, fault } = now
  return { id, uri, path, phase, priority, doneBytes, sizeBytes, fault }
}

function faultOf(error: unknown): string {
  if (isShoalError(error)) return error.code
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'E_STORE_FULL' : 'E_STORE_IO'
}

function checkPriority(priority: number): void {
  if (Number.isInteger(priority) && priority >= 0 && priority <= MAX_PRIORITY) return
  throw new ShoalError('E_QUERY', `Not a valid query: priority: is 0 to ${MAX_PRIORITY}.`)
}
