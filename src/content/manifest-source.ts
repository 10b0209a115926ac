/**
 * What a publication consists of, as one manifest that fits a signed document (spec §5.6).
 * @module
 */
import type { PublishSource } from '../node-types.ts'
import { untilAborted } from './block-sink.ts'
import type { BlockSink } from './block-sink.ts'
import { MAX_INLINE_MANIFEST_BYTES } from './document.ts'
import { writeFolder } from './folder-writer.ts'
import { encodeFile, typeOfName } from './insert.ts'

export interface WrittenManifest {
  /** At most MAX_INLINE_MANIFEST_BYTES; not in the sink. */
  readonly manifest: Uint8Array
  readonly size: number
  readonly files: number
  /** Of a file: its content type in the manifest, else the one that its name gives. */
  readonly type: string
}

/**
 * Takes the source to its end, its trees into the sink. `name` gives a file's type where the source
 * has no name; `isTyped`: types by name are frozen. @throws ShoalError E_FOLDER
 */
export async function writeManifest(
  source: PublishSource,
  how: { sink: BlockSink; secret: Uint8Array; name: string; isTyped: boolean; signal: AbortSignal },
): Promise<WrittenManifest> {
  if (source.type === 'folder') {
    return { ...(await writeFolder(source.items, how)), type: 'application/octet-stream' }
  }
  const byName = typeOfName(source.name ?? how.name)
  const contentType = source.contentType ?? (how.isTyped ? byName : undefined)
  const content = untilAborted(source.content, how.signal)
  const { sink, secret } = how
  const limits = { maxManifestBytes: MAX_INLINE_MANIFEST_BYTES }
  const { size, manifest } = await encodeFile(content, { sink, secret, contentType, ...limits })
  return { manifest, size, files: 1, type: contentType ?? byName ?? 'application/octet-stream' }
}
