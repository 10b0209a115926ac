/**
 * What there is to say about the store: nothing while all is well and its slab is filled.
 * @module
 */
import { byId } from './elements.js'

/** @typedef {import('./gateway.js').StoreStatus} StoreStatus */

/** @type {Readonly<Record<string, string>>} */
const TROUBLE = {
  rebuilding:
    'The node was ended hard and is reading its index again. Until then it takes no blocks of others, and uploads wait.',
  'disk-full':
    'The disk is full. The node serves what it has and takes nothing new until there is room.',
  'disk-failing': 'The disk fails. The node serves what it can; its log says more.',
}
const FILLING =
  'Your node fills its store with random bytes, so that nobody can tell how much of it is used. It works meanwhile.'

/** @param {StoreStatus} store */
export function showStore({ condition, filledShare }) {
  const trouble = condition === 'ok' ? undefined : (TROUBLE[condition] ?? condition)
  const isFilling = filledShare < 1
  const state = byId('store-state')
  state.hidden = trouble === undefined && !isFilling
  state.classList.toggle('trouble', trouble !== undefined)
  const bar = /** @type {HTMLProgressElement} */ (byId('store-filled'))
  bar.hidden = !isFilling || trouble !== undefined
  bar.value = filledShare
  bar.textContent = `${Math.floor(filledShare * 100)} %`
  const words = byId('store-words')
  const now = trouble ?? FILLING
  // `role=status` would read the same words aloud again and again
  if (words.textContent !== now) words.textContent = now
}
