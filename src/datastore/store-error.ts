/**
 * How failures of the disk become the two errors that callers know.
 * @module
 */
import { ShoalError, isShoalError } from '../errors.ts'

const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'E_STORE_FULL'])
/** How RocksDB says that a file is not what it wrote: it has the code EIO for everything. */
const DAMAGE = /corrupt|mismatch|magic number|truncated|bad block/i
/** And how, before it names the file, that the system refused something: the next time it may not. */
const REFUSED = /^[^/\\]*\bwhile /i
const UNREADABLE = 'the index cannot be read at the moment'

/** Memory for so many slots is refused, and by which words. */
const NO_MEMORY = /array buffer allocation|invalid (?:typed )?array (?:buffer )?length/i

/** E_STORE_FULL for a full disk, else E_STORE_IO; a ShoalError passes unchanged. */
export function toStoreError(error: unknown): ShoalError {
  if (isShoalError(error)) return error
  const options = { cause: error }
  if (isDiskFull(error)) return new ShoalError('E_STORE_FULL', 'the disk is full', options)
  if (error instanceof RangeError && NO_MEMORY.test(error.message)) {
    const message = 'there is not enough memory for a store as large as store.json says'
    return new ShoalError('E_STORE_IO', message, options)
  }
  return new ShoalError('E_STORE_IO', 'the data directory cannot be read or written', options)
}

/** What is to be said where a folder, or something else that is no file, has the name of a file. */
export function inTheWay(name: string): ShoalError {
  const message = `${name} is no file: move it away, and put back the file if there is a copy`
  return new ShoalError('E_STORE_IO', message)
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

/**
 * Whether the files of the index are at fault: they then stay so, whatever is tried again. A read that the
 * system refuses says nothing of them.
 */
export function isDamage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const isOfFile = DAMAGE.test(error.message) && !REFUSED.test(error.message)
  return isOfFile || isDamage(error.cause)
}

/** What the index says where it cannot be asked: nothing follows from that, and later it may answer. */
export function unreadableIndex(cause?: unknown): ShoalError {
  return new ShoalError('E_STORE_IO', UNREADABLE, { cause })
}

/** Whether `unreadableIndex` made it. */
export function isUnreadableIndex(error: unknown): boolean {
  return isShoalError(error) && error.message === UNREADABLE
}
