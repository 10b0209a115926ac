/**
 * A tar stream as a list: what a gateway of the tests got.
 * @module
 */
import { extract } from 'tar-stream'

export interface Untarred {
  /** Folders end with a slash. */
  readonly path: string
  readonly type: string
  readonly content: Buffer
}

/** All entries, in order. Rejects with what `body` throws, and for what is no tar. */
export async function untar(body: AsyncIterable<Uint8Array>): Promise<readonly Untarred[]> {
  const archive = extract()
  const found: Untarred[] = []
  const fed = feed(archive, body)
  fed.catch((error: Error) => archive.destroy(error))
  for await (const entry of archive) {
    const parts: Uint8Array[] = []
    for await (const part of entry) parts.push(part as Uint8Array)
    const { name, type } = entry.header
    found.push({ path: name, type, content: Buffer.concat(parts) })
  }
  await fed
  return found
}

async function feed(
  archive: ReturnType<typeof extract>,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const part of body) {
    if (!archive.write(part)) await new Promise<void>((resolve) => archive.once('drain', resolve))
  }
  archive.end(null)
}
