/**
 * The most hits that any cache can have on given requests: Belady's choice.
 * @module
 */
import type { Trace } from './cache-trace.ts'

/** The hit ratio, from request `from` on, of one who knows the future and may leave an item out. */
export function optimumRatio({ items }: Trace, capacity: number, from: number): number {
  const nextUse = nextUses(items)
  const keptUntil = new Set<number>()
  const latest = new MaxHeap()
  let hits = 0
  for (let at = 0; at < items.length; at++) {
    const isHit = keptUntil.delete(at)
    if (isHit && at >= from) hits++
    const next = nextUse[at] as number
    if (next === items.length) continue
    keptUntil.add(next)
    latest.push(next)
    // the heap also has what was asked for since, but those are below all that is kept
    if (keptUntil.size > capacity) keptUntil.delete(latest.pop())
  }
  return hits / (items.length - from)
}

/** For each request the number of the next one for the same item, or their count. */
function nextUses(items: Int32Array): Int32Array {
  const next = new Int32Array(items.length)
  const seen = new Map<number, number>()
  for (let at = items.length - 1; at >= 0; at--) {
    next[at] = seen.get(items[at] as number) ?? items.length
    seen.set(items[at] as number, at)
  }
  return next
}

class MaxHeap {
  readonly #values: number[] = []

  push(value: number): void {
    const values = this.#values
    let at = values.push(value) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if ((values[parent] as number) >= value) break
      values[at] = values[parent] as number
      at = parent
    }
    values[at] = value
  }

  /** Takes the greatest away. */
  pop(): number {
    const greatest = this.#values[0] as number
    const last = this.#values.pop() as number
    if (this.#values.length > 0) this.#sink(last)
    return greatest
  }

  #sink(value: number): void {
    const values = this.#values
    let at = 0
    for (let child = 1; child < values.length; child = 2 * at + 1) {
      const right = child + 1
      if (right < values.length && (values[right] as number) > (values[child] as number)) child++
      if ((values[child] as number) <= value) break
      values[at] = values[child] as number
      at = child
    }
    values[at] = value
  }
}
