/**
 * How the node stands towards the others: a word at the top, and while something is missing a sentence.
 * @module
 */
import { byId } from './elements.js'

/** @typedef {import('./gateway.js').Status} Status */

/** @type {Readonly<Record<string, string>>} */
const SHORT = {
  alone: 'Alone',
  solving: 'Solving its place',
  failed: 'Not connected',
  seeking: 'Looking for peers',
  connected: 'Connected',
}
/** Who starts a node need not be told at once that it has met nobody yet, ms. */
const PATIENCE_MS = 5000

/** @param {Status | undefined} status undefined: the node does not answer */
export function showConnection(status) {
  const connection = byId('connection')
  connection.classList.toggle('connected', status?.connection.state === 'connected')
  connection.textContent = status === undefined ? 'The node does not answer' : shortOf(status)
  const words = byId('connection-words')
  words.textContent = status === undefined || !isTrouble(status) ? '' : status.connection.words
  words.hidden = words.textContent === ''
  if (status === undefined) return
  byId('network').textContent = status.isPrivate ? `${status.network}, private` : status.network
}

/** @param {Status} status */
function shortOf({ connection }) {
  return SHORT[connection.state] ?? connection.state
}

/** @param {Status} status */
function isTrouble({ connection: { state, withoutPeersMs } }) {
  return state !== 'connected' && (state !== 'seeking' || withoutPeersMs >= PATIENCE_MS)
}
