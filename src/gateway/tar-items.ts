/**
 * A tar archive as the stream of its files: how folders come in. Nothing is unpacked anywhere: the
 * next header is read when the file before it has been taken, so that memory stays at a few pieces.
 * @module
 */
import type { Extract, Header } from 'tar-stream'
import { extract as createExtract } from 'tar-stream'

import { ShoalError } from '../errors.ts'
import type { FolderItem } from '../node.ts'

type Entry = Extract extends AsyncIterable<infer Item> ? Item : never

const BLOCK_BYTES = 512
/** What keeps an archive from being a folder of ours, in words. */
const KINDS: Readonly<Record<string, string>> = {
  link: 'a hard link',
  symlink: 'a symbolic link',
  'character-device': 'a device',
  'block-device': 'a device',
  fifo: 'a named pipe',
}

/**
 * The files and folders of a tar (ustar, GNU or pax), in its order. A `./` in front and slashes at the
 * end of folders are dropped. @throws ShoalError E_FOLDER for what is no file or folder and for an
 * archive that is damaged or cut off; what `body` throws comes through as it is.
 */
export async function* tarItems(body: AsyncIterable<Uint8Array>): AsyncGenerator<FolderItem, void> {
  const archive = createExtract()
  const entries = archive[Symbol.asyncIterator]()
  const feed = new Feed(archive)
  void feed.run(body)
  let end = 0
  try {
    for (;;) {
      const step = await feed.explain(entries.next())
      if (step.done === true) break
      const { header } = step.value
      end = endOf(header)
      const item = itemOf(step.value, feed)
      if (item === undefined) continue
      yield item
      step.value.resume() // what was not read must not hold the next one back
    }
    feed.checkEnd(end)
  } finally {
    archive.destroy()
  }
}

/** Gives the archive its bytes, as fast as its files are taken. */
class Feed {
  readonly #archive: Extract
  #bytes = 0
  #tail = new Uint8Array(0)
  #fault: { readonly error: unknown } | undefined

  constructor(archive: Extract) {
    this.#archive = archive
  }

  /** Never rejects: the archive ends with what `body` throws. */
  async run(body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of body) {
        if (this.#archive.destroyed) return
        this.#note(piece)
        if (!this.#archive.write(piece)) await this.#drained()
      }
      this.#archive.end(null)
    } catch (error) {
      this.#fault = { error }
      this.#archive.destroy(error instanceof Error ? error : new Error('the upload broke off'))
    }
  }

  /** Waits for `work` on the archive; what goes wrong there is the body's fault or the archive's. */
  async explain<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (cause) {
      if (this.#fault !== undefined) throw this.#fault.error
      throw new ShoalError('E_FOLDER', 'The archive is no tar, or is damaged or cut off.', {
        cause,
      })
    }
  }

  /** An archive ends with blocks of zeros: where they are missing, files may be missing too. */
  checkEnd(lastEntryEnd: number): void {
    const hasEnd =
      this.#bytes - lastEntryEnd >= BLOCK_BYTES && this.#tail.every((byte) => byte === 0)
    if (!hasEnd) throw new ShoalError('E_FOLDER', 'The archive is cut off: its end is missing.')
  }

  #note(piece: Uint8Array): void {
    this.#bytes += piece.length
    const joined = piece.length >= BLOCK_BYTES ? piece : Buffer.concat([this.#tail, piece])
    this.#tail = new Uint8Array(joined.subarray(-BLOCK_BYTES))
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#archive.off('drain', done)
        this.#archive.off('close', done)
        resolve()
      }
      this.#archive.on('drain', done)
      this.#archive.on('close', done)
    })
  }
}

/** The library reads a size of -1 as -0. */
function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0 && !Object.is(size, -0)
}

function itemOf(entry: Entry, feed: Feed): FolderItem | undefined {
  const { header } = entry
  const path = pathOf(header)
  if (header.type === 'directory') return path === '' ? undefined : { type: 'folder', path }
  const size = header.size ?? 0
  const isSparse = Object.keys(header.pax ?? {}).some((key) => key.startsWith('GNU.sparse.'))
  if (header.type !== 'file' || isSparse) {
    const kind = isSparse ? 'a sparse file' : (KINDS[header.type ?? ''] ?? 'of an unknown kind')
    throw new ShoalError(
      'E_FOLDER',
      `"${path}" is ${kind}; only files and folders can be inserted.`,
    )
  }
  if (!isSize(size)) {
    throw new ShoalError('E_FOLDER', `"${path}" says that it has a size that nothing has.`)
  }
  return { type: 'file', path, size, content: contentOf(entry, feed) }
}

async function* contentOf(entry: Entry, feed: Feed): AsyncGenerator<Uint8Array, void> {
  const pieces = entry[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  try {
    for (;;) {
      const step = await feed.explain(pieces.next())
      if (step.done === true) return
      yield step.value
    }
  } finally {
    await pieces.return?.()
  }
}

function pathOf({ name, type }: Header): string {
  if (name.includes('\uFFFD')) {
    throw new ShoalError('E_FOLDER', `The name "${name}" is not UTF-8.`)
  }
  const path = name.replace(/^(?:\.\/+)+/, '')
  if (type !== 'directory') return path
  const folder = path.replace(/\/+$/, '')
  return folder === '.' ? '' : folder
}

/** Where the header after this entry begins, bytes from the start of the archive. */
function endOf(header: Header & { readonly byteOffset?: number }): number {
  const size = header.type === 'directory' ? 0 : (header.size ?? 0)
  return (header.byteOffset ?? 0) + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
}
