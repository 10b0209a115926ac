/**
 * The downloads to disk of a node: a bounded queue by priority, two at once, kept sealed in the journal,
 * so that they go on after a restart.
 * @module
 */
import { sep } from 'node:path'

import { ShoalError } from '../errors.ts'
import type { Journal } from '../journal.ts'
import { parseUri } from '../keys/uri.ts'
import type { ShoalUri } from '../keys/uri.ts'
import type {
  Node,
  NodeTransfers,
  Transfer,
  TransferChange,
  TransferRequest,
} from '../node-types.ts'
import type { Clock } from '../runtime.ts'
import { checkPinned, isFolderUri } from './download-folder.ts'
import { NOTHING_KEPT } from './download.ts'
import { checkedPath, PART } from './target-file.ts'
import { TransferJob } from './transfer-job.ts'
import type { JobContext } from './transfer-job.ts'
import type { KeptTransfer } from './transfer-records.ts'

/** Far more than a person lines up; those that are done go first. */
export const MAX_TRANSFERS = 1000
/** One fills a home's line; the second goes on while the first waits for blocks. */
const MAX_RUNNING = 2
const PIECE_BYTES = 16 * 1024 * 1024
const DEFAULT_PRIORITY = 5
const MAX_PRIORITY = 9

export interface TransfersOptions {
  readonly journal: Journal
  readonly fetch: Node['fetch']
  readonly clock: Clock
  /** No place for downloads; undefined: there is none. */
  readonly dataDir: string | undefined
  /** What a crash costs a download at most; default PIECE_BYTES. */
  readonly pieceBytes?: number
}

export class Transfers implements NodeTransfers {
  readonly #dataDir: string | undefined
  readonly #context: JobContext
  readonly #jobs = new Map<number, TransferJob>()
  readonly #listeners = new Set<(transfer: Transfer) => void>()
  #isDenied: (uri: ShoalUri) => boolean = () => false
  #nextId = 1
  #isClosed = false

  /** Begins at once with what is queued among `kept`. */
  constructor(options: TransfersOptions, kept: readonly KeptTransfer[]) {
    const { dataDir, pieceBytes = PIECE_BYTES } = options
    this.#dataDir = dataDir
    this.#context = {
      ...options,
      pieceBytes,
      onchange: (transfer) => {
        for (const listener of this.#listeners) listener(transfer)
      },
      onidle: () => {
        this.#startNext()
      },
    }
    for (const now of kept) this.#enter(now)
    this.#startNext()
  }

  list(): readonly Transfer[] {
    return [...this.#jobs.values()].map((job) => job.shown())
  }

  get(id: number): Transfer | undefined {
    return this.#jobs.get(id)?.shown()
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
    const path = await checkedPath(request.path, { overwrite, forbidden: this.#dataDir })
    await this.#untilFree(path)
    const dropped = this.#makeRoom()
    const id = this.#nextId
    const fresh = { phase: 'queued', doneBytes: 0, sizeBytes: undefined, fault: undefined } as const
    const job = this.#enter({ id, uri, path, priority, overwrite, ...fresh, kept: NOTHING_KEPT })
    try {
      await dropped?.erase()
      await job.save()
    } catch (error) {
      await this.#forget(job).catch(() => {}) // what is not kept was not promised
      throw error
    }
    this.#startNext()
    return job.shown()
  }

  async change(id: number, { paused, priority }: TransferChange): Promise<Transfer | undefined> {
    const job = this.#find(id)
    if (job === undefined) return undefined
    if (priority !== undefined) {
      checkPriority(priority)
      job.set({ priority })
    }
    if (paused === true) await job.stop('paused')
    if (paused === false) job.resume()
    await job.save()
    this.#startNext()
    return job.shown()
  }

  async remove(id: number): Promise<boolean> {
    const job = this.#find(id)
    if (job === undefined) return false
    await this.#forget(job)
    return true
  }

  async deny(isDenied: (uri: ShoalUri) => boolean): Promise<void> {
    this.#isDenied = isDenied
    const denied = [...this.#jobs.values()].filter(
      ({ now: { phase, fault, uri } }) =>
        phase !== 'done' && fault !== 'E_DENIED' && isDenied(parseUri(uri)),
    )
    await Promise.all(
      denied.map(async (job) => {
        await job.stop('failed', 'E_DENIED')
        await job.save()
      }),
    )
  }

  onchange(listener: (transfer: Transfer) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when nothing is under way; the queue goes on with the next start. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#jobs.values()].map((job) => job.close()))
  }

  /** Without one that is being removed. */
  #find(id: number): TransferJob | undefined {
    const job = this.#jobs.get(id)
    return job?.erased === undefined ? job : undefined
  }

  #enter(now: KeptTransfer): TransferJob {
    const job = new TransferJob(now, this.#context)
    this.#jobs.set(now.id, job)
    this.#nextId = Math.max(this.#nextId, now.id + 1)
    return job
  }

  /** Its paths stay taken until nothing of it is left. */
  async #forget(job: TransferJob): Promise<void> {
    await job.erase()
    this.#jobs.delete(job.now.id)
    job.set({ phase: 'removed', fault: undefined })
    this.#startNext()
  }

  #startNext(): void {
    if (this.#isClosed) return
    const all = [...this.#jobs.values()]
    let busy = all.filter((job) => job.isBusy).length
    const queued = all.filter(
      (job) => job.now.phase === 'queued' && !job.isBusy && job.erased === undefined,
    )
    queued.sort((a, b) => b.now.priority - a.now.priority || a.now.id - b.now.id)
    for (const job of queued) {
      if (busy >= MAX_RUNNING) return
      if (this.#isDenied(parseUri(job.now.uri))) job.set({ phase: 'failed', fault: 'E_DENIED' })
      else {
        job.start()
        busy++
      }
    }
  }

  /** Waits for what is being removed there. @throws ShoalError E_EXISTS where another one will be. */
  async #untilFree(path: string): Promise<void> {
    for (;;) {
      const other = [...this.#jobs.values()].find((job) => needsSame(job, path))
      if (other === undefined) return
      if (other.erased === undefined) {
        throw new ShoalError('E_EXISTS', 'A download to that path is in the queue already.')
      }
      await other.erased.catch(() => {})
    }
  }

  /** One that is done and has been taken off the list for another one. @throws ShoalError E_BUSY */
  #makeRoom(): TransferJob | undefined {
    if (this.#jobs.size < MAX_TRANSFERS) return undefined
    const done = [...this.#jobs.values()].find(({ now }) => now.phase === 'done')
    if (done === undefined) {
      throw new ShoalError('E_BUSY', `${MAX_TRANSFERS} downloads are in the queue already.`)
    }
    this.#jobs.delete(done.now.id)
    done.set({ phase: 'removed' })
    return done
  }
}

/** A download grows beside its path, and that of a folder below there. */
function needsSame({ now, part }: TransferJob, path: string): boolean {
  if (now.phase === 'done') return false
  if (now.path === path || now.path === path + PART || part === path) return true
  return path.startsWith(part + sep) || now.path.startsWith(path + PART + sep)
}

function checkPriority(priority: number): void {
  if (Number.isInteger(priority) && priority >= 0 && priority <= MAX_PRIORITY) return
  throw new ShoalError('E_QUERY', `Not a valid query: priority: is 0 to ${MAX_PRIORITY}.`)
}
