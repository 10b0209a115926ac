/**
 * How failures of the disk become the two errors that callers know.
 * @module
 */
import { ShoalError, isShoalError } from '../errors.ts'

const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'E_STORE_FULL'])
/** How RocksDB says that a file is not what it wrote, or that it cannot be read; it has no code for it. */
const DAMAGE = /corrupt|mismatch|magic number|truncated|bad block|while pread|while reading/i

/** E_STORE_FULL for a full disk, else E_STORE_IO; a ShoalError passes unchanged. */
export function toStoreError(error: unknown): ShoalError {
  if (isShoalError(error)) return error
  const options = { cause: error }
  if (isDiskFull(error)) return new ShoalError('E_STORE_FULL', 'the disk is full', options)
  return new ShoalError('E_STORE_IO', 'the data directory cannot be read or written', options)
}

/** Whether the disk said no, as against a mistake in the program. */
export function isDiskError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const isSystem = 'code' in error && !isShoalError(error) && !String(error.code).startsWith('ERR_')
  return isSystem || isDiskError(error.cause)
}

export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && FULL_CODES.has(String(error.code))) return true
  return error.message.includes('No space left') || isDiskFull(error.cause)
}

/** Whether the index itself is at fault: it then stays so, whatever is tried again. */
export function isDamage(error: unknown): boolean {
  return error instanceof Error && (DAMAGE.test(error.message) || isDamage(error.cause))
}
