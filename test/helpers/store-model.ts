/**
 * What a store must hold after its process was killed, from what it acknowledged before: pure, fed
 * with reports in the order they were written.
 *
 * A change is _settled_ when it must survive the end of the process: a commit of the outbox that began
 * after it has ended, two commits of the store have ended since, or the store was closed. Whatever is not settled may
 * have happened or not.
 * @module
 */
import type { Area } from '../../src/datastore/store.ts'
import type { BlockName, Expectation, ExpectedInsert, Report } from './fault-report.ts'

/** Homes of an outbox entry, one bit each. */
interface Left {
  /** Nobody has said that these have their copies. */
  surely: number
  /** Their copies were not reported, or only just now. */
  perhaps: number
}

interface Insert {
  state: 'open' | 'committing' | 'committed' | 'discarding'
  total: number
  readonly blocks: Map<BlockName, Left>
}

interface Content {
  area: Area | undefined
  homes: number
}

interface Unsettled {
  /** Commits that had ended when it was there; undefined: not counted since. */
  atCommits: number | undefined
  readonly settle: () => void
}

export class StoreModel {
  readonly #isRoomy: boolean
  /** What is there for good, by number. */
  #content = new Map<number, Content>()
  readonly #signed = new Map<number, number>()
  #inserts = new Map<number, Insert>()
  #unsettled: Unsettled[] = []
  /** How many of them an outbox commit under way will settle, by insert. */
  #commitMarks = new Map<number, Unsettled | undefined>()
  #lastInsertId = 0
  #quotas = new Set<number>()
  /** Numbers put since the last process that looked at what is there. */
  #recent = new Set<number>()
  #young = new Set<number>()

  constructor(isRoomy: boolean) {
    this.#isRoomy = isRoomy
  }

  /** Numbers of content that is there for good. */
  get settledNumbers(): number[] {
    return [...this.#content.keys()]
  }

  take(report: Report): void {
    switch (report.type) {
      case 'opened':
        this.#quotas = new Set([report.quotaBytes])
        break
      case 'outbox':
        this.#adopt(report.inserts)
        break
      case 'verified':
        this.#recent.clear()
        this.#young.clear()
        break
      case 'put':
        this.#put(report)
        break
      case 'signed':
        if (report.result !== 'stored' && report.result !== 'known') break
        this.#later(() => {
          const { publisher, sequence } = report
          this.#signed.set(publisher, Math.max(sequence, this.#signed.get(publisher) ?? 0))
        })
        break
      case 'commits':
        this.#settleBefore(report.count)
        break
      case 'resizing':
        this.#quotas.add(report.quotaBytes)
        break
      case 'resized':
        this.#quotas = new Set([report.quotaBytes])
        break
      case 'closed':
        this.#settle(this.#unsettled.length)
        break
      case 'closing':
      case 'checked':
      case 'refused':
      case 'wrong':
        break
      case 'begun':
      case 'added':
      case 'committing':
      case 'committed':
      case 'discarding':
      case 'homing':
      case 'homed':
        this.#takeInsert(report)
    }
  }

  /** The process is gone, whatever it was doing: what the next one must find. */
  ended(): void {
    this.#unsettled = []
    this.#commitMarks.clear()
    for (const [insertId, { state }] of this.#inserts) {
      if (state === 'open' || state === 'discarding') this.#inserts.delete(insertId)
    }
  }

  /** `chosen`: the numbers to look at besides those put last. */
  expectation(chosen: Iterable<number>): Expectation {
    const numbers = new Set([...this.#recent, ...chosen])
    const blocks: [number, Area, number][] = []
    for (const number of numbers) {
      const { area, homes } = this.#content.get(number) ?? { area: undefined, homes: 0 }
      if (area !== undefined) blocks.push([number, area, homes])
    }
    return {
      isRoomy: this.#isRoomy,
      blocks,
      young: [...this.#young],
      signed: [...this.#signed],
      inserts: [...this.#inserts].map(toExpected),
      lastInsertId: this.#lastInsertId,
      quotas: [...this.#quotas],
    }
  }

  #takeInsert(report: InsertReport): void {
    const { insertId } = report
    if (report.type === 'begun') {
      this.#lastInsertId = Math.max(this.#lastInsertId, insertId)
      this.#inserts.set(insertId, { state: 'open', total: 0, blocks: new Map() })
      return
    }
    const insert = this.#inserts.get(insertId)
    if (insert === undefined) return
    if (report.type === 'added') {
      insert.total++
      insert.blocks.set(report.name, { surely: report.homes, perhaps: report.homes })
    } else if (report.type === 'homing' || report.type === 'homed') {
      this.#home(insert, report)
    } else {
      insert.state = report.type
      if (report.type === 'committing') this.#commitMarks.set(insertId, this.#unsettled.at(-1))
      if (report.type === 'committed') this.#settleMarked(insertId)
    }
  }

  #home(insert: Insert, { type, name, home }: HomeReport): void {
    const left = insert.blocks.get(name)
    if (left === undefined) return
    if (type === 'homing') left.surely &= ~(1 << home)
    else {
      this.#later(() => {
        left.perhaps &= ~(1 << home)
      })
    }
  }

  #put({ number, area, home, result }: PutReport): void {
    if (result !== 'stored' && result !== 'known') return
    this.#recent.add(number)
    this.#young.add(number)
    this.#later(() => {
      this.#young.delete(number)
      const content = this.#content.get(number) ?? { area: undefined, homes: 0 }
      if (content.area !== 'store') content.area = area
      if (area === 'store') content.homes |= 1 << home
      this.#content.set(number, content)
    })
  }

  #adopt(inserts: readonly ExpectedInsert[]): void {
    this.#inserts = new Map()
    for (const { insertId, total, blocks } of inserts) {
      const left = blocks.map(([name, surely, perhaps]) => [name, { surely, perhaps }] as const)
      this.#inserts.set(insertId, { state: 'committed', total, blocks: new Map(left) })
    }
  }

  #later(settle: () => void): void {
    this.#unsettled.push({ atCommits: undefined, settle })
  }

  /** A commit that had begun already ends first; the next takes along what was acknowledged before. */
  #settleBefore(commits: number): void {
    for (const change of this.#unsettled) change.atCommits ??= commits
    const isLater = ({ atCommits = commits }: Unsettled): boolean => atCommits + 2 > commits
    const later = this.#unsettled.findIndex(isLater)
    this.#settle(later === -1 ? this.#unsettled.length : later)
  }

  #settleMarked(insertId: number): void {
    const mark = this.#commitMarks.get(insertId)
    this.#commitMarks.delete(insertId)
    if (mark !== undefined) this.#settle(this.#unsettled.indexOf(mark) + 1)
  }

  #settle(count: number): void {
    for (const { settle } of this.#unsettled.splice(0, count)) settle()
  }
}

type PutReport = Extract<Report, { type: 'put' }>
type HomeReport = Extract<Report, { type: 'homing' | 'homed' }>
type InsertReport = Extract<Report, { insertId: number }>

function toExpected([insertId, { state, total, blocks }]: [number, Insert]): ExpectedInsert {
  return {
    insertId,
    total,
    isCertain: state === 'committed',
    blocks: [...blocks].map(([name, { surely, perhaps }]) => [name, surely, perhaps]),
  }
}
