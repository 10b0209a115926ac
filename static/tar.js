/**
 * A folder as one body to upload: a tar (POSIX.1-2001, pax) whose parts are the files themselves, so
 * that nothing is copied before it is sent.
 * @module
 */

/**
 * @typedef {object} FolderFile
 * @property {string} path relative, names joined by `/`
 * @property {Blob | undefined} file undefined: a folder, needed only where it is empty
 */

const BLOCK_BYTES = 512
/** Eleven octal digits. */
const MAX_USTAR_SIZE = 8 ** 11 - 1
const encoder = new TextEncoder()

/**
 * The archive, in the order that nodes ask for: depth first, names by their bytes.
 * @param {Iterable<FolderFile>} files
 * @returns {Blob}
 */
export function tarOf(files) {
  const sorted = [...files]
    .map(({ path, file }) => ({ path: path.normalize('NFC'), file }))
    // a folder sorts by its own name: its slash must come before every other byte
    .map((entry) => ({ ...entry, order: encoder.encode(entry.path.replaceAll('/', '\0')) }))
    .sort((a, b) => compare(a.order, b.order))
  const parts = sorted.flatMap(({ path, file }) => entryParts(path, file))
  return new Blob([...parts, new Uint8Array(2 * BLOCK_BYTES)])
}

/**
 * @param {string} path
 * @param {Blob | undefined} file
 * @returns {BlobPart[]}
 */
function entryParts(path, file) {
  const size = file?.size ?? 0
  const bytes = encoder.encode(file === undefined ? `${path}/` : path)
  const fits = bytes.length <= 100 && bytes.length === path.length + (file === undefined ? 1 : 0)
  /** @type {BlobPart[]} */
  const parts = []
  if (!fits || size > MAX_USTAR_SIZE) parts.push(...paxParts(bytes, size))
  // who does not know pax headers still finds a file, under a part of its name
  parts.push(header(bytes.subarray(0, 100), size, file === undefined ? '5' : '0'))
  if (file !== undefined) parts.push(file, padding(size))
  return parts
}

/**
 * The records that a plain header has no room for: a name of more than 100 bytes or beyond ASCII, a
 * size of 8 GiB and more.
 * @param {Uint8Array} path
 * @param {number} size
 * @returns {BlobPart[]}
 */
function paxParts(path, size) {
  const records = [record('path', path), record('size', encoder.encode(String(size)))]
  const length = records.reduce((sum, { byteLength }) => sum + byteLength, 0)
  return [header(encoder.encode('PaxHeader'), length, 'x'), ...records, padding(length)]
}

/**
 * `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits.
 * @param {string} key
 * @param {Uint8Array} value
 * @returns {Uint8Array<ArrayBuffer>}
 */
function record(key, value) {
  const rest = 1 + key.length + 1 + value.length + 1
  let length = rest + String(rest).length
  length = rest + String(length).length
  const bytes = new Uint8Array(length)
  bytes.set(encoder.encode(`${length} ${key}=`))
  bytes.set(value, length - 1 - value.length)
  bytes[length - 1] = 10 // the line ends
  return bytes
}

/**
 * @param {Uint8Array} name at most 100 bytes
 * @param {number} size
 * @param {string} type
 * @returns {Uint8Array<ArrayBuffer>}
 */
function header(name, size, type) {
  const bytes = new Uint8Array(BLOCK_BYTES)
  /** @type {(text: string, at: number) => void} */
  const put = (text, at) => {
    bytes.set(encoder.encode(text), at)
  }
  bytes.set(name)
  put('0000644\0' + '0000000\0'.repeat(2), 100)
  put(`${Math.min(size, MAX_USTAR_SIZE).toString(8).padStart(11, '0')}\0`, 124)
  put('00000000000\0', 136) // when it was changed is nobody's business
  put(' '.repeat(8), 148) // the checksum is made with blanks in its place
  put(type, 156)
  put('ustar\x0000', 257)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

/**
 * @param {number} size
 * @returns {Uint8Array<ArrayBuffer>}
 */
function padding(size) {
  return new Uint8Array((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES)
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function compare(a, b) {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i] - b[i]
  }
  return a.length - b.length
}
