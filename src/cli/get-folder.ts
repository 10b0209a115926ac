/**
 * A whole folder of the network onto disk, one listing and one file after the other.
 * @module
 */
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { FolderEntry } from '../node-types.ts'
import { CommandError, systemCode } from './failures.ts'
import { GatewayError, getContent, isFolderPath, type Content } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { chosenNameFault, nameInKey } from './key-name.ts'
import { readListing } from './listing.ts'
import { createProgress, type Progress } from './progress.ts'
import { fillFile, partBeside, receive } from './receive.ts'
import { formatBytes } from './values.ts'

/** As deep as a node inserts them: deeper ones were made to have no end. */
const MAX_DEPTH = 64
/** Folders beyond one for each file: a few blocks can claim any number of empty ones. */
const MAX_SPARE_FOLDERS = 20_000
/** Folders in all. */
const MAX_FOLDERS = 1_000_000
const FALLBACK_NAME = 'folder'

export interface FolderRequest {
  readonly gateway: URL
  /** Of the folder, percent-encoded, with its slash at the end. */
  readonly path: string
  /** Does not exist yet or is empty, so that no link in it leads elsewhere. */
  readonly directory: string
}

/** Names below the outermost folder, each checked. */
type Names = readonly string[]

/** The name that a folder's path gives it; the document's where it ends with an edition. */
export function folderNameOf(path: string): string {
  const name = nameInKey(path) ?? ''
  return chosenNameFault(name) === undefined ? name : FALLBACK_NAME
}

/**
 * Fetches everything below the folder. Each file appears when it is whole. At the first thing that
 * fails it ends, and what is there stays. @throws CommandError naming that thing.
 */
export async function getFolder(request: FolderRequest, io: Io): Promise<void> {
  await makeEmpty(request.directory)
  const fetching = new FolderFetch(request, io)
  try {
    await fetching.run()
  } finally {
    await fetching.close()
  }
}

async function makeEmpty(directory: string): Promise<void> {
  try {
    await mkdir(directory)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new CommandError(`the folder ${dirname(directory)} is not there (ENOENT)`, {
        cause: error,
      })
    }
    if (systemCode(error) !== 'EEXIST') throw error
    if ((await readdir(directory)).length === 0) return
    throw new CommandError(`${directory} exists and is not empty: name another folder with -o DIR`)
  }
}

class FolderFetch {
  readonly #request: FolderRequest
  readonly #io: Io
  readonly #progress: Progress
  /** The file that is on its way, beside the folder: in it, any name may be one of its own. */
  readonly #part: string
  readonly #waiting: Names[] = [[]]
  #folders = 0
  #files = 0
  #bytes = 0

  constructor(request: FolderRequest, io: Io) {
    this.#request = request
    this.#io = io
    this.#part = partBeside(resolve(request.directory))
    this.#progress = createProgress(io.stderr, 'fetch', (bytes) => this.#amount(bytes))
  }

  async run(): Promise<void> {
    for (let names = this.#waiting.pop(); names !== undefined; names = this.#waiting.pop()) {
      const folder = names
      for (const entry of await this.#named(folder, () => this.#list(folder))) {
        const below = [...folder, entry.name]
        await this.#named(below, () => this.#take(below, entry.type))
      }
    }
    this.#progress.clear()
    const amount = this.#amount(this.#bytes)
    writeLine(this.#io.stderr, `${amount} in ${oneLine(this.#request.directory)}`)
  }

  #amount(bytes: number): string {
    return `${this.#files} file${this.#files === 1 ? '' : 's'}, ${formatBytes(bytes)}`
  }

  async close(): Promise<void> {
    this.#progress.clear()
    await rm(this.#part, { force: true })
  }

  /** Failures of the network say what they concern; the disk's name it anyway. */
  async #named<T>(names: Names, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const isTold = error instanceof CommandError || error instanceof GatewayError
      if (!isTold || names.length === 0) throw error
      const what = oneLine(JSON.stringify(names.join('/')))
      throw new CommandError(`${what}: ${error.message}`, { cause: error })
    }
  }

  async #list(names: Names): Promise<readonly FolderEntry[]> {
    return readListing((await this.#ask(names, 'folder')).response)
  }

  async #take(names: Names, type: FolderEntry['type']): Promise<void> {
    if (names.length > MAX_DEPTH) throw new CommandError(`lies over ${MAX_DEPTH} folders deep`)
    const target = join(this.#request.directory, ...names)
    if (type === 'file') {
      await this.#takeFile(names, target)
      return
    }
    const most = Math.min(MAX_FOLDERS, MAX_SPARE_FOLDERS + this.#files)
    if (++this.#folders > most) throw new CommandError(`there are over ${most} folders in it`)
    await mkdir(target) // fails where a disk without capitals knows the name already
    this.#waiting.push(names)
  }

  async #takeFile(names: Names, target: string): Promise<void> {
    const before = this.#bytes
    await fillFile(this.#part, 'new', async (part) => {
      const { response } = await this.#ask(names, 'file')
      await receive(response, part, this.#io, (received) => {
        this.#bytes = before + received
        this.#progress.show(this.#bytes, undefined)
      })
    })
    if ((await lstat(target).catch(() => undefined)) !== undefined) {
      throw new CommandError(`${target} exists already`)
    }
    await rename(this.#part, target)
    this.#files++
  }

  async #ask(names: Names, type: FolderEntry['type']): Promise<Content> {
    const { gateway, path } = this.#request
    const below = names.map(encodeURIComponent).join('/')
    const slash = type === 'folder' && below !== '' ? '/' : ''
    // all of one edition, also when the next one comes meanwhile
    const target = `${path}${below}${slash}?pinned`
    const content = await getContent(gateway, target, this.#io.signal)
    if (isFolderPath(content.path) === (type === 'folder')) return content
    content.response.destroy()
    throw new CommandError(`is no ${type}, as the listing says`)
  }
}
