/**
 * `shoal put` of a large file where one of the two processes is killed in the middle: real processes, a
 * real store, and a line between them that stops after so many bytes and counts them.
 * @module
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const MIB = 1024 * 1024
const FILE_BYTES = 68 * MIB
/** Where the line stops: after two checkpoints, which lie 16 MiB apart, and before the third. */
const CUT_BYTES = 40 * MIB
const KEPT_BYTES = 32 * MIB
const BLOCK_BYTES = 32 * 1024
const REQUEST_BYTES = 64 * 1024

interface Program {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>
}

function shoal(t: TestContext, ...argv: readonly string[]): Program {
  const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()))
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, stdout: () => stdout, stderr: () => stderr, ended }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    assert.ok(tries < 3000, `it never came: ${what}`)
    await sleep(20)
  }
}

/** A node without peers. Resolves with its port when it serves. */
async function startNode(t: TestContext, folder: string): Promise<{ node: Program; port: number }> {
  const where = ['--data-dir', join(folder, 'data'), '--store-size', '64MiB', '--port', '0']
  const node = shoal(t, 'start', ...where, '--bootstrap', 'none', '--network', 'killed')
  await until(`gateway: ${node.stderr()}`, () => node.stdout().includes('\n'))
  return { node, port: Number(new URL(node.stdout().slice('gateway '.length)).port) }
}

/** Goes to `port`, and lets only `mostBytes` through to there. */
async function startLine(t: TestContext, port: number) {
  const sockets = new Set<Socket>()
  const line = { port, mostBytes: CUT_BYTES, passedBytes: 0 }
  const server = createServer((client) => {
    const node = connect(line.port, '127.0.0.1')
    for (const [one, other] of [
      [client, node],
      [node, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {}) // the other end was killed
      one.on('close', () => other.destroy())
    }
    node.pipe(client)
    client.on('data', (part) => {
      line.passedBytes += part.length
      const isOver = line.passedBytes >= line.mostBytes
      if (!node.write(part) || isOver) client.pause()
    })
    node.on('drain', () => {
      if (line.passedBytes < line.mostBytes) client.resume()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port: own } = server.address() as AddressInfo
  return Object.assign(line, { gateway: `http://127.0.0.1:${own}/` })
}

/** The second segment is committed and told to the journal when the third has begun. */
async function untilKept(port: number): Promise<void> {
  await until('the second checkpoint', async () => {
    const { status } = await fetch(`http://127.0.0.1:${port}/api/v1/inserts/3`)
    return status === 200
  })
}

/** Few blocks, so that a small store takes them, in an order of their own. */
async function writeLargeFile(path: string): Promise<Buffer> {
  const seed = seedFromEnvironment()
  const rng = createSeededRng(seed)
  const blocks = Array.from({ length: 16 }, (_, i) => Buffer.alloc(BLOCK_BYTES, `${seed} ${i} `))
  const count = FILE_BYTES / BLOCK_BYTES
  const content = Buffer.concat(
    Array.from({ length: count }, () => blocks[rng.below(blocks.length)] ?? assert.fail()),
  )
  await using file = await open(path, 'wx')
  await file.writeFile(content)
  return content
}

async function bench(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-put-killed-'))
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const path = join(folder, 'film.webm')
  const content = await writeLargeFile(path)
  const { node, port } = await startNode(t, folder)
  const line = await startLine(t, port)
  const put = () => shoal(t, 'put', path, '--no-wait', '--gateway', line.gateway)
  const openLine = (to: number): void => {
    Object.assign(line, { port: to, mostBytes: Number.POSITIVE_INFINITY, passedBytes: 0 })
  }
  /** The key that was printed leads to the whole file, and only the rest was sent. */
  const checkEnd = async (done: Program, nodePort: number): Promise<void> => {
    assert.equal(await done.ended, 0, done.stderr())
    assert.match(done.stdout(), /^CHK@.*\/film\.webm\n$/)
    assert.match(done.stderr(), /^going on after (3[2-9]|40)(\.\d)? MiB$/m)
    const most = FILE_BYTES - KEPT_BYTES + REQUEST_BYTES
    assert.ok(line.passedBytes <= most, `${line.passedBytes} of ${FILE_BYTES} bytes again`)
    const copy = join(folder, 'copy')
    const key = done.stdout().trim()
    const get = shoal(t, 'get', key, '-o', copy, '--gateway', `http://127.0.0.1:${nodePort}/`)
    assert.equal(await get.ended, 0, get.stderr())
    assert.ok((await readFile(copy)).equals(content), 'the file is whole')
  }
  return { folder, node, port, line, put, openLine, checkEnd }
}

test('a put that is killed in the middle goes on with the next one, which sends only the rest', async (t) => {
  const { port, line, put, openLine, checkEnd } = await bench(t)
  const killed = put()
  await until('the cut', () => line.passedBytes >= CUT_BYTES)
  await untilKept(port)
  killed.child.kill('SIGKILL')
  assert.equal(await killed.ended, null)
  openLine(port)
  await checkEnd(put(), port)
})

test('a node that is killed in the middle of a put is started again, and the put goes on', async (t) => {
  const { folder, node, port, line, put, openLine, checkEnd } = await bench(t)
  const putting = put()
  await until('the cut', () => line.passedBytes >= CUT_BYTES)
  await untilKept(port)
  node.child.kill('SIGKILL')
  assert.equal(await node.ended, null)
  const again = await startNode(t, folder)
  openLine(again.port)
  await checkEnd(putting, again.port)
})

test('when both are killed the next put goes on where the node was kept', async (t) => {
  const { folder, node, port, line, put, openLine, checkEnd } = await bench(t)
  const killed = put()
  await until('the cut', () => line.passedBytes >= CUT_BYTES)
  await untilKept(port)
  killed.child.kill('SIGKILL')
  node.child.kill('SIGKILL')
  await Promise.all([killed.ended, node.ended])
  const again = await startNode(t, folder)
  openLine(again.port)
  await checkEnd(put(), again.port)
})
