/**
 * Editions of the fake node: what is looked up, watched and announced. Time stands still unless a
 * test moves `nowMs`.
 * @module
 */
import { ShoalError } from '../../src/errors.ts'
import type { KskUri, SskUri, UskUri } from '../../src/keys/uri.ts'
import type { LookUpOptions, LookUpOutcome } from '../../src/node.ts'
import type { FakeTree } from './fake-tree.ts'

export class FakeNames {
  nowMs = 0
  /** Look-ups that no remembered head could answer. */
  networkLookUps = 0
  readonly #editions = new Map<string, Map<number, FakeTree>>()
  readonly #heads = new Map<string, { edition: number; atMs: number }>()
  readonly #listeners = new Set<() => void>()

  add(uri: SskUri | UskUri | KskUri, tree: FakeTree): void {
    const id = idOf(uri)
    const editions = this.#editions.get(id) ?? new Map<number, FakeTree>()
    editions.set(editionOf(uri), tree)
    this.#editions.set(id, editions)
    for (const listener of this.#listeners) listener()
  }

  /** The newest edition plus one. */
  nextEdition(uri: UskUri): number {
    return this.#newest(uri) + 1
  }

  open(uri: SskUri | UskUri | KskUri): FakeTree | undefined {
    return this.#editions.get(idOf(uri))?.get(editionOf(uri))
  }

  lookUp(uri: UskUri, { maxAgeMs = 0 }: LookUpOptions): LookUpOutcome {
    const id = idOf(uri)
    const head = this.#heads.get(id)
    const ageMs = this.nowMs - (head?.atMs ?? 0)
    if (head !== undefined && maxAgeMs > 0 && ageMs <= maxAgeMs) {
      return { type: 'found', edition: head.edition, ageMs }
    }
    this.networkLookUps++
    const edition = this.#newest(uri)
    if (edition < 0) return { type: 'not-found' }
    this.#heads.set(id, { edition, atMs: this.nowMs })
    return { type: 'found', edition, ageMs: 0 }
  }

  async *watch(uri: UskUri, signal: AbortSignal): AsyncGenerator<number, void> {
    let seen = -1
    while (!signal.aborted) {
      const newest = this.#newest(uri)
      if (newest > seen) {
        seen = newest
        yield newest
      } else {
        await this.#change(signal)
      }
    }
  }

  announce(uri: UskUri): number {
    const edition = this.#newest(uri)
    if (edition < 0) throw new ShoalError('E_NOT_FOUND', 'No edition was found.')
    return edition
  }

  #newest(uri: UskUri): number {
    return Math.max(-1, ...(this.#editions.get(idOf(uri))?.keys() ?? []))
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#listeners.add(done)
      signal.addEventListener('abort', done)
    })
  }
}

function idOf(uri: SskUri | UskUri | KskUri): string {
  if (uri.type === 'ksk') return `ksk ${uri.word}`
  const keys = [uri.publicKey, uri.readKey].map((key) => Buffer.from(key).toString('hex'))
  return [uri.type, ...keys, uri.document].join(' ')
}

function editionOf(uri: SskUri | UskUri | KskUri): number {
  return uri.type === 'usk' ? Number(uri.edition) : 0
}
