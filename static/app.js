/**
 * The start page: files and folders dropped or picked are inserted one after another, and the line at
 * the end tells how the node is. Pasting a key needs none of this.
 * @module
 */
import { showConnection } from './connection-state.js'
import { byId, countText, sizeText } from './elements.js'
import { droppedFolder, pickedFolder } from './folder.js'
import { insertFile, insertFolder, spreadOf, status } from './gateway.js'
import { showRing } from './ring-state.js'
import { showStore } from './store-state.js'
import { tarOf } from './tar.js'
import { UploadRow } from './upload-row.js'
import { showWaits } from './waits.js'

const POLL_MS = 2000

/** @typedef {import('./gateway.js').Inserted} Inserted */
/** @typedef {import('./tar.js').FolderFile} FolderFile */
/** @typedef {(signal: AbortSignal, onProgress: (part: number) => void) => Promise<Inserted>} Send */
/** @typedef {{ row: UploadRow, send: Send }} Upload */

/** @type {Upload[]} */
const waiting = []
let isUploading = false

/** @param {Iterable<File>} files */
function enqueueFiles(files) {
  for (const file of files) {
    enqueue({
      row: new UploadRow(file.name, sizeText(file.size)),
      send: (signal, onProgress) => insertFile(file, signal, onProgress),
    })
  }
}

/**
 * @param {string} name
 * @param {() => Promise<FolderFile[]>} read
 */
function enqueueFolder(name, read) {
  const row = new UploadRow(name, 'folder')
  enqueue({
    row,
    send: async (signal, onProgress) => {
      const files = await read()
      signal.throwIfAborted()
      row.showSize(folderText(files))
      return await insertFolder(name, tarOf(files), signal, onProgress)
    },
  })
}

/** @param {FolderFile[]} files */
function folderText(files) {
  const sizes = files.map(({ file }) => file?.size ?? 0)
  const count = files.filter(({ file }) => file !== undefined).length
  return `${countText(count, 'file')}, ${sizeText(sizes.reduce((sum, size) => sum + size, 0))}`
}

/** @param {Upload} next */
function enqueue(next) {
  byId('uploads').append(next.row.element)
  waiting.push(next)
  if (!isUploading) void uploadAll()
}

async function uploadAll() {
  isUploading = true
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await upload(next)
  isUploading = false
}

/** @param {Upload} upload */
async function upload({ row, send }) {
  const stop = new AbortController()
  row.showStart(() => {
    stop.abort(new Error('Stopped.'))
  })
  try {
    const { uri, statusPath } = await send(stop.signal, (part) => {
      row.showProgress(part)
    })
    row.showKey(uri)
    if (statusPath !== undefined) void followSpread(statusPath, row)
  } catch (error) {
    row.showFailure(error instanceof Error ? error.message : String(error))
  }
}

/**
 * @param {string} statusPath
 * @param {UploadRow} row
 */
async function followSpread(statusPath, row) {
  for (let isSpread = false; !isSpread; await pause()) {
    // a node that does not answer for a while may come back
    const spread = await spreadOf(statusPath).catch(() => null)
    if (spread === undefined) return
    if (spread === null) continue
    if (spread.lostBlocks > 0) return row.showLoss(spread)
    row.showSpread(spread)
    isSpread = spread.spreadBlocks === spread.blocks
  }
}

async function followStatus() {
  for (; ; await pause()) {
    if (document.hidden) continue
    void showWaits()
    const now = await status().catch(() => undefined)
    showConnection(now)
    if (now === undefined) continue
    const { store, outbox, peers, position, ring } = now
    byId('peers').textContent = peers.toLocaleString('en')
    byId('space').textContent = `${sizeText(store.usedBytes)} of ${sizeText(store.quotaBytes)}`
    byId('pending').textContent = outbox.pendingBlocks.toLocaleString('en')
    showStore(store)
    showRing(position, ring)
  }
}

function pause() {
  return new Promise((resolve) => {
    setTimeout(resolve, POLL_MS)
  })
}

/** @param {HTMLElement} zone */
function acceptDrops(zone) {
  // a file dropped beside the zone would otherwise replace the page, and end its uploads
  for (const type of ['dragover', 'drop']) {
    document.addEventListener(type, (event) => {
      if (/** @type {DragEvent} */ (event).dataTransfer?.types.includes('Files')) {
        event.preventDefault()
      }
    })
  }
  zone.addEventListener('dragover', () => {
    zone.classList.add('over')
  })
  zone.addEventListener('dragleave', () => {
    zone.classList.remove('over')
  })
  zone.addEventListener('drop', (event) => {
    zone.classList.remove('over')
    // all of them now: after the event the browser forgets what was dropped
    for (const item of event.dataTransfer?.items ?? []) enqueueDropped(item)
  })
}

/** @param {DataTransferItem} item */
function enqueueDropped(item) {
  const entry = item.webkitGetAsEntry()
  const file = item.kind === 'file' ? item.getAsFile() : null
  if (entry?.isDirectory) {
    const folder = /** @type {FileSystemDirectoryEntry} */ (entry)
    enqueueFolder(folder.name, () => droppedFolder(folder))
  } else if (file !== null) {
    enqueueFiles([file])
  }
}

/**
 * @param {string} id of the picker
 * @param {(files: File[]) => void} take
 */
function acceptPicks(id, take) {
  const picker = /** @type {HTMLInputElement} */ (byId(id))
  picker.addEventListener('change', () => {
    const files = [...(picker.files ?? [])]
    picker.value = ''
    if (files.length > 0) take(files)
  })
}

acceptPicks('files', enqueueFiles)
acceptPicks('folder', (picked) => {
  const { name, files } = pickedFolder(picked)
  enqueueFolder(name, () => Promise.resolve(files))
})
acceptDrops(byId('drop'))
addEventListener('beforeunload', (event) => {
  if (isUploading) event.preventDefault()
})
void followStatus()
