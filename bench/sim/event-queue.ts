/**
 * What is to happen, in order of time: a binary heap on typed arrays, so that millions of events cost
 * no objects of their own. Equal times keep the order in which they were pushed.
 * @module
 */

const FIRST_CAPACITY = 1024

export class EventQueue<T> {
  /** Of the event that `pop` took last. */
  atMs = 0
  node = 0
  value = 0
  what: T | undefined
  #length = 0
  #pushed = 0
  /** By place in the heap: slot of the event. */
  #heap = new Uint32Array(FIRST_CAPACITY)
  // by slot
  #times = new Float64Array(FIRST_CAPACITY)
  #orders = new Float64Array(FIRST_CAPACITY)
  #nodes = new Uint32Array(FIRST_CAPACITY)
  #values = new Float64Array(FIRST_CAPACITY)
  readonly #whats: (T | undefined)[] = []
  readonly #free: number[] = []

  get length(): number {
    return this.#length
  }

  /** `node` and `value` are numbers that the event carries; `what` an object. */
  push(atMs: number, node: number, value: number, what: T): void {
    const slot = this.#free.pop() ?? this.#length
    if (this.#length === this.#heap.length) this.#grow()
    this.#times[slot] = atMs
    this.#orders[slot] = this.#pushed++
    this.#nodes[slot] = node
    this.#values[slot] = value
    this.#whats[slot] = what
    this.#rise(this.#length++, slot)
  }

  /** Takes the earliest event into the fields; false: there is none, or none before `untilMs`. */
  pop(untilMs = Infinity): boolean {
    if (this.#length === 0) return false
    const slot = this.#heap[0] as number
    if ((this.#times[slot] as number) > untilMs) return false
    this.atMs = this.#times[slot] as number
    this.node = this.#nodes[slot] as number
    this.value = this.#values[slot] as number
    this.what = this.#whats[slot]
    this.#whats[slot] = undefined
    this.#free.push(slot)
    this.#length--
    if (this.#length > 0) this.#sink(this.#heap[this.#length] as number)
    return true
  }

  #rise(place: number, slot: number): void {
    let at = place
    while (at > 0) {
      const parent = (at - 1) >> 1
      const other = this.#heap[parent] as number
      if (this.#isBefore(other, slot)) break
      this.#heap[at] = other
      at = parent
    }
    this.#heap[at] = slot
  }

  #sink(slot: number): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#length) break
      const right = child + 1
      const [left, other] = [this.#heap[child] as number, this.#heap[right] as number]
      if (right < this.#length && this.#isBefore(other, left)) child = right
      const next = this.#heap[child] as number
      if (this.#isBefore(slot, next)) break
      this.#heap[at] = next
      at = child
    }
    this.#heap[at] = slot
  }

  #isBefore(a: number, b: number): boolean {
    const [atA, atB] = [this.#times[a] as number, this.#times[b] as number]
    return atA < atB || (atA === atB && (this.#orders[a] as number) < (this.#orders[b] as number))
  }

  #grow(): void {
    const capacity = this.#heap.length * 2
    const grownTo = <A extends Uint32Array | Float64Array>(larger: A, old: A): A => {
      larger.set(old)
      return larger
    }
    this.#heap = grownTo(new Uint32Array(capacity), this.#heap)
    this.#times = grownTo(new Float64Array(capacity), this.#times)
    this.#orders = grownTo(new Float64Array(capacity), this.#orders)
    this.#nodes = grownTo(new Uint32Array(capacity), this.#nodes)
    this.#values = grownTo(new Float64Array(capacity), this.#values)
  }
}
