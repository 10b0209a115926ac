/**
 * Keys that the node goes on looking for, as their readers asked it to.
 * @module
 */
import { byId, element } from './elements.js'
import { forgetWait, waits } from './gateway.js'

/** @typedef {import('./gateway.js').Wait} Wait */

/** What is shown now, so that a button is not replaced under a finger. */
let shown = ''

/** Shows what is listed now: nothing where the node does not answer. */
export async function showWaits() {
  const listed = await waits().catch(() => [])
  const next = JSON.stringify(listed.map(({ id, state, attempts }) => [id, state, attempts]))
  if (next === shown) return
  shown = next
  byId('waits-section').hidden = listed.length === 0
  byId('waits').replaceChildren(...listed.map((wait) => rowOf(wait)))
}

/** @param {Wait} wait */
function rowOf(wait) {
  const { id, uri, name, state, detail } = wait
  const isFound = state === 'found'
  const title = name === '' ? 'Content without a name' : name
  const forget = element('button', { type: 'button', class: 'quiet' }, isFound ? 'Forget' : 'Stop')
  forget.addEventListener('click', () => {
    void forgetWait(id).then(showWaits, showWaits)
  })
  const link = element('a', { class: 'button quiet', href: `/${uri}` }, 'Open')
  return element(
    'li',
    { class: isFound ? 'upload spread' : 'upload' },
    element('header', {}, element('h3', {}, title)),
    element('p', { class: 'state' }, isFound ? 'Here it is.' : detail),
    element('p', { class: 'actions' }, link, forget),
  )
}
