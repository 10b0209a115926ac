/**
 * Building the page: elements with text, never markup from strings.
 * @module
 */

/**
 * A new element with attributes and children; strings become text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/**
 * The element of the page with this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/**
 * A size as people read it: three digits at most, binary units.
 * @param {number} bytes
 * @returns {string}
 */
export function sizeText(bytes) {
  if (bytes === 1) return '1 byte'
  let unit = 0
  let value = bytes
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`
}

/**
 * A number of things, in words.
 * @param {number} count
 * @param {string} noun one of them
 * @returns {string}
 */
export function countText(count, noun) {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
