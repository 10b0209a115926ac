/**
 * A clock whose time passes only when a test says so: a queue of events, run in order of time and,
 * at equal times, in the order they were asked for.
 * @module
 */
import type { Clock } from '../../src/runtime.ts'
import { poolWorkEnds } from './pool-work.ts'

export interface SimulatedClock extends Clock {
  /** Runs every event due up to `ms` on this clock, then stands at `ms`. */
  runUntil(ms: number): Promise<void>
  /** Runs every event due in the next `ms` milliseconds. */
  runFor(ms: number): Promise<void>
  /**
   * Lets time pass until `promise` settles and gives its outcome. Throws when that takes more than
   * `limitMs` of simulated time (default ten minutes), or when nothing is left that could settle it.
   */
  runUntilSettled<T>(promise: Promise<T>, limitMs?: number): Promise<T>
}

interface Event {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

const DEFAULT_LIMIT_MS = 600_000
/** Turns of the event loop in which pending promises, streams and WHATWG pipes get on between events. */
const TURNS = 4
/** Real work (a disk, a thread pool) may be under way when the queue is empty: wait for it, ms. */
const IDLE_MS = 1_000

export function createSimulatedClock(): SimulatedClock {
  const queue = createEventQueue()
  let now = 0
  let order = 0

  const step = (event: Event): void => {
    now = Math.max(now, event.at)
    const { run } = event
    event.run = undefined
    run?.()
  }
  const runUntil = async (ms: number): Promise<void> => {
    await turns(TURNS)
    for (let event = queue.takeDue(ms); event !== undefined; event = queue.takeDue(ms)) {
      step(event)
      await turns(TURNS)
    }
    now = Math.max(now, ms)
  }
  const runUntilSettled = async <T>(promise: Promise<T>, limitMs?: number): Promise<T> => {
    let settled = false
    const done = (): void => {
      settled = true
    }
    promise.then(done, done)
    const limit = now + (limitMs ?? DEFAULT_LIMIT_MS)
    for (let idleMs = 0; idleMs < IDLE_MS;) {
      await turns(TURNS)
      if (settled) return promise
      const event = queue.takeDue(limit)
      if (event !== undefined) step(event)
      else await new Promise((resolve) => setTimeout(resolve, 1))
      idleMs = event === undefined ? idleMs + 1 : 0
    }
    throw new Error(`not settled at ${limit} ms of simulated time`)
  }

  return {
    now: () => now,
    after(delayMs, run) {
      const event: Event = { at: now + Math.max(0, delayMs), order: order++, run }
      queue.add(event)
      return () => {
        event.run = undefined
      }
    },
    runUntil,
    runFor: (ms) => runUntil(now + ms),
    runUntilSettled,
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
  await poolWorkEnds()
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** A binary heap. Events taken back stay in it, empty, until their time comes. */
function createEventQueue(): { add(event: Event): void; takeDue(ms: number): Event | undefined } {
  const heap: Event[] = []
  const at = (index: number): Event => heap[index] as Event
  const swap = (a: number, b: number): void => {
    const held = at(a)
    heap[a] = at(b)
    heap[b] = held
  }
  const sink = (): void => {
    for (let parent = 0; ;) {
      let least = parent
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && isBefore(at(child), at(least))) least = child
      }
      if (least === parent) return
      swap(parent, least)
      parent = least
    }
  }
  const take = (): Event | undefined => {
    const first = heap[0]
    const last = heap.pop()
    if (heap.length > 0 && last !== undefined) {
      heap[0] = last
      sink()
    }
    return first
  }
  return {
    add(event) {
      let child = heap.push(event) - 1
      for (; child > 0;) {
        const parent = (child - 1) >> 1
        if (!isBefore(at(child), at(parent))) return
        swap(child, parent)
        child = parent
      }
    },
    takeDue(ms) {
      while (heap[0] !== undefined && heap[0].run === undefined) take()
      return heap[0] !== undefined && heap[0].at <= ms ? take() : undefined
    },
  }
}
