/**
 * The start page: files dropped or picked are inserted one after another, and the line at the end
 * tells how the node is. Pasting a key needs none of this.
 * @module
 */
import { byId, sizeText } from './elements.js'
import { insert, spreadOf, status } from './gateway.js'
import { UploadRow } from './upload-row.js'

const POLL_MS = 2000

/** @typedef {{ file: File, row: UploadRow }} Upload */

/** @type {Upload[]} */
const waiting = []
let isUploading = false

/** @param {Iterable<File>} files */
function enqueue(files) {
  for (const file of files) {
    const row = new UploadRow(file.name, file.size)
    byId('uploads').append(row.element)
    waiting.push({ file, row })
  }
  if (!isUploading) void uploadAll()
}

async function uploadAll() {
  isUploading = true
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await upload(next)
  isUploading = false
}

/** @param {Upload} upload */
async function upload({ file, row }) {
  const stop = new AbortController()
  row.showStart(() => {
    stop.abort()
  })
  try {
    const { uri, statusPath } = await insert(file, stop.signal, (sentBytes) => {
      row.showProgress(sentBytes)
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
    row.showSpread(spread)
    isSpread = spread.spreadBlocks === spread.blocks
  }
}

async function followStatus() {
  for (; ; await pause()) {
    if (document.hidden) continue
    const now = await status().catch(() => undefined)
    const connection = byId('connection')
    connection.classList.toggle('connected', now !== undefined && now.peers > 0)
    if (now === undefined) {
      connection.textContent = 'The node does not answer'
      continue
    }
    const { store, outbox, peers } = now
    connection.textContent = peers > 0 ? 'Connected' : 'Looking for peers'
    byId('peers').textContent = peers.toLocaleString('en')
    byId('space').textContent = `${sizeText(store.usedBytes)} of ${sizeText(store.quotaBytes)}`
    byId('pending').textContent = outbox.pendingBlocks.toLocaleString('en')
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
    const items = [...(event.dataTransfer?.items ?? [])]
    const folders = items.filter((item) => item.webkitGetAsEntry()?.isDirectory)
    const files = items.filter((item) => item.kind === 'file' && !folders.includes(item))
    enqueue(files.map((item) => item.getAsFile()).filter((file) => file !== null))
    for (const folder of folders) refuseFolder(folder.getAsFile()?.name ?? 'A folder')
  })
}

/** @param {string} name */
function refuseFolder(name) {
  const row = new UploadRow(name, 0)
  row.showFailure('This is a folder. Only files can be inserted for now.')
  byId('uploads').append(row.element)
}

const picker = /** @type {HTMLInputElement} */ (byId('files'))
picker.addEventListener('change', () => {
  enqueue(picker.files ?? [])
  picker.value = ''
})
acceptDrops(byId('drop'))
addEventListener('beforeunload', (event) => {
  if (isUploading) event.preventDefault()
})
void followStatus()
