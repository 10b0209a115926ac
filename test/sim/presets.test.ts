import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { simulate } from '../../bench/sim/main.ts'
import { figuresOf } from '../../bench/sim/measure.ts'
import type { Line } from '../../bench/sim/measure.ts'
import { UsageError } from '../../bench/sim/options.ts'
import { PRESETS } from '../../bench/sim/presets.ts'
import { modelHops } from '../../bench/sim/ring-model.ts'
import type { RingModel } from '../../bench/sim/ring-model.ts'
import { rowsOf } from '../../bench/sim/targets.ts'
import { createTrial } from '../../bench/sim/trial.ts'
import type { Trial } from '../../bench/sim/trial.ts'
import { createSeededRng } from '../helpers/rng.ts'

/** Their links are chosen as they run: an hour of that takes seconds even in a small network. */
const LIVE = new Set([
  'clarke2001-convergence',
  'nat-live',
  'joining',
  'joining-liars',
  'join-leave',
])

const seed = Number(process.env['SEED'] ?? 1)
const at = `seed ${seed}`

/** Of this seed: what is held against a target of shares near 1 depends on which nodes are hit. */
const TARGET_SEED = 1

async function run(words: string, of = seed): Promise<Line[]> {
  const lines: Line[] = []
  await simulate([...words.split(' '), '--seed', String(of)], (line) => {
    lines.push(JSON.parse(line) as Line)
  })
  return lines
}

test('every line of a preset carries all dimensions and all figures', async () => {
  const [line] = await run('clarke2001-scaling --nodes 100 --requests 20')
  for (const name of [
    'preset',
    'seed',
    'nodes',
    'degree',
    'removed',
    'droppers',
    'liars',
    'homes',
  ]) {
    assert.ok(line !== undefined && name in line, name)
  }
  for (const name of ['success', 'meanHops', 'p50Hops', 'p75Hops', 'p95Hops']) {
    assert.equal(typeof line?.[name], 'number', name)
  }
  for (const name of ['meanMessages', 'maxMessages', 'maxMessagesPerHome']) {
    assert.equal(typeof line?.[name], 'number', name)
  }
})

test('the dearest request is told home by home too', () => {
  const trials = [
    [70, 50, 0],
    [3, 0, 90],
  ].map((messages) => ({ ...createTrial(createSeededRng(seed), [0]), messages }) as Trial)
  const { meanMessages, maxMessages, maxMessagesPerHome } = figuresOf(trials)
  assert.deepEqual([meanMessages, maxMessages, maxMessagesPerHome], [106.5, 120, 90])
})

test('an option replaces the whole list of its dimension', async () => {
  const lines = await run('droppers --nodes 100 --requests 10 --droppers 0,0.1 --homes 2')
  assert.deepEqual(
    lines.map(({ nodes, droppers, homes }) => [nodes, droppers, homes]),
    [
      [100, 0, 2],
      [100, 0.1, 2],
    ],
  )
})

test('the same seed prints the same bytes, and another seed others', async () => {
  const words = 'join-leave --nodes 30 --requests 20'
  const print = async (of: string): Promise<string> => {
    const lines: string[] = []
    await simulate([...words.split(' '), '--seed', of], (line) => lines.push(line))
    return lines.join('\n')
  }
  const first = await print('7')
  assert.equal(await print('7'), first)
  assert.notEqual(await print('8'), first)
})

test('a network that stands still finds every block in few hops', async () => {
  const [small, large] = await run('clarke2001-scaling --nodes 100,1000 --requests 200')
  assert.equal(small?.success, 1, at)
  assert.equal(large?.success, 1, at)
  assert.ok((large?.meanHops ?? 9) < 4 && (small?.meanHops ?? 9) < 2.5, at)
  assert.ok((large?.maxMessages ?? 99) <= 20, at)
})

test('blocks outlive three tenths of the nodes as often as copies of them are left', async () => {
  const lines = await run('clarke2001-failure --nodes 1000 --requests 300 --removed 0.3')
  for (const line of lines) {
    const { success, homes } = line
    assert.ok(success >= (line['ceiling'] as number) - 0.04, `${at}: ${homes} homes, ${success}`)
  }
})

test('a fifth of droppers or of liars keeps few readers from leaf and top blocks, and costs no home much', async () => {
  for (const kind of ['droppers', 'liars']) {
    const words = `${kind} --nodes 1000 --requests 1500 --${kind} 0.2 --homes 2,3`
    const lines = await run(words, TARGET_SEED)
    const told = `seed ${TARGET_SEED}: ${JSON.stringify(lines)}`
    const rows = rowsOf(lines)
    assert.equal(rows.length, 6)
    assert.ok(
      rows.every(({ holds }) => holds),
      told,
    )
    // tighter than the targets: what the small network reaches
    for (const { success, ceiling, meanMessages, maxMessagesPerHome } of lines) {
      assert.ok(success >= (ceiling as number) - 0.004, told)
      assert.ok(meanMessages <= 7 && maxMessagesPerHome <= 80, told)
    }
  }
})

test('paths are as long as those of a plain model by the same rules, whole and with three tenths dead', async () => {
  const lines = await run('ring-table --nodes 1000 --removed 0,0.3', TARGET_SEED)
  const modelled = lines.filter((line) => line['links'] !== 'uniform, look-ahead')
  assert.equal(modelled.length, 4)
  for (const line of modelled) {
    const told = `seed ${TARGET_SEED}: ${JSON.stringify(line)}`
    assert.ok(line.success >= 0.99, told)
    assert.ok((line.meanHops ?? 99) <= 1.1 * (line['strictModelHops'] as number), told)
  }
})

test('slow links bring no more messages', async () => {
  const lines = await run('latency --nodes 500 --requests 150')
  for (const line of lines) {
    assert.equal(line.success, 1, `${at}: ${line['hopMs'] as number} ms`)
    assert.ok((line['messagesRatio'] as number) <= 1.3, at)
  }
})

test('poisoners get no wrong block accepted, and lose their links', async () => {
  const [line] = await run('poison-30 --nodes 300 --requests 200 --homes 2')
  assert.equal(line?.['wrongBlocksAccepted'], 0, at)
  assert.ok((line?.['linksBanned'] as number) > 100, at)
  assert.equal(line?.['wrongBlocksUnpunished'], 0, at)
  assert.ok((line?.success ?? 0) >= 0.9, at)
})

test('who advertises links that he has not gets no more than a third of a neighbor’s requests', async () => {
  const lines = await run('look-ahead-liars --nodes 500 --requests 400')
  for (const line of lines.filter((each) => each['lookAhead'] === 'restricted')) {
    assert.ok((line['victimShare'] as number) <= 0.35, `${at}: ${JSON.stringify(line)}`)
  }
})

test('one pair of ten that cannot connect keeps hardly anybody from a block', async () => {
  const lines = await run('nat --nodes 500 --requests 150 --homes 2')
  for (const line of lines.filter((each) => each['unreachable'] === 0.1)) {
    assert.ok(line.success >= 0.99, `${at}: ${line.success}`)
  }
})

test('a ring finds itself from a lattice and from a rendezvous', async () => {
  const lines = await run('clarke2001-convergence --nodes 100 --requests 40')
  for (const line of lines.filter((each) => (each['atSeconds'] as number) >= 40)) {
    assert.equal(line.success, 1, `${at}: ${String(line['start'])}`)
    assert.ok((line.meanHops ?? 9) < 3, at)
  }
})

test('who joins has all its neighbors within ten seconds, and finds what is there', async () => {
  const [line] = await run('joining --nodes 1000 --requests 50', TARGET_SEED)
  const told = `seed ${TARGET_SEED}: ${JSON.stringify(line)}`
  assert.equal(line?.['inTenSeconds'], 1, told)
  assert.ok((line?.['maxNeighborsMs'] as number) <= 7000, told)
  assert.equal(line?.success, 1, told)
})

test('the simulator tells what it takes, and two runs of one seed are the same event by event', async () => {
  const [one] = await run('simulator --nodes 200 --requests 100', 7)
  const [other] = await run('simulator --nodes 200 --requests 100', 8)
  assert.deepEqual([one?.['traces'], other?.['traces']], [1, 1])
  assert.notEqual(one?.['trace'], other?.['trace'])
  for (const name of ['wallSeconds', 'processorSeconds', 'peakGiB']) {
    assert.equal(typeof one?.[name], 'number', name)
  }
})

test('an hour of change is told apart by the age of blocks, beside what is left of them', async () => {
  const lines = await run('join-leave --nodes 60 --requests 120')
  const young = lines.find((line) => line['blocks'] === 'young' && line['wholeHour'] === true)
  const aged = lines.filter((line) => line['blocks'] === 'of any age')
  assert.ok((young?.success ?? 0) >= 0.97, `${at}: ${young?.success}`)
  assert.equal(aged.at(-1)?.['requests'], 120)
  for (const line of aged) {
    const [ceiling, ofHeld] = [line['ceiling'] as number, line['foundOfHeld'] as number]
    assert.ok(line.success <= ceiling && ofHeld >= 0.8, `${at}: ${JSON.stringify(line)}`)
  }
  assert.ok((aged.at(-1)?.['ceiling'] as number) < 1, `${at}: nobody left with a block`)
})

test('a ring in which some pairs cannot connect links the neighbors through a third, where it may', async () => {
  const lines = await run('nat-live --nodes 100 --requests 40 --homes 2')
  const cut = lines.filter((line) => line['unreachable'] === 0.1)
  assert.equal(cut.length, 2)
  for (const line of cut) {
    assert.ok(line.success >= 0.97, `${at}: ${JSON.stringify(line)}`)
    const [missing, relayed] = [line['neighborsMissing'], line['neighborsRelayed']] as number[]
    const [less, more] = line['relayedNeighbors'] === true ? [missing, relayed] : [relayed, missing]
    assert.ok((less ?? 1) <= 0.03, `${at}: ${JSON.stringify(line)}`)
    assert.ok((more ?? 0) >= 0.05 && (more ?? 1) <= 0.2, `${at}: ${JSON.stringify(line)}`)
  }
})

test('every kind of lie about others is measured, and keeps newcomers from no block', async () => {
  const lines = await run('joining-liars --nodes 100 --requests 50 --liars 0,0.2')
  assert.deepEqual(
    lines.map((line) => [line.liars, line['lie']]),
    [
      [0, 'none'],
      [0.2, 'dead'],
      [0.2, 'silent'],
      [0.2, 'closes'],
    ],
  )
  const took = lines.map((line) => (line['allTookMs'] as number[])[0] as number)
  assert.ok(
    took.every((ms) => ms > 0 && ms < 60_000),
    at,
  )
  for (const line of lines) assert.ok(line.success >= 0.9, `${at}: ${JSON.stringify(line)}`)
})

test('any options give lines and a chart, or one sentence', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-sim-'))
  const figure = join(folder, 'any.svg')
  const rng = createSeededRng(seed)
  const oneOf = <T>(values: readonly T[]): T => values[rng.below(values.length)] as T
  const shares = [0, 0, 0, 0, 0.02, 0.1, 0.5, 0.9]
  const fast = Object.keys(PRESETS).filter((name) => !LIVE.has(name))
  for (let round = 0; round < 60; round++) {
    const words = [oneOf(fast), '--nodes', oneOf([20, 21, 33, 60]), '--degree', oneOf([10, 15, 20])]
    for (const name of ['removed', 'droppers', 'liars']) words.push(`--${name}`, oneOf(shares))
    words.push('--homes', oneOf([1, 2, 3]), '--requests', oneOf([1, 2, '3,5']), '--figure', figure)
    let lines = 0
    try {
      await simulate(words.map(String), () => lines++)
      assert.ok(lines > 0, words.join(' '))
      assert.doesNotMatch(await readFile(figure, 'utf8'), /NaN|Infinity/, words.join(' '))
    } catch (error) {
      assert.ok(error instanceof UsageError, `${at}: ${words.join(' ')}: ${String(error)}`)
      assert.match(error.message, /^[^\n]{10,}$/)
    }
  }
  await rm(folder, { recursive: true })
})

test('the plain model has the hops of the published table, and more where each step must be nearer', () => {
  const of = { nodes: 1000, degree: 20, requests: 300, isStrict: false, isNodeSought: true }
  const hops = (rule: Partial<RingModel> & { looksAhead: boolean; removed: number }): number =>
    modelHops({ ...of, ...rule }, createSeededRng(seed))
  for (const [looksAhead, removed, published] of [
    [false, 0, 4.3],
    [false, 0.3, 4.8],
    [true, 0, 3.2],
    [true, 0.3, 3.5],
  ] as const) {
    const ratio = hops({ looksAhead, removed }) / published
    assert.ok(ratio >= 0.85 && ratio <= 1.2, `${at}: ${looksAhead}, ${removed}: ${ratio}`)
  }
  const dead = { looksAhead: true, removed: 0.3 }
  assert.ok(hops({ ...dead, isStrict: true }) > hops(dead), at)
})

test('what holds of the targets is told by the lines that measure it', () => {
  const line = (of: Record<string, unknown>): Line => ({ ...of, seed: 3, nodes: 1000 }) as never
  const rows = rowsOf([
    line({ preset: 'droppers', droppers: 0.2, homes: 2, success: 0.97, meanMessages: 11 }),
    line({ preset: 'droppers', droppers: 0.1, homes: 2, success: 0.5 }),
    line({ preset: 'latency', success: 1, messagesRatio: 1.2 }),
    line({ preset: 'join-leave', blocks: 'young', wholeHour: true, success: null }),
    line({ preset: 'poison-30', liars: 0.3, wrongBlocksAccepted: 0, wrongBlocksUnpunished: 2 }),
    line({ preset: 'simulator', traces: 2 }),
  ])
  assert.deepEqual(
    rows.map(({ target, figure, measured, holds }) => [target, figure, measured, holds]),
    [
      ['droppers', 'success', 0.97, false],
      ['droppers', 'meanMessages', 11, true],
      ['droppers', 'maxMessagesPerHome', undefined, false],
      ['latency', 'success', 1, true],
      ['latency', 'messagesRatio', 1.2, true],
      ['poison-30', 'wrongBlocksAccepted', 0, true],
      ['poison-30', 'wrongBlocksUnpunished', 2, false],
      ['join-leave', 'success', null, false],
      ['simulator', 'traces', 2, false],
    ],
  )
  assert.ok(rows.every(({ seed: of, nodes }) => of === 3 && nodes === 1000))
})

test('unknown presets and options, and values out of range, are refused in one line on stderr', () => {
  const main = fileURLToPath(import.meta.resolve('../../bench/sim/main.js'))
  for (const args of [
    ['no-such-preset'],
    [],
    ['droppers', '--colour', '1'],
    ['droppers', '--nodes', '1e3'],
    ['droppers', '--droppers', '2'],
    ['droppers', '--homes'],
    ['droppers', '--droppers', '0.6', '--liars', '0.6'],
    ['joining', '--liars', '0.5'],
    ['joining-liars', '--droppers', '0.1'],
    ['look-ahead-liars', '--nodes', '20', '--degree', '10'],
    ['look-ahead-liars', '--nodes', '60', '--liars', '0'],
    ['ring-table', '--homes', '2'],
    ['all', '--nodes', '100'],
    ['droppers', '--nodes', '300000'],
    ['droppers', '--figure'],
    ['clarke2001-failure', '--nodes', '20', '--removed', '0.95'],
  ]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
      encoding: 'utf8',
    })
    assert.equal(status, 2, args.join(' '))
    assert.equal(stdout, '')
    assert.match(stderr, /^[^\n]+\n$/)
  }
})

test('a preset draws our curve and the published one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-sim-'))
  const file = join(folder, 'scaling.svg')
  await run(`clarke2001-scaling --nodes 100,200 --requests 20 --figure ${file}`)
  const svg = await readFile(file, 'utf8')
  assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/)
  assert.match(svg, /Freenet 2002/)
  assert.ok(!svg.includes('NaN'))
  await rm(folder, { recursive: true })
})
