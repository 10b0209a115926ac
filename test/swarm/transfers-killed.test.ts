/**
 * Downloads to disk of a node that is killed when the part appears, soon after, or when the whole does: real
 * processes, a real store, a real disk.
 * @module
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

import { clientOf } from '../../src/cli/gateway-client.ts'
import { startProgram } from '../helpers/program.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const BLOCK_BYTES = 32 * 1024
/** More than a piece of 16 MiB, of few blocks, so that a small store takes it. */
const CONTENT = Buffer.concat(
  Array.from({ length: 600 }, (_, i) => Buffer.alloc(BLOCK_BYTES, `block ${i % 16} `)),
)

async function startNode(t: TestContext, folder: string) {
  const where = ['--data-dir', join(folder, 'data'), '--store-size', '64MiB', '--port', '0']
  const lonely = ['--bootstrap', 'none', '--network', 'killed']
  const program = startProgram(['start', ...where, ...lonely])
  const kill = async (): Promise<void> => {
    program.child.kill('SIGKILL')
    await program.ended
  }
  t.after(kill)
  const gateway = new URL((await program.line(/^gateway /)).slice('gateway '.length))
  return { gateway, client: clientOf(gateway), kill }
}

async function bench(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-transfers-killed-'))
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const source = join(folder, 'source')
  await mkdir(join(source, 'site'), { recursive: true })
  await writeFile(join(source, 'film.webm'), CONTENT)
  await writeFile(join(source, 'site', 'a.txt'), 'a')
  await writeFile(join(source, 'site', 'film.webm'), CONTENT)
  const node = await startNode(t, folder)
  const put = async (name: string): Promise<string> => {
    const where = ['--gateway', node.gateway.href]
    const program = startProgram(['put', join(source, name), '--no-wait', ...where])
    assert.equal(await program.ended, 0, program.stderr())
    return program.lines[0] ?? assert.fail('no key')
  }
  const target = join(folder, 'target')
  await mkdir(target)
  return { folder, node, put, path: join(target, 'it'), target }
}

for (const kind of ['film.webm', 'site'] as const) {
  test(`however often the node is killed, the download of ${kind} ends whole`, async (t) => {
    const seed = seedFromEnvironment()
    const rng = createSeededRng(seed)
    const { folder, node, put, path, target } = await bench(t)
    const uri = (await put(kind)).replace(/\/?$/, kind === 'site' ? '/' : '')
    let running = node
    for (const sign of [`${path}.part`, path]) {
      const { id } = await running.client.addTransfer({ uri, path })
      const delayMs = rng.below(20)
      while (!existsSync(sign)) await turn()
      if (sign !== path) await sleep(delayMs)
      await running.kill()
      running = await startNode(t, folder)
      const now = () => running.client.getTransfer(id)
      while (!/done|failed/.test((await now()).phase)) await sleep(5)
      const { phase, fault } = await now()
      assert.equal(phase, 'done', `SEED=${seed}: ${fault} after ${delayMs} ms at ${sign}`)
      assert.deepEqual(await readdir(target), ['it'])
      const whole = await readFile(kind === 'site' ? join(path, 'film.webm') : path)
      assert.ok(whole.equals(CONTENT), `SEED=${seed}`)
      await running.client.removeTransfer(id)
      await rm(path, { recursive: true })
    }
    await running.kill() // before its folder goes
  })
}
