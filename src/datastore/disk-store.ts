/**
 * A store on disk: a slab of sealed slots and a RocksDB index of sealed entries (spec §11). This
 * file puts its parts together; what they do is in `disk-*.ts`.
 * @module
 */
import { copyOf } from '../keys/bytes.ts'
import type { Clock, Logger, Rng } from '../runtime.ts'
import { Areas } from './areas.ts'
import { openDataDir } from './data-dir.ts'
import type { DataDir } from './data-dir.ts'
import { leaveBadSlot } from './disk-bad-slot.ts'
import type { DiskCore } from './disk-core.ts'
import { Filler } from './disk-fill.ts'
import { DiskLife } from './disk-life.ts'
import { DiskMeta, readMeta } from './disk-meta.ts'
import { applyShares } from './disk-resize.ts'
import { withSyncAlarm } from './disk-rewrite.ts'
import { DiskSpace } from './disk-space.ts'
import { Sweep } from './disk-sweep.ts'
import { DiskTable } from './disk-table.ts'
import { loseRecord } from './disk-write.ts'
import { FilteredIndex } from './filtered-index.ts'
import { Gate } from './gate.ts'
import { GroupCommit } from './group-commit.ts'
import { KeyedLock } from './keyed-lock.ts'
import { insertKey } from './keyspace.ts'
import { OutboxLedger } from './outbox-ledger.ts'
import type { Shares } from './quota.ts'
import { encodeRecord, insertRecord } from './record.ts'
import type { IndexChange } from './sorted-index.ts'
import { SlotOpener } from './slot-opener.ts'
import { SpareBuffers } from './spare-buffers.ts'
import { dropState, loadState } from './state-file.ts'
import { toStoreError } from './store-error.ts'
import { StoreMeter } from './store-meter.ts'
import type { Abortable, StorePair } from './store.ts'

export interface DiskStoreOptions extends Abortable {
  /** Created where absent. Other small files of the node may live in it (2 MiB are left for them). */
  readonly dataDir: string
  /**
   * Hard ceiling over the whole directory, bytes. Undefined: the one it has. Another one than it has is a
   * resize that goes on in the background.
   */
  readonly storeBytes: number | undefined
  /** The ceiling of a new directory where `storeBytes` is undefined. */
  readonly defaultBytes?: number | undefined
  /** Opens `store.key` where that is wrapped in one, and wraps a new one. */
  readonly passphrase?: string | undefined
  readonly rng: Rng
  readonly clock: Clock
  readonly logger: Logger
}

/** As many writes as a link may have asked for at a time, 1 MiB. */
const WRITE_BUFFERS = 32

type Runtime = Pick<DiskStoreOptions, 'rng' | 'clock' | 'logger'>

const MIB = 1024 ** 2
/** A new directory of nobody's choice, bytes. */
const DEFAULT_BYTES = 2048 * MIB

/**
 * Opens or creates the store in `dataDir`. @throws ShoalError E_STORE_LOCKED while another process
 * has it, E_STORE_IO, E_STORE_FULL, E_STORE_FORMAT, E_PASSPHRASE, E_OPTION where the quota has no room
 * for a block.
 */
export async function openDiskStore(options: DiskStoreOptions): Promise<StorePair> {
  const { dataDir, storeBytes, defaultBytes = DEFAULT_BYTES, passphrase, logger, signal } = options
  signal?.throwIfAborted()
  const dir = await openDataDir(dataDir, { storeBytes, defaultBytes, passphrase, logger })
  if (signal?.aborted === true) await closeFiles(dir)
  signal?.throwIfAborted()
  const journalKey = copyOf(dir.keys.journal)
  const store = await createDiskStore(dir, dir.plan, options)
  if (signal?.aborted === true) await store.blocks.close()
  signal?.throwIfAborted()
  if (storeBytes !== undefined && storeBytes !== dir.storeBytes) {
    const [from, to] = [dir.storeBytes, storeBytes].map((bytes) => Math.round(bytes / MIB))
    logger.info(`store: it goes from ${from} MiB to ${to} MiB in the background`)
    store.care.resize(storeBytes).catch((error: unknown) => {
      const { code, message } = toStoreError(error)
      if (code !== 'E_CLOSED') logger.warn(`store: it keeps its size: ${message}`)
    })
  }
  return { ...store, journalKey }
}

/**
 * The store over files that are open already, of so many slots as `shares` says: the seam by which tests
 * hand in a failing disk. It closes the files, also where it throws.
 */
export async function createDiskStore(
  dir: DataDir,
  shares: Shares,
  runtime: Runtime,
): Promise<StorePair> {
  let core: DiskCore | undefined
  try {
    const { nextInsertId, epoch } = await readMeta(dir.index, dir.keys)
    dir.index.keepAlways(() => (core === undefined ? [] : entriesKept(core)))
    const make = (): DiskCore => createCore(dir, shares, { ...runtime, nextInsertId })
    core = make()
    const slots = Math.min(dir.slab.slots, shares.slots)
    const place = { folder: dir.folder, keys: dir.keys, epoch: epoch ?? new Uint8Array(0) }
    core.isRebuilt = epoch !== undefined && (await loadState(place, core, slots))
    if (!core.isRebuilt) {
      core = make() // it may be half full
      core.table.extend(slots)
    }
    // before anything else changes: it holds no longer
    await dropState(dir.folder)
    if (epoch !== undefined) core.meta.disown()
    await core.group.commit().catch(() => {}) // without its file the state is gone as well
    return await new DiskLife(core).open()
  } catch (error) {
    core?.group.abandon()
    await closeFiles(dir)
    throw toStoreError(error)
  }
}

/**
 * What an index that is made anew must have: whose it is, and which inserts were committed. The damaged one
 * may have lost just that.
 */
function entriesKept({ keys, meta, ledger }: DiskCore): IndexChange[] {
  const committed = [...ledger.inserts()].filter((insert) => insert.committed)
  return [
    { key: meta.key.bytes, value: encodeRecord(keys, meta.key, meta.disowned()) },
    ...committed.map(({ insertId, blocks, lost }): IndexChange => {
      const key = insertKey(keys, insertId)
      const record = insertRecord({ insertId, blocks, lostBlocks: lost })
      return { key: key.bytes, value: encodeRecord(keys, key, record) }
    }),
  ]
}

function createCore(
  dir: DataDir,
  shares: Shares,
  { rng, clock, logger, nextInsertId }: Runtime & { readonly nextInsertId: number },
): DiskCore {
  const { keys, slab, condition } = dir
  const meter = new StoreMeter()
  const table = new DiskTable(shares.slots, rng)
  const index = new FilteredIndex(dir.index, shares.slots)
  const ledger = new OutboxLedger(shares.outboxBlocks)
  const group = new GroupCommit({ keys, slab, index, table, clock, condition, meter })
  const space = new DiskSpace(dir.folder, slab, clock)
  const onchange = (): void => applyShares(core)
  const filled = withSyncAlarm(slab, () => group.syncFailed())
  group.onlost = (record) => loseRecord(core, record)
  group.onbad = (record) => leaveBadSlot(core, record)
  const core: DiskCore = {
    dir,
    keys,
    table,
    areas: new Areas({ table, shares, rng }),
    slab,
    opener: new SlotOpener(slab, keys),
    sealBuffers: new SpareBuffers(WRITE_BUFFERS),
    index,
    group,
    meta: new DiskMeta(keys, group, nextInsertId),
    ledger,
    lock: new KeyedLock(),
    turns: new KeyedLock(),
    gate: new Gate(),
    rng,
    clock,
    logger,
    meter,
    condition,
    space,
    fill: new Filler({ slab: filled, table, clock, logger, meter, space, onchange }),
    sweep: new Sweep({ keys, table, index, group, ledger, clock, condition }),
    quotaBytes: dir.storeBytes,
    isRebuilt: false,
    rebuiltShare: 1,
    rebuilt: Promise.resolve(),
  }
  return core
}

async function closeFiles({ slab, index }: Pick<DataDir, 'slab' | 'index'>): Promise<void> {
  await Promise.all([slab.close(), index.close()])
}
