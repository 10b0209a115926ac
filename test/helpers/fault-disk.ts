/**
 * A disk that fails when a test says so: slab and index of a data directory behind wrappers, each call
 * of which may be refused, half done, or done and yet refused.
 * @module
 */
import { openDataDir } from '../../src/datastore/data-dir.ts'
import type { DataDir } from '../../src/datastore/data-dir.ts'
import { createDiskStore } from '../../src/datastore/disk-store.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { silentLogger, systemClock } from '../../src/runtime.ts'
import type { Clock, Rng } from '../../src/runtime.ts'
import { SMALL_BYTES, bounded } from './fault-folder.ts'
import { createSeededRng } from './rng.ts'

export type DiskCall =
  | `slab.${'read' | 'write' | 'extend' | 'truncate' | 'sync'}`
  | `index.${'getMany' | 'write' | 'range' | 'flush'}`
  | 'saveStoreBytes'

const HASTE = 50

export interface DiskFault {
  readonly calls: readonly DiskCall[]
  readonly code: 'ENOSPC' | 'EIO' | 'EDQUOT'
  /** One call in so many fails; 1: all. */
  readonly oneIn: number
}

export class FailingDisk {
  /** undefined: nothing fails. */
  fault: DiskFault | undefined
  /** Calls that failed so far. */
  failures = 0
  readonly #timers = new Set<object>()

  /** Of the stores over this disk, timers that have not gone off. */
  get timers(): number {
    return this.#timers.size
  }

  /** Waits of the store are over 50 times as soon: two seconds after a failed commit are 40 ms. */
  readonly clock: Clock = {
    now: () => systemClock.now(),
    after: (delayMs, run) => {
      const timer = {}
      this.#timers.add(timer)
      const cancel = systemClock.after(delayMs / HASTE, () => {
        this.#timers.delete(timer)
        run()
      })
      return () => {
        this.#timers.delete(timer)
        cancel()
      }
    },
  }
}

/** The store of `path`, a new one of SMALL_BYTES where there is none, on a disk that may fail. */
export async function openOnFailing(
  path: string,
  disk: FailingDisk,
  seed: number,
): Promise<StorePair> {
  const rng = createSeededRng(seed)
  const sizes = { storeBytes: undefined, defaultBytes: SMALL_BYTES, passphrase: undefined }
  const dir = await openDataDir(path, { ...sizes, logger: silentLogger })
  const runtime = { rng, clock: disk.clock, logger: silentLogger }
  return bounded('opening', createDiskStore(wrap(dir, disk, rng), dir.plan, runtime))
}

function wrap(dir: DataDir, disk: FailingDisk, rng: Rng): DataDir {
  const slab = failing(dir.slab, 'slab', disk, rng)
  const write = slab.write.bind(slab)
  slab.write = async (slot, sealed) => {
    const before = disk.failures
    try {
      await write(slot, sealed)
    } catch (error) {
      // torn: the first half is there, over whatever was in the slot
      if (disk.failures > before) {
        await dir.slab.read(slot, (old) => {
          const torn = Uint8Array.from(old)
          torn.set(sealed.subarray(0, sealed.length / 2))
          return dir.slab.write(slot, torn)
        })
      }
      throw error
    }
  }
  const index = failing(dir.index, 'index', disk, rng)
  const parts = failing({ save: dir.saveStoreBytes.bind(dir) }, 'save', disk, rng)
  return { ...dir, slab, index, saveStoreBytes: parts.save }
}

/** Every method of `target`, refused as the fault says. */
function failing<T extends object>(target: T, name: string, disk: FailingDisk, rng: Rng): T {
  const made: Record<string, unknown> = {}
  return new Proxy(target, {
    get(_, method) {
      if (typeof method !== 'string') return Reflect.get(target, method, target)
      if (method in made) return made[method]
      const value: unknown = Reflect.get(target, method, target)
      if (typeof value !== 'function') return value
      const call = name === 'save' ? 'saveStoreBytes' : `${name}.${method}`
      made[method] = async (...given: unknown[]): Promise<unknown> => {
        const { fault } = disk
        const fails =
          fault !== undefined &&
          (fault.calls as readonly string[]).includes(call) &&
          rng.below(fault.oneIn) === 0
        if (!fails) return Reflect.apply(value, target, given)
        disk.failures++
        // a batch may be in the index although its writer was told that it is not
        if (call === 'index.write' && rng.below(4) === 0) await Reflect.apply(value, target, given)
        throw Object.assign(new Error(`${fault.code}: imitated`), { code: fault.code })
      }
      return made[method]
    },
    set(_, method, value) {
      made[String(method)] = value
      return true
    },
  })
}
