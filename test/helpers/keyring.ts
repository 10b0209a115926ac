/**
 * What the keyring's tests share: folders that go away, addresses, errors by their code.
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { ShoalError } from '../../src/errors.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { blake2b256 } from '../../src/keys/primitives.ts'

/** An empty folder for the length of a test. */
export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-keyring-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** For `assert.throws`: an error of that code whose message fits. */
export function hasCode(code: ErrorCode, words = /./) {
  return (error: unknown): boolean =>
    error instanceof ShoalError && error.code === code && words.test(error.message)
}

/** Distinct addresses by their `mapKey`, the same for the same numbers. */
export function addresses(count: number, from = 0): Set<string> {
  const all = new Set<string>()
  for (let i = from; i < from + count; i++) {
    all.add(mapKey(blake2b256(Uint8Array.of(i & 255, (i >> 8) & 255, i >> 16))))
  }
  return all
}
