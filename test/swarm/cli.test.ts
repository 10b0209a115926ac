/**
 * The program as people start it: real processes, on loopback.
 * @module
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startProgram, type Program } from '../helpers/program.ts'

interface NodeStats {
  readonly quotaBytes: number
  readonly outbox: { readonly used: number }
}

let folder = ''
const running = new Set<ChildProcess>()
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-swarm-'))
})
after(async () => {
  for (const child of running) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

function shoal(...argv: string[]): Program {
  return shoalWith({}, ...argv)
}

function shoalWith(env: Readonly<Record<string, string>>, ...argv: string[]): Program {
  const program = startProgram(argv, { TMPDIR: folder, ...env })
  const { child, ended } = program
  running.add(child)
  void ended.then(() => running.delete(child))
  return program
}

function start(name: string, bootstrap: string, ...more: string[]): Program {
  const where = ['--data-dir', join(folder, name), '--port', '0', '--listen-host', '127.0.0.1']
  const how = ['--store-size', '64MiB', '--network', 'cli-test', '--bootstrap', bootstrap]
  return shoal('start', ...where, ...how, ...more)
}

async function gatewayOf(program: Program): Promise<string> {
  const line = await program.line(/^gateway /)
  assert.match(line, /^gateway http:\/\/127\.0\.0\.1:\d+\/$/)
  return line.slice('gateway '.length)
}

test('what is put on one node is got on another, and both end when told', async () => {
  const entry = shoal('bootstrap', '--port', '0')
  const address = (await entry.line(/^bootstrap /)).slice('bootstrap '.length)
  const nodes = [start('a', address), start('b', address), start('c', address)]
  const [one = '', , three = ''] = await Promise.all(nodes.map(gatewayOf))
  const content = randomBytes(200_000)
  const path = join(folder, 'a file.bin')
  await writeFile(path, content)

  const put = shoal('put', path, '--gateway', one)
  assert.equal(await put.ended, 0, put.stderr())
  assert.equal(put.lines.length, 1)
  assert.match(put.lines[0] ?? '', /^CHK@.*\/a%20file\.bin$/)

  const copy = join(folder, 'copy.bin')
  const get = shoal('get', put.lines[0] ?? '', '-o', copy, '--gateway', three)
  assert.equal(await get.ended, 0, get.stderr())
  assert.ok((await readFile(copy)).equals(content))

  const status = shoal('status', '--json', '--gateway', three)
  assert.equal(await status.ended, 0, status.stderr())
  assert.ok((JSON.parse(status.lines.join('')) as { peers: number }).peers >= 1)

  for (const program of [...nodes, entry]) {
    program.child.kill('SIGTERM')
    assert.equal(await program.ended, 0, program.stderr())
  }
})

test('a second node on the same folder, a port in use and a file as folder are one line each', async () => {
  const node = start('taken', 'none')
  const gateway = await gatewayOf(node)
  const port = new URL(gateway).port
  await writeFile(join(folder, 'a-file'), '')
  const failing = [
    start('taken', 'none'),
    start('other', 'none', '--port', port),
    start('a-file', 'none'),
    start(join('a-file', 'below'), 'none'),
  ]
  for (const program of failing) {
    assert.equal(await program.ended, 1, program.stderr())
    assert.match(program.stderr(), /^shoal start: .*\n$/)
    assert.equal(program.lines.length, 0)
  }
  node.child.kill('SIGTERM')
  assert.equal(await node.ended, 0, node.stderr())
})

test('a lone node inserts, says that it has no peers, and reads back what it took', async () => {
  const node = start('lone', 'none')
  const gateway = await gatewayOf(node)
  const path = join(folder, 'lone.txt')
  await writeFile(path, 'one fish')
  const waiting = shoal('put', path, '--gateway', gateway)
  const uri = await waiting.line(/^CHK@/)
  await once(waiting.child.stderr ?? waiting.child, 'data')
  assert.match(waiting.stderr(), /no peers/)
  waiting.child.kill('SIGINT')
  assert.equal(await waiting.ended, 1)
  const get = shoal('get', uri, '--gateway', gateway)
  await get.ended
  assert.deepEqual(get.lines, ['one fish'])
  node.child.kill('SIGINT')
  assert.equal(await node.ended, 0, node.stderr())
})

test('a store is counted, checked, resized and locked while its node runs, and keeps its size', async () => {
  const dataDir = join(folder, 'cared-for')
  const first = start('cared-for', 'none')
  const gateway = await gatewayOf(first)
  const path = join(folder, 'cared-for.bin')
  await writeFile(path, randomBytes(1_000_000))
  const put = shoal('put', path, '--no-wait', '--gateway', gateway)
  assert.equal(await put.ended, 0, put.stderr())
  const grown = shoal('store', 'resize', '128MiB', '--gateway', gateway)
  assert.equal(await grown.ended, 0, grown.stderr())
  assert.deepEqual(grown.lines, ['the store may take 128 MiB'])
  const shrunk = shoal('store', 'resize', '96MiB', '--gateway', gateway)
  assert.equal(await shrunk.ended, 0, shrunk.stderr())
  const checked = shoal('store', 'check', '--gateway', gateway)
  assert.equal(await checked.ended, 0, checked.stderr())
  assert.match(checked.lines[0] ?? '', /^\d+ slots checked, all of them good$/)
  const words = join(folder, 'words')
  await writeFile(words, 'open sesame\n')
  const locked = shoal('store', 'passphrase', '--data-dir', dataDir, '--new-passphrase-file', words)
  assert.equal(await locked.ended, 0, locked.stderr())
  first.child.kill('SIGTERM')
  assert.equal(await first.ended, 0, first.stderr())

  const where = ['--data-dir', dataDir, '--port', '0', '--network', 'cli-test']
  const wrong = shoalWith({ SHOAL_PASSPHRASE: 'open' }, 'start', ...where, '--bootstrap', 'none')
  assert.equal(await wrong.ended, 1)
  assert.match(wrong.stderr(), /the passphrase is wrong \(E_PASSPHRASE\)\n$/)
  const env = { SHOAL_PASSPHRASE: 'open sesame' }
  const second = shoalWith(env, 'start', ...where, '--bootstrap', 'none')
  const again = await gatewayOf(second)
  const stats = shoal('store', 'stats', '--json', '--gateway', again)
  assert.equal(await stats.ended, 0, stats.stderr())
  const { quotaBytes, outbox } = JSON.parse(stats.lines.join('')) as NodeStats
  assert.equal(quotaBytes, 96 * 1024 * 1024)
  assert.ok(outbox.used >= 31, `${outbox.used} blocks of the insert wait`)
  assert.equal(second.stderr(), '')
  const copy = join(folder, 'cared-for.copy')
  const get = shoal('get', put.lines[0] ?? '', '-o', copy, '--gateway', again)
  assert.equal(await get.ended, 0, get.stderr())
  assert.ok((await readFile(copy)).equals(await readFile(path)))
  second.child.kill('SIGTERM')
  assert.equal(await second.ended, 0, second.stderr())

  const third = shoalWith(env, 'start', ...where, '--bootstrap', 'none', '--store-size', '64MiB')
  await gatewayOf(third)
  assert.match(third.stderr(), /^store: it goes from 96 MiB to 64 MiB in the background\n/)
  third.child.kill('SIGTERM')
  assert.equal(await third.ended, 0, third.stderr())
})

test('a node whose store is destroyed ends by itself, and nothing but its publisher keys is left', async () => {
  const dataDir = join(folder, 'doomed')
  const node = start('doomed', 'none')
  const gateway = await gatewayOf(node)
  const path = join(folder, 'doomed.txt')
  await writeFile(path, randomBytes(500_000))
  const put = shoal('put', path, '--no-wait', '--gateway', gateway)
  assert.equal(await put.ended, 0, put.stderr())
  const panic = shoal('panic', '--data-dir', dataDir, '--yes')
  assert.equal(await panic.ended, 0, panic.stderr())
  assert.equal(await node.ended, 1)
  assert.match(node.stderr(), /shoal start: store\.key was destroyed: .*\n$/)
  const left = (await readdir(dataDir)).filter((name) => !name.startsWith('keyring'))
  assert.deepEqual(left, [])
})

test('a first start on the public network serves at once, while its place on the ring is being solved', async () => {
  const dataDir = join(folder, 'first')
  await mkdir(dataDir, { mode: 0o700 })
  // its puzzle takes over 1,600 tries: more than this test waits for
  await writeFile(join(dataDir, 'node.key'), Buffer.alloc(32, 1))
  const entry = shoal('bootstrap', '--port', '0')
  const address = (await entry.line(/^bootstrap /)).slice('bootstrap '.length)
  const where = ['--data-dir', dataDir, '--port', '0', '--listen-host', '127.0.0.1']
  const node = shoal('start', ...where, '--store-size', '64MiB', '--bootstrap', address)
  const gateway = await gatewayOf(node)
  const path = join(folder, 'first.txt')
  await writeFile(path, 'one fish')
  const put = shoal('put', path, '--no-wait', '--gateway', gateway)
  assert.equal(await put.ended, 0, put.stderr())
  assert.equal(await (await fetch(`${gateway}${put.lines[0]}`)).text(), 'one fish')
  // whose key is that of the first, with another letter at its beginning
  const strange = (put.lines[0] ?? '').replace(/@./, (first) => (first === '@B' ? '@C' : '@B'))
  const missing = await fetch(`${gateway}${strange}`)
  assert.deepEqual([missing.status, missing.headers.get('retry-after')], [503, '5'])
  assert.match(await missing.text(), /solving its place on the ring, once: \d+ % of the expected/)
  while (!node.stderr().endsWith('\n')) await sleep(20)
  node.child.kill('SIGINT')
  assert.equal(await node.ended, 0, node.stderr())
  assert.equal((await readdir(dataDir)).includes('node.proof'), false)
  assert.match(node.stderr(), /^solving its place on the ring, once: about \d+ s of work, .*\n$/)
  entry.child.kill('SIGINT')
  assert.equal(await entry.ended, 0, entry.stderr())
})

test('the demo prints URLs that work, and leaves nothing behind', async () => {
  const demo = shoal('demo', '--nodes', '3')
  await demo.line(/Ctrl-C/)
  const urlOf = (title: string): string =>
    /http:\S+$/.exec(demo.lines.find((line) => line.trim().startsWith(title)) ?? '')?.[0] ?? ''
  const page = await fetch(urlOf('page'))
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
  assert.match(await page.text(), /<video src="\/CHK@/)
  const film = await fetch(urlOf('film'), { headers: { range: 'bytes=-1000' } })
  assert.equal(film.status, 206)
  assert.equal(film.headers.get('content-type'), 'video/webm')
  assert.equal((await film.arrayBuffer()).byteLength, 1000)
  const picture = await fetch(urlOf('picture'))
  assert.equal(picture.headers.get('content-type'), 'image/jpeg')
  await picture.arrayBuffer()
  const site = await fetch(urlOf('site'))
  assert.match(site.url, /\/USK@[^/]+\/site\/0\/$/)
  assert.match(await site.text(), /<video src="shoal\.webm"/)
  const shown = await fetch(`${site.url}shoal.jpg`)
  assert.equal(shown.headers.get('content-type'), 'image/jpeg')
  await shown.arrayBuffer()

  demo.child.kill('SIGINT')
  assert.equal(await demo.ended, 0, demo.stderr())
  const left = (await readdir(folder)).filter((name) => name.startsWith('shoal-demo-'))
  assert.deepEqual(left, [])
  await assert.rejects(fetch(urlOf('page')))
})
