/**
 * The state of a disk store in a few numbers.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import type { DiskCore } from './disk-core.ts'
import type { StoreCondition, StoreStatus } from './store.ts'

export function statusOf(core: DiskCore): StoreStatus {
  const { store, cache, outbox } = core.table.used
  return {
    condition: conditionOf(core),
    quotaBytes: core.quotaBytes,
    filledShare: core.fill.filledShare,
    usedBytes: (store + cache + outbox) * BLOCK_BYTES,
    blocks: store + cache,
  }
}

function conditionOf({ isRebuilt, condition, fill, dir }: DiskCore): StoreCondition {
  if (condition.current !== 'ok') return condition.current
  if (fill.isDiskFull || dir.spare.isShort) return 'disk-full'
  return isRebuilt ? 'ok' : 'rebuilding'
}
