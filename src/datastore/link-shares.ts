/**
 * Who brought what is here, by link, in memory only: six bits a slot name one of the 63 links that
 * have slots; the others are unknown. After a restart all are.
 * @module
 */
import type { Area } from './store.ts'

/** Stands for a link that nobody can name any more. */
export const UNKNOWN_LINK = 0
/** Codes are below this: they take 6 bits of a slot's mark. */
export const LINK_CODES = 64

export class LinkShares {
  /** In the order in which links got their codes. */
  readonly #codes = new Map<number, number>()
  readonly #links = { store: 0, cache: 0 }
  readonly #slots = { store: new Uint32Array(LINK_CODES), cache: new Uint32Array(LINK_CODES) }

  /** The code of a link that brings a slot; UNKNOWN_LINK where all others have slots here. */
  codeFor(link: number): number {
    const code = this.#codes.get(link) ?? this.#unused()
    if (code !== UNKNOWN_LINK) this.#codes.set(link, code)
    return code
  }

  /** The code of a link, if it has one. */
  knownCode(link: number): number | undefined {
    return this.#codes.get(link)
  }

  add(code: number, area: Area): void {
    if (code === UNKNOWN_LINK) return
    const count = this.count(code, area)
    this.#slots[area][code] = count + 1
    if (count === 0) this.#links[area]++
  }

  remove(code: number, area: Area): void {
    const count = this.count(code, area)
    if (count === 0) return
    this.#slots[area][code] = count - 1
    if (count === 1) this.#links[area]--
  }

  /** Known links that brought something of `area`. */
  linksIn(area: Area): number {
    return this.#links[area]
  }

  /** Slots of `area` that the link brought; 0 for UNKNOWN_LINK. */
  count(code: number, area: Area): number {
    return this.#slots[area][code] ?? 0
  }

  /** Of the known links the one with most slots in the store; undefined: none has any. */
  get fullest(): number | undefined {
    let fullest = UNKNOWN_LINK
    for (let code = 1; code < LINK_CODES; code++) {
      if (this.count(code, 'store') > this.count(fullest, 'store')) fullest = code
    }
    return fullest === UNKNOWN_LINK ? undefined : fullest
  }

  /** No link is known any more; slots have to be added again. */
  clear(): void {
    this.#codes.clear()
    this.#slots.store.fill(0)
    this.#slots.cache.fill(0)
    Object.assign(this.#links, { store: 0, cache: 0 })
  }

  /** A code that no link has; else that of the link that is longest known and has no slot. */
  #unused(): number {
    if (this.#codes.size < LINK_CODES - 1) {
      const taken = new Set(this.#codes.values())
      for (let code = 1; code < LINK_CODES; code++) if (!taken.has(code)) return code
    }
    for (const [link, code] of this.#codes) {
      if (this.count(code, 'store') + this.count(code, 'cache') > 0) continue
      this.#codes.delete(link)
      return code
    }
    return UNKNOWN_LINK
  }
}
