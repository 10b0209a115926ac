/**
 * A store on disk: a slab of sealed slots and a RocksDB index of sealed entries (spec §11). This
 * file puts its parts together; what they do is in `disk-*.ts`.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Clock, Logger, Rng } from '../runtime.ts'
import { openDataDir } from './data-dir.ts'
import type { DataDir } from './data-dir.ts'
import { DiskBlocks } from './disk-blocks.ts'
import type { DiskCore } from './disk-core.ts'
import { DiskOutbox } from './disk-outbox.ts'
import { restore } from './disk-restore.ts'
import { FilteredIndex } from './filtered-index.ts'
import { Gate } from './gate.ts'
import { GroupCommit } from './group-commit.ts'
import { KeyedLock } from './keyed-lock.ts'
import { planOf } from './quota.ts'
import type { Shares } from './quota.ts'
import { toStoreError } from './store-error.ts'
import type { Abortable, StorePair } from './store.ts'

export interface DiskStoreOptions extends Abortable {
  /** Created where absent. Other small files of the node may live in it (2 MiB are left for them). */
  readonly dataDir: string
  /** Hard ceiling over the whole directory, bytes. */
  readonly storeBytes: number
  readonly rng: Rng
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Opens or creates the store in `dataDir`. @throws ShoalError E_STORE_LOCKED while another process
 * has it, E_STORE_IO, E_STORE_FULL, E_OPTION where the quota has no room for a block.
 */
export async function openDiskStore(options: DiskStoreOptions): Promise<StorePair> {
  const plan = planOf(options.storeBytes)
  if (plan.slots < 1) throw new ShoalError('E_OPTION', 'storeBytes: too small for a single block')
  options.signal?.throwIfAborted()
  const dir = await openDataDir(options.dataDir, plan)
  try {
    const pair = await createDiskStore(dir, plan, options)
    options.signal?.throwIfAborted()
    return pair
  } catch (error) {
    await closeAll(dir)
    options.signal?.throwIfAborted()
    throw toStoreError(error)
  }
}

/** The store over files that are open already: the seam by which tests hand in a failing disk. */
export async function createDiskStore(
  dir: DataDir,
  shares: Shares,
  options: Omit<DiskStoreOptions, 'dataDir' | 'signal'>,
): Promise<StorePair> {
  const { clock, logger, rng, storeBytes } = options
  const index = new FilteredIndex(dir.index, shares.slots)
  const { table, ledger, nextInsertId } = await restore(index, dir.keys, shares, rng)
  index.trust() // restore has read all of it
  const group = new GroupCommit({ ...dir, index, table, clock, logger })
  const gate = new Gate()
  const core: DiskCore = {
    ...dir,
    index,
    shares,
    table,
    group,
    ledger,
    lock: new KeyedLock(),
    evicting: new KeyedLock(),
    gate,
    rng,
    logger,
    range: undefined,
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= closeStore(core))
  return {
    blocks: new DiskBlocks(core, storeBytes, close),
    outbox: new DiskOutbox(core, nextInsertId),
  }
}

/** Lets running calls end, writes what is queued, and closes the files whatever that says. */
async function closeStore(core: DiskCore): Promise<void> {
  const idle = core.gate.close()
  core.ledger.close()
  await idle
  try {
    await core.group.close()
  } catch (error) {
    throw toStoreError(error)
  } finally {
    await closeAll(core)
  }
}

async function closeAll({ slab, index }: Pick<DataDir, 'slab' | 'index'>): Promise<void> {
  await Promise.all([slab.close(), index.close()])
}
