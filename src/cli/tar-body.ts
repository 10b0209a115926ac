/**
 * The files of a folder as a tar stream: how a folder travels to the gateway.
 * @module
 */
import type { EventEmitter } from 'node:events'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { pack, type Header, type Pack } from 'tar-stream'
import type { FolderItem, FolderItems } from '../node-types.ts'

/** Nothing of the owner goes along: rights as for everybody, no user, the epoch as time. */
const FILE_MODE = 0o644
const FOLDER_MODE = 0o755
const EPOCH = new Date(0)

/**
 * Reads the items as fast as the stream is read; destroying it ends the reading. Fails with what
 * `items` throws, in the middle of the archive, which then is a whole one for nobody.
 */
export function tarBody(items: FolderItems): Readable {
  const archive = pack()
  const body = new PassThrough()
  archive.pipe(body)
  archive.on('error', (error) => body.destroy(error))
  body.on('close', () => archive.destroy())
  fill(archive, body, items).catch((error: Error) => body.destroy(error))
  return body
}

async function fill(archive: Pack, body: Writable, items: FolderItems): Promise<void> {
  for await (const item of items) {
    await addEntry(archive, item)
    // The archive takes headers without regard to its reader: 100,000 empty files are 50 MB of them.
    if (body.writableNeedDrain) await untilDrained(body)
  }
  archive.finalize()
}

async function addEntry(archive: Pack, item: FolderItem): Promise<void> {
  let settle: (error?: Error | null) => void = () => {}
  const added = new Promise<void>((resolve, reject) => {
    settle = (error) => {
      if (error) reject(error)
      else resolve()
    }
  })
  added.catch(() => {}) // told below, unless the content's own error is
  const entry = archive.entry(headerOf(item), settle)
  entry.on('error', () => {}) // the archive's, which tells it too
  if (item.type === 'file') {
    for await (const part of item.content) {
      if (!entry.write(part)) await untilDrained(entry)
    }
    entry.end(null)
  }
  await added
}

function headerOf(item: FolderItem): Partial<Header> & Pick<Header, 'name'> {
  return item.type === 'file'
    ? { name: item.path, type: 'file', size: item.size, mode: FILE_MODE, mtime: EPOCH }
    : { name: `${item.path}/`, type: 'directory', mode: FOLDER_MODE, mtime: EPOCH }
}

/** @throws where the stream ends before it takes more. */
async function untilDrained(stream: EventEmitter & { readonly destroyed: boolean }): Promise<void> {
  if (!stream.destroyed) {
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        stream.off('drain', settle)
        stream.off('close', settle)
        resolve()
      }
      stream.on('drain', settle)
      stream.on('close', settle)
    })
  }
  if (stream.destroyed) throw new Error('the archive has no reader any more')
}
