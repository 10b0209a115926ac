/**
 * What a gateway does not serve, for operators who share one: a file of hashes, one a line, so that the
 * list itself leads to nothing. It is read again when it changes.
 * @module
 */
import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'

import type { Request, RequestHandler } from 'express'

import { isShoalError, ShoalError } from '../errors.ts'
import type { ShoalUri } from '../keys/uri.ts'
import { formatUri, parseUri } from '../keys/uri.ts'
import type { Logger } from '../runtime.ts'
import { isKeyAttempt } from './safe/key-path.ts'
import { queryOf, rawPath } from './target.ts'

/** Longest list, bytes: some 120,000 keys. */
const MAX_LIST_BYTES = 8 * 1024 * 1024
/** How often the file is looked at, ms. */
const LOOK_MS = 2000
const HASH = /^[0-9a-f]{64}$/

/**
 * What stands in the list for a key: SHA-256, hex, of its canonical text without name, edition and path,
 * and for a CHK without what says how it is to be read. So every spelling, file and edition of what it
 * names has the same.
 */
export function denyHash(uri: ShoalUri): string {
  return createHash('sha256').update(denyText(uri)).digest('hex')
}

function denyText(uri: ShoalUri): string {
  const whole = { ...uri, path: [] }
  if (whole.type === 'chk') {
    const text = formatUri({ ...whole, name: undefined })
    return text.slice(0, text.lastIndexOf(','))
  }
  const text = formatUri(whole.type === 'usk' ? { ...whole, edition: 0 } : whole)
  return whole.type === 'usk' ? text.replace(/\/0\/?$/, '') : text.replace(/\/$/, '')
}

export interface DenyList {
  has(uri: ShoalUri): boolean
  /** Reads the file again where it has changed. Never rejects. */
  refresh(): Promise<void>
  /** Stops looking at the file. */
  close(): void
}

/**
 * Reads the list, and again every 2 s if the file has changed; what cannot be read then is told to `logger`,
 * and the list of before holds. `onread` is told each time it was read, the first included. @throws ShoalError
 * E_OPTION where it cannot be read now.
 */
export async function openDenyList(
  file: string,
  logger: Logger,
  onread: (has: DenyList['has']) => void = () => {},
): Promise<DenyList> {
  let { version, hashes } = await readList(file)
  const has = (uri: ShoalUri): boolean => hashes.has(denyHash(uri))
  const refresh = async (): Promise<void> => {
    try {
      if ((await versionOf(file)) === version) return
      ;({ version, hashes } = await readList(file))
      logger.info(`deny-list: read again, keys in it: ${hashes.size}`)
      onread(has)
    } catch (error) {
      const words = isShoalError(error) ? error.message : 'the file cannot be read'
      version = await versionOf(file).catch(() => 'none') // told once, not every 2 s
      logger.warn(`deny-list: the list of before holds: ${words}`)
    }
  }
  let looking = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking.then(refresh)
  }, LOOK_MS)
  timer.unref()
  onread(has)
  return {
    has,
    refresh,
    close: () => {
      clearInterval(timer)
    },
  }
}

/** Refuses what asks for a key on the list, as content or over the API. @throws ShoalError E_DENIED, E_URI */
export function createDenyCheck(list: Pick<DenyList, 'has'>): RequestHandler {
  return (request, _response, next) => {
    const uri = uriIn(request)
    if (uri !== undefined && list.has(uri)) {
      throw new ShoalError('E_DENIED', 'The operator of this gateway does not serve this key.')
    }
    next()
  }
}

/** The key that a request names. @throws ShoalError E_URI where it is the malformed path. */
function uriIn(request: Request): ShoalUri | undefined {
  const path = rawPath(request)
  if (isKeyAttempt(path)) return parseUri(path.slice(1))
  const text = path.startsWith('/api/') ? queryOf(request).get('uri') : null
  if (text === null) return undefined
  try {
    return parseUri(text)
  } catch {
    return undefined // its own route says what is wrong with it
  }
}

interface ReadList {
  readonly version: string
  readonly hashes: ReadonlySet<string>
}

/** Another one whenever the file is written. */
async function versionOf(file: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(file)
  return `${mtimeMs} ${size} ${ino}`
}

async function readList(file: string): Promise<ReadList> {
  const version = await versionOf(file).catch((cause: unknown) => {
    throw new ShoalError('E_OPTION', 'deny-list: the file cannot be read', { cause })
  })
  const hashes = new Set<string>()
  for (const [at, line] of (await readBounded(file)).split('\n').entries()) {
    const word = line.replace(/#.*/, '').trim().toLowerCase()
    if (word === '') continue
    if (!HASH.test(word)) {
      throw new ShoalError('E_OPTION', `deny-list: line ${at + 1} is no hash of 64 hex digits`)
    }
    hashes.add(word)
  }
  return { version, hashes }
}

async function readBounded(file: string): Promise<string> {
  try {
    await using handle = await open(file)
    const { size } = await handle.stat()
    if (size > MAX_LIST_BYTES) {
      throw new ShoalError('E_OPTION', `deny-list: longer than ${MAX_LIST_BYTES} bytes`)
    }
    return await handle.readFile('utf8')
  } catch (cause) {
    if (isShoalError(cause)) throw cause
    throw new ShoalError('E_OPTION', 'deny-list: the file cannot be read', { cause })
  }
}
