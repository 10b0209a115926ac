/**
 * What the page asks of the gateway (its API, version 1).
 * @module
 */

/**
 * @typedef {object} Inserted
 * @property {string} uri
 * @property {string | undefined} statusPath where the spread can be asked for
 */

/**
 * @typedef {object} Spread
 * @property {number} blocks
 * @property {number} spreadBlocks
 * @property {number} lostBlocks by the disk, before they had copies
 * @property {number} peers
 */

/**
 * @typedef {object} StoreStatus
 * @property {number} quotaBytes
 * @property {number} usedBytes
 * @property {string} condition `ok`, `rebuilding`, `disk-full` or `disk-failing`
 * @property {number} filledShare of the slab, 0 to 1
 */

/**
 * @typedef {object} RingStatus
 * @property {number} [estimatedNodes] absent with too few links to tell
 * @property {{ distance: number, role: string }[]} links nearest first; shares of the ring, up to 0.5
 */

/**
 * @typedef {object} ConnectionStatus
 * @property {string} state `alone`, `solving`, `failed`, `seeking` or `connected`
 * @property {number} withoutPeersMs
 * @property {string} words the same in a sentence, with what can be done
 */

/**
 * @typedef {object} Status
 * @property {string} network its name
 * @property {boolean} isPrivate
 * @property {number} peers
 * @property {ConnectionStatus} connection
 * @property {number} [position] own place on the ring, in [0, 1); absent while it is being solved
 * @property {RingStatus} ring
 * @property {StoreStatus} store
 * @property {{ pendingBlocks: number }} outbox
 */

/**
 * @typedef {object} Wait
 * @property {string} id
 * @property {string} uri
 * @property {string} name empty for a key that tells none
 * @property {'trying' | 'pausing' | 'found' | 'failed' | 'cancelled'} state
 * @property {number} attempts
 * @property {string} detail how it stands, as a sentence
 */

/**
 * @typedef {object} ScriptSite
 * @property {string} uri
 * @property {string} name empty for a key that tells none
 * @property {boolean} isAllowed
 */

/**
 * @typedef {object} Scripts
 * @property {ScriptSite[]} sites that may run scripts
 * @property {string} [hindrance] why scripts stay off here all the same, as a sentence
 */

const NO_ANSWER = 'The node does not answer. Is it still running?'

/**
 * Uploads a file. `onProgress` hears the part sent so far, 0 to 1. Errors say what is wrong, for people.
 * @param {File} file
 * @param {AbortSignal} signal
 * @param {(part: number) => void} onProgress
 * @returns {Promise<Inserted>}
 */
export function insertFile(file, signal, onProgress) {
  return insert({ name: file.name }, file, { signal, onProgress })
}

/**
 * Uploads a folder, packed by `tarOf`; otherwise as `insertFile`.
 * @param {string} name
 * @param {Blob} tar
 * @param {AbortSignal} signal
 * @param {(part: number) => void} onProgress
 * @returns {Promise<Inserted>}
 */
export function insertFolder(name, tar, signal, onProgress) {
  return insert({ folder: '1', name }, tar, { signal, onProgress })
}

/**
 * @param {Record<string, string>} query
 * @param {Blob} body
 * @param {{ signal: AbortSignal, onProgress: (part: number) => void }} how
 * @returns {Promise<Inserted>}
 */
function insert(query, body, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    // not fetch: it tells nothing of how much was sent
    const request = new XMLHttpRequest()
    request.open('POST', `/api/v1/insert?${new URLSearchParams(query)}`)
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      onProgress(total === 0 ? 1 : loaded / total)
    })
    request.addEventListener('load', () => {
      if (request.status === 201) resolve(insertedBy(request))
      else reject(new Error(problemText(request.responseText)))
    })
    request.addEventListener('error', () => {
      reject(
        new Error('The upload broke off. Is the node still running, and everything still there?'),
      )
    })
    request.addEventListener('abort', () => {
      reject(new Error('Stopped.'))
    })
    signal.addEventListener('abort', () => {
      request.abort()
    })
    request.send(body)
  })
}

/**
 * @param {string} statusPath
 * @returns {Promise<Spread | undefined>} undefined: the node knows no more of this insert
 */
export async function spreadOf(statusPath) {
  const response = await fetch(statusPath)
  return response.ok ? await response.json() : undefined
}

/** @returns {Promise<Status>} */
export async function status() {
  const response = await fetch('/api/v1/status')
  if (!response.ok) throw new Error(problemText(await response.text()))
  return await response.json()
}

/** @returns {Promise<Wait[]>} keys that are looked for in the background */
export async function waits() {
  const response = await fetch('/api/v1/waits')
  if (!response.ok) throw new Error(problemText(await response.text()))
  return (await response.json()).waits
}

/** @param {string} id of a wait that is to end */
export async function forgetWait(id) {
  await fetch(`/api/v1/waits/${id}`, { method: 'DELETE' })
}

/** @returns {Promise<Scripts>} */
export async function scripts() {
  return await (await askScripts('')).json()
}

/**
 * The site that a key belongs to, or the address of a page. Errors say what is wrong, for people.
 * @param {string} pasted
 * @returns {Promise<ScriptSite>}
 */
export async function siteOf(pasted) {
  return await (await askScripts(`/site?${new URLSearchParams({ uri: pasted })}`)).json()
}

/**
 * @param {string} uri of a site that may run scripts from now on
 * @returns {Promise<ScriptSite>}
 */
export async function allowScripts(uri) {
  return await (await askScripts(`/site?${new URLSearchParams({ uri })}`, 'POST')).json()
}

/** @param {string} [uri] of a site that may run scripts no more; none: no site may */
export async function revokeScripts(uri) {
  const which = uri === undefined ? '' : `/site?${new URLSearchParams({ uri })}`
  await askScripts(which, 'DELETE')
}

/**
 * @param {string} which below the address of what sites may
 * @param {string} [method]
 */
async function askScripts(which, method = 'GET') {
  const response = await fetch(`/api/v1/scripts${which}`, { method }).catch(() => undefined)
  if (response === undefined) throw new Error(NO_ANSWER)
  if (!response.ok) throw new Error(problemText(await response.text()))
  return response
}

/**
 * @param {XMLHttpRequest} request
 * @returns {Inserted}
 */
function insertedBy(request) {
  const [, statusPath] =
    /<([^>]+)>; rel="status"/.exec(request.getResponseHeader('Link') ?? '') ?? []
  return { uri: JSON.parse(request.responseText).uri, statusPath }
}

/**
 * The sentence in an answer that is not the one hoped for.
 * @param {string} body
 * @returns {string}
 */
function problemText(body) {
  try {
    return JSON.parse(body).detail ?? NO_ANSWER
  } catch {
    return NO_ANSWER
  }
}
