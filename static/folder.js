/**
 * Folders as browsers hand them over, dropped or picked: the files in them by their path.
 * @module
 */

/** @typedef {import('./tar.js').FolderFile} FolderFile */

/**
 * What the folder picker gives: files that know the path they have below the folder's own name.
 * @param {Iterable<File>} files
 * @returns {{ name: string, files: FolderFile[] }}
 */
export function pickedFolder(files) {
  let name = 'folder'
  const found = [...files].map((file) => {
    // browsers that cannot pick folders give files without a path
    const [top = '', ...path] = (file.webkitRelativePath || `${name}/${file.name}`).split('/')
    name = top
    return { path: path.join('/'), file }
  })
  return { name, files: found }
}

/**
 * Everything below a dropped folder, folders without files too.
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<FolderFile[]>}
 */
export async function droppedFolder(folder) {
  /** @type {FolderFile[]} */
  const found = []
  /** @type {{ path: string, entry: FileSystemDirectoryEntry }[]} */
  const waiting = [{ path: '', entry: folder }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of await entriesOf(next.entry)) {
      const path = next.path + entry.name
      if (entry.isDirectory) {
        const below = /** @type {FileSystemDirectoryEntry} */ (entry)
        waiting.push({ path: `${path}/`, entry: below })
        found.push({ path, file: undefined })
      } else {
        found.push({ path, file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)) })
      }
    }
  }
  return found
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<FileSystemEntry[]>}
 */
async function entriesOf(folder) {
  const reader = folder.createReader()
  const found = []
  // browsers hand over a hundred at a time, and nothing at the end
  for (;;) {
    const some = await new Promise((resolve, reject) => {
      reader.readEntries(resolve, reject)
    })
    if (some.length === 0) return found
    found.push(...some)
  }
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => {
    entry.file(resolve, reject)
  })
}
