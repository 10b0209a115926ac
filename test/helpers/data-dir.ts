/** Data directories for tests of how they are opened. @module */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { openDataDir } from '../../src/datastore/data-dir.ts'
import type { DataDir, DataDirOptions } from '../../src/datastore/data-dir.ts'
import { insertKey } from '../../src/datastore/keyspace.ts'
import { EMPTY_RECORD, encodeRecord } from '../../src/datastore/record.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { isShoalError } from '../../src/errors.ts'
import { MIB } from './disk-store.ts'

export const STORE_BYTES = 40 * MIB

export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-dir-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Opens; what it warned of is added to `warnings`. */
export function openAt(
  path: string,
  options: Partial<DataDirOptions> = {},
  warnings: string[] = [],
): Promise<DataDir> {
  return openDataDir(path, {
    storeBytes: STORE_BYTES,
    defaultBytes: 50 * MIB,
    passphrase: undefined,
    logger: { info: () => {}, warn: (line) => warnings.push(line) },
    ...options,
  })
}

export async function closeDir(dir: DataDir): Promise<void> {
  await dir.slab.close()
  await dir.index.close()
}

/** Opens and closes; what was warned of. */
export async function openAndClose(
  path: string,
  options?: Partial<DataDirOptions>,
): Promise<string[]> {
  const warnings: string[] = []
  await closeDir(await openAt(path, options, warnings))
  return warnings
}

/** A whole directory with an entry in its index and a few slots. */
export async function usedFolder(t: TestContext): Promise<string> {
  const path = await folder(t)
  await fillAt(path)
  return path
}

export async function fillAt(path: string): Promise<void> {
  const dir = await openAt(path)
  const key = insertKey(dir.keys, 7)
  const value = encodeRecord(dir.keys, key, { ...EMPTY_RECORD, area: 'insert', insertId: 7 })
  await dir.index.write([{ key: key.bytes, value }])
  await dir.slab.extend(3)
  await closeDir(dir)
}

/** Every file with a digest of its content. */
async function snapshot(path: string): Promise<string[]> {
  const lines: string[] = []
  for (const name of (await readdir(path, { recursive: true })).sort()) {
    const file = join(path, name)
    const isFile = (await stat(file)).isFile()
    const digest = isFile
      ? createHash('sha256')
          .update(await readFile(file))
          .digest('hex')
      : ''
    lines.push(`${name} ${digest}`)
  }
  return lines
}

/** Opening says so, in one line, and has changed nothing. */
export async function assertRefused(path: string, code: ErrorCode, message: RegExp): Promise<void> {
  const before = await snapshot(path)
  const opening = openAt(path, { passphrase: 'open sesame' })
  await assert.rejects(opening, (error) => {
    assert.ok(isShoalError(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.ok(!error.message.includes('\n') && error.message.length < 200, error.message)
    assert.ok(!error.message.includes('sesame') && !error.message.includes(path))
    return true
  })
  assert.deepEqual(await snapshot(path), before)
}
