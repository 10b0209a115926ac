/**
 * A machine's outbox and keyring that stop working at a chosen write, as for a machine whose power
 * fails; what was written before stays, and what was not committed goes when it starts again.
 * @module
 */
import type { PublishKeyring } from '../../src/content/publish.ts'
import type { Outbox } from '../../src/datastore/store.ts'
import { ShoalError } from '../../src/errors.ts'

const WRITES: ReadonlySet<string> = new Set(
  'begin add commit discard homeDone setEdition addClaim dropClaim saveSpreadRecord'.split(' '),
)

export interface Crashing {
  readonly outbox: Outbox
  readonly keyring: PublishKeyring
  /** The `count`-th write from now on fails, and everything after it. */
  crashAtWrite(count: number): void
  readonly isDown: boolean
  /** Drops what was not committed, as the outbox does when it is opened. */
  recover(): Promise<void>
}

export function crashing(parts: { outbox: Outbox; keyring: PublishKeyring }): Crashing {
  let writesLeft = Number.POSITIVE_INFINITY
  const begun: number[] = []
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        return (...given: unknown[]): unknown => {
          if (WRITES.has(String(name))) writesLeft--
          if (writesLeft <= 0 && (WRITES.has(String(name)) || name === 'get')) {
            return Promise.reject(new ShoalError('E_CLOSED', 'the power failed'))
          }
          const result: unknown = Reflect.apply(value, target, given)
          if (name === 'begin') void (result as Promise<number>).then((id) => begun.push(id))
          return result
        }
      },
    })
  return {
    outbox: wrap(parts.outbox),
    keyring: wrap(parts.keyring),
    crashAtWrite(count) {
      writesLeft = count
    },
    get isDown() {
      return writesLeft <= 0
    },
    async recover() {
      for (const insertId of begun) await parts.outbox.discard(insertId)
    },
  }
}
