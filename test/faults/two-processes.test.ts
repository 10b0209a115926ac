/**
 * Two processes and one store: one has it, the other is told, and gets it when the first is gone,
 * however that went (spec §11.2).
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'

import { SMALL_BYTES, bounded, temporaryFolder } from '../helpers/fault-folder.ts'
import { NO_EXPECTATION, command, reportsOf, startProcess } from '../helpers/fault-process.ts'
import type { StoreProcess } from '../helpers/fault-process.ts'
import type { Expectation, Orders, Report } from '../helpers/fault-report.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { StoreModel } from '../helpers/store-model.ts'

const SEED = seedFromEnvironment()

test('two processes: the second is told that the first has the store, and disturbs nothing', async (t) => {
  const dataDir = await temporaryFolder(t)
  const model = new StoreModel(false)
  const first = new Running(orders(dataDir, NO_EXPECTATION), model)
  t.after(() => first.child.kill('SIGKILL'))
  await first.until('verified')
  for (let i = 0; i < 3; i++) {
    const second = new Running(orders(dataDir, NO_EXPECTATION))
    t.after(() => second.child.kill('SIGKILL'))
    const refused = await second.until('refused')
    assert.equal(refused.code, 'E_STORE_LOCKED')
    assert.ok(!refused.message.includes('\n'))
  }
  await first.until('committed')
  first.child.kill('SIGKILL')
  await first.ended()
  model.ended()
  const heir = new Running(orders(dataDir, model.expectation(model.settledNumbers)), model)
  t.after(() => heir.child.kill('SIGKILL'))
  const { youngFound, youngLost } = await heir.until('verified')
  assert.ok(youngFound + youngLost >= 0)
  // the folder is removed first of all: a process still at work would rightly complain
  heir.child.kill('SIGKILL')
  await heir.ended()
})

test('two processes: of four that start at once one has the store, also after a kill', async (t) => {
  const dataDir = await temporaryFolder(t)
  const model = new StoreModel(false)
  for (let round = 0; round < 4; round++) {
    const given = orders(dataDir, model.expectation(model.settledNumbers), round)
    const all = Array.from({ length: 4 }, () => new Running(given))
    t.after(() => all.forEach(({ child }) => child.kill('SIGKILL')))
    const outcomes = await Promise.all(all.map((one) => one.first('opened', 'refused')))
    const openers = all.filter((_, i) => outcomes[i]?.type === 'opened')
    assert.equal(openers.length, 1, `SEED=${SEED}`)
    for (const outcome of outcomes) {
      if (outcome.type === 'refused') assert.equal(outcome.code, 'E_STORE_LOCKED')
    }
    await openers[0]?.until('committed')
    openers[0]?.child.kill('SIGKILL')
    await Promise.all(all.map((one) => one.ended()))
    for (const report of openers[0]?.reports ?? []) model.take(report)
    model.ended()
  }
})

/** A process that is at work, and everything it has said. */
class Running {
  readonly child: StoreProcess = startProcess()
  readonly reports: Report[] = []
  readonly #reading: Promise<void>
  readonly #exited: Promise<unknown>
  #onreport: () => void = () => {}

  constructor(given: Orders, model?: StoreModel) {
    this.#exited = once(this.child, 'exit')
    this.#reading = this.#read(model)
    command(this.child, given)
  }

  async until<T extends Report['type']>(type: T): Promise<Extract<Report, { type: T }>> {
    return this.first(type)
  }

  /** The first report of one of these types; rejects when the process is silent, or ends without. */
  async first<T extends Report['type']>(...types: T[]): Promise<Extract<Report, { type: T }>> {
    let isOver = false
    void this.#reading.then(() => {
      isOver = true
      this.#onreport()
    })
    const wait = async (): Promise<Extract<Report, { type: T }>> => {
      for (;;) {
        const found = this.reports.find((report) => (types as string[]).includes(report.type))
        if (found !== undefined) return found as Extract<Report, { type: T }>
        if (isOver) throw new Error(`it ended without ${types.join(' or ')}`)
        await new Promise<void>((resolve) => {
          this.#onreport = resolve
        })
      }
    }
    return bounded(types.join(' or '), wait())
  }

  async ended(): Promise<void> {
    await bounded('the end of a process', Promise.all([this.#exited, this.#reading]))
  }

  async #read(model?: StoreModel): Promise<void> {
    for await (const report of reportsOf(this.child)) {
      if (report.type === 'wrong') throw new Error(`${report.message} (SEED=${SEED})`)
      this.reports.push(report)
      model?.take(report)
      this.#onreport()
    }
  }
}

function orders(dataDir: string, expect: Expectation, round = 0): Orders {
  return {
    dataDir,
    seed: SEED + round,
    storeBytes: SMALL_BYTES,
    isHurried: round % 2 === 1,
    expect,
    firstNumber: 10_000 * round,
    closeAfterMs: undefined,
    resizeTo: undefined,
    fresh: { store: 1e6, cache: 1e6 },
  }
}
