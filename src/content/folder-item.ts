/**
 * A folder as it comes in: a stream of its files, sorted.
 * @module
 */

/** One file or empty folder of a folder that is being inserted. */
export type FolderItem =
  | {
      readonly type: 'file'
      /** Relative, segments joined by `/`. */
      readonly path: string
      /** Exactly what `content` gives, bytes. */
      readonly size: number
      /** Read once, to its end, before the next item is asked for. */
      readonly content: AsyncIterable<Uint8Array>
      /** Overrides the type that the name gives. */
      readonly contentType?: string
    }
  /** Also parents may be named so; needed only for folders without files. */
  | { readonly type: 'folder'; readonly path: string }

/**
 * Files depth first, names of each folder in ascending order of their NFC UTF-8 bytes (`a/z` comes
 * before `a.txt`: a folder sorts by its own name, without the slash).
 */
export type FolderItems = AsyncIterable<FolderItem>

/** One line of a folder's listing. */
export interface FolderEntry {
  readonly name: string
  readonly type: 'file' | 'folder'
  /** Bytes; of a folder: of all files below it. */
  readonly size: number
}
