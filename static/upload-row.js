/**
 * One file or folder of the list: its progress, then its key, then how far it has spread.
 * @module
 */
import { countText, element } from './elements.js'

/** @typedef {import('./gateway.js').Spread} Spread */

export class UploadRow {
  #size = element('span', { class: 'size' })
  #state = element('p', { class: 'state', role: 'status' }, 'Waiting for the others.')
  #bar
  #actions = element('div', { class: 'actions' })
  #element

  /**
   * @param {string} name
   * @param {string} size in words
   */
  constructor(name, size) {
    this.#bar = element('progress', { max: '1', value: '0', 'aria-label': `Upload of ${name}` })
    this.#element = element(
      'li',
      { class: 'upload' },
      element('header', {}, element('h3', {}, name), this.#size),
      this.#bar,
      this.#state,
      this.#actions,
    )
    this.showSize(size)
  }

  get element() {
    return this.#element
  }

  /** @param {string} size in words */
  showSize(size) {
    this.#size.textContent = size
  }

  /** @param {() => void} stop what the Stop button does */
  showStart(stop) {
    this.#state.textContent = 'Uploading.'
    this.#actions.append(button('Stop', stop))
  }

  /** @param {number} part of the upload, 0 to 1 */
  showProgress(part) {
    this.#bar.value = part
    this.#bar.textContent = `${Math.round(part * 100)} %`
    // `role=status` would read every percent aloud: only the end of sending is said
    if (part === 1) this.#state.textContent = 'Uploaded. The node is cutting it into blocks.'
  }

  /** @param {string} uri */
  showKey(uri) {
    const address = new URL(`/${uri}`, location.href).href
    const shown = element('code', { class: 'key' }, address)
    this.#bar.before(shown)
    this.#state.textContent = 'Inserted. Your node has all of it.'
    this.#bar.hidden = true
    const open = element('a', { class: 'button quiet', href: `/${uri}`, target: '_blank' }, 'Open')
    open.rel = 'noopener'
    const copy = button('Copy address', () => {
      void copyText(address, shown, copy)
    })
    this.#actions.replaceChildren(copy, open)
  }

  /** @param {Spread} spread */
  showSpread({ blocks, spreadBlocks, peers }) {
    this.#bar.hidden = spreadBlocks === blocks
    this.#bar.ariaLabel = 'Blocks spread'
    this.#bar.value = blocks === 0 ? 1 : spreadBlocks / blocks
    this.#say(spreadText(blocks, spreadBlocks, peers))
    this.#element.classList.toggle('spread', spreadBlocks === blocks)
  }

  /** @param {Spread} spread */
  showLoss({ blocks, lostBlocks }) {
    const lost = `${lostBlocks.toLocaleString('en')} of ${countText(blocks, 'block')}`
    this.showFailure(`The disk lost ${lost} before they had copies. Insert it again.`)
  }

  /** @param {string} message */
  showFailure(message) {
    this.#bar.hidden = true
    this.#element.classList.add('failed')
    this.#actions.replaceChildren()
    this.#say(message)
  }

  /** @param {string} text */
  #say(text) {
    if (this.#state.textContent !== text) this.#state.textContent = text
  }
}

/**
 * @param {number} blocks
 * @param {number} spreadBlocks
 * @param {number} peers
 * @returns {string}
 */
function spreadText(blocks, spreadBlocks, peers) {
  if (spreadBlocks === blocks) return `Spread: all of ${countText(blocks, 'block')}.`
  const progress = `${spreadBlocks.toLocaleString('en')} of ${countText(blocks, 'block')} spread.`
  return peers === 0
    ? `${progress} Waiting for peers. The node must stay on: so far it may be the only one with this.`
    : `${progress} The node must stay on until all are.`
}

/**
 * @param {string} text
 * @param {() => void} onClick
 */
function button(text, onClick) {
  const made = element('button', { type: 'button', class: 'quiet' }, text)
  made.addEventListener('click', onClick)
  return made
}

/**
 * Copies, and says so; where the browser forbids it, selects the text for the person to copy.
 * @param {string} text
 * @param {HTMLElement} shown
 * @param {HTMLElement} copy the button
 */
async function copyText(text, shown, copy) {
  try {
    await navigator.clipboard.writeText(text)
    copy.textContent = 'Copied'
  } catch {
    getSelection()?.selectAllChildren(shown)
    copy.textContent = 'Selected: copy it now'
  }
}
