/**
 * A folder on disk as the stream of files that is inserted. It is looked through twice: first for
 * sizes and faults, so that nothing is sent of a folder that cannot be sent whole, then to read it.
 * @module
 */
import type { FolderItem, FolderItems } from '../node-types.ts'
import { CommandError, systemCode } from './failures.ts'
import { DISK, walkFolder, type Disk, type WalkEntry } from './folder-walk.ts'
import { oneLine, writeLine, type Io } from './io.ts'

/** Faults that are listed one by one; of the others only the number is told. */
const FAULTS_LISTED = 10
/** Few system calls a MiB, little memory. */
const READ_BYTES = 256 * 1024
/** What stands among the sizes for what has none. */
const FOLDER = -1
const LEFT_OUT = -2

type FileEntry = Extract<WalkEntry, { type: 'file' }>

export interface FolderSurvey {
  /** Of all files. */
  readonly sizeBytes: number
  /**
   * Reads the folder. Throws CommandError where it is no longer what it was. `onRead` is told how many
   * bytes of files have been read so far.
   */
  items(onRead: (readBytes: number) => void): FolderItems
}

export interface SurveyRequest {
  readonly root: string
  /** Leaves out what cannot be inserted, in place of refusing the whole folder. */
  readonly isSkipping: boolean
  readonly io: Pick<Io, 'stderr' | 'signal'>
  /** Told how many files and folders there are so far. */
  readonly onEntry?: (entries: number) => void
  /** Tests put one with faults here. */
  readonly disk?: Disk
}

/**
 * The first look: adds up sizes, and tells on stderr what cannot be inserted.
 * @throws CommandError where there is such a thing, unless it is to be left out.
 */
export async function surveyFolder(request: SurveyRequest): Promise<FolderSurvey> {
  const { root, io, disk = DISK } = request
  // One number an entry: what the second look must find again.
  const sizes: number[] = []
  const faults = new FaultList(request)
  let sizeBytes = 0
  for await (const entry of walkFolder(root, disk)) {
    io.signal.throwIfAborted()
    sizes.push(sizeOf(entry))
    if (entry.type === 'fault') faults.add(entry.path, entry.what)
    if (entry.type === 'file') sizeBytes += entry.size
    request.onEntry?.(sizes.length)
  }
  faults.finish()
  return { sizeBytes, items: (onRead) => readItems(request, sizes, onRead) }
}

function sizeOf(entry: WalkEntry): number {
  if (entry.type === 'file') return entry.size
  return entry.type === 'folder' ? FOLDER : LEFT_OUT
}

class FaultList {
  readonly #request: SurveyRequest
  #count = 0

  constructor(request: SurveyRequest) {
    this.#request = request
  }

  add(path: string, what: string): void {
    const { isSkipping, io } = this.#request
    this.#count++
    if (!isSkipping && this.#count > FAULTS_LISTED) return
    const words = oneLine(`${JSON.stringify(path)} ${what}`)
    writeLine(io.stderr, isSkipping ? `left out: ${words}` : `cannot be inserted: ${words}`)
  }

  finish(): void {
    if (this.#request.isSkipping || this.#count === 0) return
    const more = this.#count - FAULTS_LISTED
    if (more > 0) writeLine(this.#request.io.stderr, `and ${more} more`)
    throw new CommandError(
      'the folder cannot be inserted whole, and nothing was sent: --skip-unreadable leaves out what is listed above',
    )
  }
}

async function* readItems(
  request: SurveyRequest,
  sizes: readonly number[],
  onRead: (readBytes: number) => void,
): AsyncGenerator<FolderItem, void> {
  const { root, disk = DISK } = request
  let at = 0
  let readBytes = 0
  const count = (bytes: number): void => {
    readBytes += bytes
    onRead(readBytes)
  }
  // Opening a file tells again whether it can be read.
  const known = { ...disk, checkReadable: () => Promise.resolve() }
  for await (const entry of walkFolder(root, known)) {
    const expected = sizes[at++]
    if (expected === LEFT_OUT) continue
    if (entry.type === 'fault' || sizeOf(entry) !== expected) {
      throw changed(`the folder changed at ${JSON.stringify(entry.path)}`)
    }
    if (entry.type === 'folder') {
      yield entry
      continue
    }
    const { path, size } = entry
    yield { type: 'file', path, size, content: readFile(entry, disk, count) }
  }
  if (at !== sizes.length) throw changed('the folder changed')
}

function changed(what: string): CommandError {
  return new CommandError(`${what} while it was read: nothing was inserted`)
}

/** @throws CommandError where there is not exactly what the first look saw. */
async function* readFile(
  { path, source, size }: FileEntry,
  disk: Disk,
  onPart: (bytes: number) => void,
): AsyncGenerator<Buffer, void> {
  const name = JSON.stringify(path)
  const file = await disk.open(source).catch((cause: unknown) => {
    const code = systemCode(cause) ?? 'unknown'
    throw new CommandError(`${name} cannot be read (${code}): nothing was inserted`, { cause })
  })
  try {
    let left = size
    let isEnd = false
    while (!isEnd) {
      // One byte more than there should be: a file that grew shows.
      const part = Buffer.allocUnsafe(Math.min(READ_BYTES, left + 1))
      const { bytesRead } = await file.read(part, 0, part.length)
      left -= bytesRead
      isEnd = left === 0 && bytesRead < part.length
      if (left < 0 || (bytesRead === 0 && !isEnd)) throw changed(`${name} changed`)
      onPart(bytesRead)
      if (bytesRead > 0) yield part.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}
