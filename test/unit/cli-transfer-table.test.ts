/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { transferTable } from '../../src/cli/transfer-table.ts'
import type { Answer } from '../../src/client/index.ts'

const MIB = 1024 ** 2

function transfer(more: Partial<Answer<'Transfer'>> = {}): Answer<'Transfer'> {
  const fixed = { id: 1, uri: 'CHK@a,b,c', phase: 'queued', priority: 5, doneBytes: 0 } as const
  return { ...fixed, path: '/home/me/film.webm', ...more }
}

test('downloads are a table that a person reads', () => {
  const sizeBytes = 1200 * MIB
  const rows = transferTable([
    transfer({ phase: 'running', doneBytes: 600 * MIB, sizeBytes, bytesPerSecond: 4 * MIB }),
    transfer({ id: 2, phase: 'waiting', fault: 'E_NOT_FOUND', nextTryMs: 120_000 }),
    transfer({ id: 13, phase: 'done', doneBytes: 0, sizeBytes: 0, path: '/b', priority: 0 }),
    transfer({ id: 14, phase: 'failed', fault: 'E_STORE_FULL', doneBytes: 7, sizeBytes: 8 }),
    transfer({ id: 15, phase: 'failed', fault: 'E_NEW' }),
    transfer({ id: 16, phase: 'running', doneBytes: sizeBytes - 1, sizeBytes }),
  ])
  assert.deepEqual(rows, [
    'ID  PRIO   DONE     SIZE  FILE                STATE',
    ' 1     5   50 %  1.2 GiB  /home/me/film.webm  running, 4 MiB/s, 3 min left',
    ' 2     5                  /home/me/film.webm  waiting: nobody has it yet; next try in 2 min',
    '13     0  100 %      0 B  /b                  done',
    '14     5   87 %      8 B  /home/me/film.webm  failed: the disk is full',
    '15     5                  /home/me/film.webm  failed: E_NEW',
    '16     5   99 %  1.2 GiB  /home/me/film.webm  running',
  ])
})

test('no line is longer than 100 characters, and of a long path its end is shown', () => {
  const path = `/home/${'d'.repeat(300)}/film.webm`
  for (const fault of [
    'E_NOT_FOUND',
    'E_EXISTS',
    'E_PATH',
    'E_FOLDER',
    'E_DENIED',
    'x'.repeat(99),
  ]) {
    const rows = transferTable([
      transfer({
        path,
        id: 1000,
        sizeBytes: 1023.9 * MIB,
        phase: 'waiting',
        fault,
        nextTryMs: 6e5,
      }),
    ])
    assert.ok(
      rows.every((row) => row.length <= 100),
      rows.join('\n'),
    )
    assert.match(rows[1] ?? '', /  …d*\/film\.webm  waiting/)
  }
})

test('a path with control characters moves no cursor', () => {
  const [, row] = transferTable([transfer({ path: '/a\u001b[2J\nb' })])
  assert.equal(row, ' 1     5              /a [2J b  queued')
})

test('where there are none that is said', () => {
  assert.deepEqual(transferTable([]), ['There are none.'])
})
