/**
 * A disk store from its opening to its end: what runs in the background, the clean stop, and the end
 * that comes when the store key is destroyed (spec §11.5, §11.9, §11.11).
 * @module
 */
import { noise, wipe } from '../keys/seal.ts'
import { DiskBlocks } from './disk-blocks.ts'
import type { DiskCore } from './disk-core.ts'
import { DiskOutbox } from './disk-outbox.ts'
import { Resizer } from './disk-resize.ts'
import { Rebuild } from './disk-restore.ts'
import { Scrubber } from './disk-scrub.ts'
import { statsOf } from './disk-stats.ts'
import { watchKey } from './key-watch.ts'
import { encodeRecord } from './record.ts'
import { saveState } from './state-file.ts'
import { toStoreError } from './store-error.ts'
import type { Abortable, StoreCare, StorePair } from './store.ts'

/** How long an open waits for memory to be rebuilt after a crash, ms: then it goes on beside the reads. */
const REBUILD_WAIT_MS = 1000
/** Blocks of uncommitted inserts that a close discards one by one; of more the next open does it. */
const MAX_DISCARDED_BLOCKS = 4096
const EPOCH_BYTES = 32

export class DiskLife {
  readonly #core: DiskCore
  readonly #outbox: DiskOutbox
  readonly #rebuild: Rebuild
  readonly #scrubber: Scrubber
  readonly #resizer: Resizer
  readonly #destroyed: Promise<void>
  #ondestroyed: () => void = () => {}
  #stopWatch: () => void = () => {}
  #closing: Promise<void> | undefined

  /** `core.isRebuilt` says whether memory knows what is on the disk. */
  constructor(core: DiskCore) {
    this.#core = core
    this.#outbox = new DiskOutbox(core)
    this.#rebuild = new Rebuild(core)
    this.#scrubber = new Scrubber(core, this.#outbox)
    this.#resizer = new Resizer(core, this.#outbox)
    this.#destroyed = new Promise((resolve) => {
      this.#ondestroyed = resolve
    })
  }

  /** Resolves when the store may be used, which is before memory is rebuilt where that takes long. */
  async open(): Promise<StorePair> {
    const { dir, clock } = this.#core
    this.#stopWatch = watchKey(dir.folder, clock, () => {
      this.#closing ??= this.#endDestroyed()
    })
    if (this.#core.isRebuilt) this.#start()
    else await this.#startRebuilding()
    const close = (): Promise<void> => (this.#closing ??= this.#close())
    const blocks = new DiskBlocks(this.#core, close)
    return { blocks, outbox: this.#outbox, care: this.#care() }
  }

  #care(): StoreCare {
    const { gate } = this.#core
    const [resizer, scrubber] = [this.#resizer, this.#scrubber]
    return {
      stats: () => statsOf(this.#core, { resizer, scrubber }),
      check: (options) => gate.run(options, () => scrubber.check(options)).catch(rethrow(options)),
      resize: (quotaBytes, options) => gate.run(options, () => resizer.resize(quotaBytes, options)),
      destroyed: this.#destroyed,
    }
  }

  async #startRebuilding(): Promise<void> {
    const { clock, logger } = this.#core
    this.#core.rebuiltShare = 0
    let isLong = false
    this.#core.rebuilt = this.#rebuild.run().then(() => {
      if (isLong) logger.info('store: all of the index is read again, and blocks are taken')
      this.#start()
    })
    this.#core.rebuilt.catch(() => {}) // whoever waits for it is told
    let cancel = (): void => {}
    const waited = new Promise<void>((resolve) => {
      cancel = clock.after(REBUILD_WAIT_MS, resolve)
    })
    await Promise.race([this.#core.rebuilt, waited])
    cancel()
    isLong = !this.#core.isRebuilt
    if (isLong) logger.info('store: it was not closed; it serves, and reads its index again')
  }

  /** What runs in the background once memory knows the slots. */
  #start(): void {
    const { group, sweep, fill, gate, dir, clock } = this.#core
    if (gate.isClosed) return
    dir.spare.start(clock)
    group.oncommit = () => sweep.start()
    fill.start()
    sweep.start()
    this.#scrubber.start()
  }

  async #stop(): Promise<void> {
    const { gate, ledger, fill, sweep, dir } = this.#core
    this.#stopWatch()
    const idle = gate.close()
    ledger.close()
    await Promise.all([this.#rebuild.stop(), this.#resizer.stop(), this.#scrubber.stop()])
    await Promise.all([sweep.stop(), fill.stop(), dir.spare.stop(), idle])
    this.#outbox.tellLosses()
  }

  /** Lets running calls end, writes what is queued, and closes the files whatever that says. */
  async #close(): Promise<void> {
    const { group } = this.#core
    await this.#stop()
    try {
      // whatever the disk says to that, what is queued is written, and nothing goes on afterwards
      const maySave = this.#core.isRebuilt && (await this.#discardOpen().catch(() => false))
      await group.close()
      if (maySave) await this.#saveState()
    } catch (error) {
      throw toStoreError(error)
    } finally {
      await this.#closeFiles()
      await this.#core.dir.spare.topUp()
    }
  }

  /** Inserts that were not committed end with the store. False: too many of their blocks are here. */
  async #discardOpen(): Promise<boolean> {
    let blocks = 0
    for (const insert of this.#core.ledger.inserts()) if (!insert.committed) blocks += insert.blocks
    if (blocks > MAX_DISCARDED_BLOCKS) return false
    await this.#outbox.discardOpen()
    return true
  }

  /** The file first: an index that names it without it would only be read again. */
  async #saveState(): Promise<void> {
    const { dir, keys, index, meta, logger } = this.#core
    const epoch = noise(EPOCH_BYTES)
    try {
      if (!(await saveState({ folder: dir.folder, keys, epoch }, this.#core))) return
      const value = encodeRecord(keys, meta.key, meta.owning(epoch))
      await index.write([{ key: meta.key.bytes, value }])
      await index.flush()
    } catch {
      logger.warn('store: what it knows could not be saved; the next start reads the index again')
    }
  }

  /** The key is gone: nothing more is sealed or written, and what the keys opened stays closed. */
  async #endDestroyed(): Promise<void> {
    const { group, keys, logger } = this.#core
    logger.warn('store: its key was destroyed')
    group.abandon()
    wipe(keys)
    try {
      await this.#stop()
      await this.#closeFiles()
    } catch {
      // there is nothing left to be saved
    }
    this.#ondestroyed()
  }

  async #closeFiles(): Promise<void> {
    const { slab, opener, index } = this.#core
    await opener.close()
    await Promise.all([slab.close(), index.close()])
  }
}

/** The disk's errors as those that callers know; an abort as it is. */
function rethrow(options: Abortable | undefined): (error: unknown) => never {
  return (error) => {
    options?.signal?.throwIfAborted()
    throw toStoreError(error)
  }
}
