/**
 * One try of the download of a folder: every file that is not there yet, one after the other, and then the
 * whole to its place. What somebody else named is refused before the disk sees it.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { nameFault } from '../keys/names.ts'
import { formatUri, parseUri } from '../keys/uri.ts'
import type { ShoalUri } from '../keys/uri.ts'
import type { FetchOutcome, FolderEntry, Node } from '../node-types.ts'
import { download, noFile, NOTHING_KEPT } from './download.ts'
import type { DownloadRequest, Kept, Missing } from './download.ts'
import { checkRoom, removePart } from './target-file.ts'
import { PartFolder } from './target-folder.ts'
import type { Names } from './target-folder.ts'

/** As deep as a node inserts them: deeper ones were made to have no end. */
const MAX_DEPTH = 64
/** Folders beyond one for each file: a few blocks can claim any number of empty ones. */
const MAX_SPARE_FOLDERS = 20_000
const MAX_FOLDERS = 1_000_000

type Listing = Extract<FetchOutcome, { type: 'folder' }>

/** True for a key that ends with a slash: everything below it is downloaded. */
export function isFolderUri({ path }: ShoalUri): boolean {
  return path.at(-1) === ''
}

/** @throws ShoalError E_URI where the files of a folder could come from several editions. */
export function checkPinned(uri: ShoalUri): void {
  if (uri.type !== 'usk' || (uri.edition !== 'latest' && uri.edition >= 0)) return
  throw new ShoalError(
    'E_URI',
    'Not a valid key: edition: a folder is downloaded in one edition, which the key has to name.',
  )
}

/**
 * As `download`, of a folder; what nobody has does not keep the rest from coming. @throws ShoalError E_FOLDER for
 * names that no file may have and for folders without end, and as `download`.
 */
export async function downloadFolder(
  request: DownloadRequest,
  fetch: Node['fetch'],
): Promise<Missing | undefined> {
  const { path, kept } = request
  if (kept.isWhole === true && (await PartFolder.isInPlace(path))) {
    await removePart(request, true)
    return undefined
  }
  const root = await listingOf(request, [], fetch)
  if (typeof root === 'string') return root
  const { identity } = root
  if (kept.identity !== undefined && kept.identity !== identity) {
    await root.entries[Symbol.asyncIterator]().return?.()
    await removePart(request, true)
    await request.onkept(NOTHING_KEPT)
    return downloadFolder({ ...request, kept: NOTHING_KEPT }, fetch)
  }
  const sizeBytes = await sizeOf(root)
  const folder =
    kept.identity === undefined ? await create(request, identity) : await PartFolder.open(path)
  request.onsize(sizeBytes)
  // later for each file as it comes: how much is there is not known before
  if (kept.identity === undefined) await checkRoom(path, sizeBytes)
  const missing = await new FolderDownload({ ...request, identity }, folder, fetch).run()
  if (missing !== undefined) return missing
  request.signal.throwIfAborted()
  await request.onkept({ bytes: sizeBytes, digest: '', identity, isWhole: true })
  await folder.finish()
  return undefined
}

/** It is recorded before it is there, so that after a crash it can be told from the part of somebody else. */
async function create({ path, onkept }: DownloadRequest, identity: string): Promise<PartFolder> {
  await PartFolder.checkNone(path)
  await onkept({ ...NOTHING_KEPT, identity })
  try {
    await PartFolder.make(path)
  } catch (error) {
    await onkept(NOTHING_KEPT) // what is there is not ours
    throw error
  }
  return PartFolder.open(path)
}

async function sizeOf({ entries }: Listing): Promise<number> {
  let bytes = 0
  for await (const { size } of entries) bytes += size
  return bytes
}

async function listingOf(
  { uri, signal }: DownloadRequest,
  names: Names,
  fetch: Node['fetch'],
): Promise<Listing | Missing> {
  const outcome = await fetch(parseUri(below(uri, [...names, ''])), { signal, listing: true })
  if (outcome.type === 'folder') return outcome
  if (outcome.type === 'found') {
    await outcome.stream.cancel()
    throw new ShoalError('E_FOLDER', 'That is a file: leave out the slash at the end of its key.')
  }
  if (outcome.type === 'not-found' || outcome.type === 'no-peers' || outcome.type === 'timed-out') {
    return outcome.type
  }
  throw noFile(outcome.type)
}

/** The key of what is in a folder. */
function below(uri: string, names: Names): string {
  const folder = parseUri(uri)
  return formatUri({ ...folder, path: [...folder.path.slice(0, -1), ...names] })
}

class FolderDownload {
  readonly #request: DownloadRequest & { readonly identity: string }
  readonly #folder: PartFolder
  readonly #fetch: Node['fetch']
  readonly #waiting: Names[] = [[]]
  #file: Kept['file']
  #bytes = 0
  #files = 0
  #folders = 0

  constructor(
    request: DownloadRequest & { readonly identity: string },
    folder: PartFolder,
    fetch: Node['fetch'],
  ) {
    this.#request = request
    this.#folder = folder
    this.#fetch = fetch
    this.#file = request.kept.file
  }

  /** What was missing; undefined: all is there. */
  async run(): Promise<Missing | undefined> {
    let missing: Missing | undefined
    for (let names = this.#waiting.pop(); names !== undefined; names = this.#waiting.pop()) {
      const result = await this.#takeAll(names)
      if (result === 'no-peers' || result === 'timed-out') return result
      missing ??= result
    }
    return missing
  }

  async #takeAll(names: Names): Promise<Missing | undefined> {
    const listing = await listingOf(this.#request, names, this.#fetch)
    if (typeof listing === 'string') return listing
    let missing: Missing | undefined
    for await (const entry of listing.entries) {
      this.#request.signal.throwIfAborted()
      const result = await this.#take([...names, checkedName(entry)], entry)
      if (result === 'no-peers' || result === 'timed-out') return result
      missing ??= result
    }
    return missing
  }

  async #take(names: Names, { type, size }: FolderEntry): Promise<Missing | undefined> {
    if (names.length > MAX_DEPTH) throw endless(`lies over ${MAX_DEPTH} folders deep`)
    if (type === 'folder') {
      const most = Math.min(MAX_FOLDERS, MAX_SPARE_FOLDERS + this.#files)
      if (++this.#folders > most) throw endless(`has over ${most} folders`)
      await this.#folder.addFolder(names)
      this.#waiting.push(names)
      return undefined
    }
    const isThere = await this.#folder.has(names, size)
    const missing = isThere ? undefined : await this.#takeFile(names)
    if (missing !== undefined) return missing
    this.#files++
    this.#bytes += size
    this.#request.onbytes(this.#bytes)
    return undefined
  }

  async #takeFile(names: Names): Promise<Missing | undefined> {
    const { uri, pieceBytes, signal, onbytes } = this.#request
    const before = this.#bytes
    const name = names.join('/')
    const kept = this.#file?.name === name ? this.#file.kept : NOTHING_KEPT
    const place = { path: this.#folder.placeOf(names), part: this.#folder.part }
    if (kept === NOTHING_KEPT) await removePart(place) // of a file before it
    const request: DownloadRequest = {
      ...place,
      uri: below(uri, names),
      overwrite: false,
      kept,
      pieceBytes,
      signal,
      onsize: () => {},
      onbytes: (bytes) => {
        onbytes(before + bytes)
      },
      onkept: (now) => this.#keep(name, now),
    }
    return download(request, this.#fetch)
  }

  /** A file that is whole needs no record: it is there, or what was kept before still counts. */
  async #keep(name: string, kept: Kept): Promise<void> {
    if (kept.isWhole === true) return
    const file = kept.bytes === 0 ? undefined : { name, kept }
    if (file === undefined && this.#file === undefined) return
    this.#file = file
    const { identity, onkept } = this.#request
    await onkept({ bytes: this.#bytes + kept.bytes, digest: '', identity, file })
  }
}

/** @throws ShoalError E_FOLDER */
function checkedName({ name }: FolderEntry): string {
  const fault = nameFault(name)
  if (fault === undefined) return name
  throw new ShoalError('E_FOLDER', `The folder holds a name that ${fault}.`)
}

function endless(what: string): ShoalError {
  return new ShoalError('E_FOLDER', `The folder ${what}.`)
}
