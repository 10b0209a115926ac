/** `shoal start` before it serves. @module */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { Interruption } from '../../src/cli/failures.ts'
import { runCli } from '../helpers/cli-io.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-start-'))
})
after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

test('Ctrl-C while the store is opened ends the start before it serves', async () => {
  const where = ['--data-dir', join(folder, 'opening'), '--store-size', '64MiB', '--port', '0']
  const signal = AbortSignal.abort(new Interruption())
  const { exit, stdout, stderr } = await runCli(['start', ...where, '--bootstrap', 'none'], {
    signal,
  })
  assert.deepEqual([exit, stdout, stderr], [1, '', 'shoal start: interrupted\n'])
})
