/**
 * The page on which the reader allows scripts to a site. The key comes from a paste and from nowhere else,
 * so that no link can bring one; and the button that allows waits until it was there to be seen.
 * @module
 */
import { byId, element } from './elements.js'
import { allowScripts, revokeScripts, scripts, siteOf } from './gateway.js'

/** @typedef {import('./gateway.js').ScriptSite} ScriptSite */

/** A click that comes sooner was meant for what stood there before, ms. */
const TAKE_IN_MS = 1000

const pasted = /** @type {HTMLInputElement} */ (byId('pasted'))
const allow = /** @type {HTMLButtonElement} */ (byId('allow'))

/** The site that is asked about. @type {ScriptSite | undefined} */
let asked
/** @type {number | undefined} */
let takingIn

/** Begins anew whenever the window was covered, or came to the front under the pointer. */
function takeIn() {
  clearTimeout(takingIn)
  allow.disabled = true
  if (asked === undefined || document.hidden) return
  takingIn = setTimeout(() => {
    allow.disabled = !document.hasFocus()
  }, TAKE_IN_MS)
}

/** @param {ScriptSite} site */
function showQuestion(site) {
  asked = site
  byId('question-heading').replaceChildren('Allow scripts to ', nameOf(site), '?')
  byId('meaning').textContent = meaningOf(site)
  byId('site-key').textContent = site.uri
  setText('done')
  byId('question').hidden = false
  byId('question-heading').focus()
  takeIn()
}

function hideQuestion() {
  asked = undefined
  byId('question').hidden = true
  takeIn()
}

/**
 * The name is its author's: what it may do to the direction of text ends with it.
 * @param {ScriptSite} site
 */
function nameOf({ name }) {
  return name === '' ? 'a site without a name' : element('bdi', {}, name)
}

/** @param {ScriptSite} site */
function meaningOf({ uri }) {
  const whose = uri.startsWith('CHK@')
    ? 'All of its pages, which never change,'
    : uri.startsWith('KSK@')
      ? 'All pages under this word, to which anyone may write,'
      : 'All of its pages, those that its author publishes later too,'
  return (
    `${whose} could then run programs in this browser, until you revoke that or your node ends. ` +
    'They cannot reach the outside, other sites or your node; but they can find out about your ' +
    'browser, keep it busy, and show you whatever they like.'
  )
}

/**
 * @param {string} id
 * @param {...(Node | string)} words none: it is hidden
 */
function setText(id, ...words) {
  byId(id).replaceChildren(...words)
  byId(id).hidden = words.length === 0
}

async function look() {
  hideQuestion()
  setText('trouble')
  const text = pasted.value
  const site = await siteOf(text)
  if (pasted.value !== text) return
  if (!site.isAllowed) return showQuestion(site)
  setText('done', nameOf(site), ' may run scripts already. ', openLink(site))
}

async function allowAsked() {
  if (asked === undefined) return
  const site = await allowScripts(asked.uri)
  hideQuestion()
  pasted.value = ''
  setText('done', nameOf(site), ' may run scripts now. ', openLink(site))
  await showSites()
}

/** @param {ScriptSite} site */
function openLink({ uri }) {
  return element('a', { href: `/${uri}` }, 'Open it')
}

/** @param {string} [uri] none: all of them */
async function revoke(uri) {
  await revokeScripts(uri)
  setText('done')
  await showSites()
}

async function showSites() {
  const { sites, hindrance } = await scripts()
  setText('hindrance', ...(hindrance === undefined ? [] : [hindrance]))
  byId('nobody').hidden = sites.length > 0
  byId('revoke-all').hidden = sites.length < 2
  byId('sites').replaceChildren(...sites.map((site) => rowOf(site)))
  byId('choose').hidden = false
  byId('allowed').hidden = false
}

/** @param {ScriptSite} site */
function rowOf(site) {
  const button = element('button', { type: 'button', class: 'quiet' }, 'Revoke')
  button.addEventListener('click', () => void attempt(() => revoke(site.uri)))
  const link = element('a', { class: 'button quiet', href: `/${site.uri}` }, 'Open')
  return element(
    'li',
    { class: 'upload' },
    element('header', {}, element('h3', {}, nameOf(site))),
    element('p', { class: 'key' }, site.uri),
    element('p', { class: 'actions' }, link, button),
  )
}

/**
 * Does what the reader asked for; what goes wrong is said where they look.
 * @param {() => Promise<void>} work
 */
async function attempt(work) {
  try {
    await work()
  } catch (error) {
    setText('trouble', error instanceof Error ? error.message : String(error))
    byId('choose').hidden = false
  }
}

byId('paste').addEventListener('submit', (event) => {
  event.preventDefault()
  void attempt(look)
})
pasted.addEventListener('input', hideQuestion)
byId('leave').addEventListener('click', hideQuestion)
byId('revoke-all').addEventListener('click', () => void attempt(() => revoke()))
allow.addEventListener('click', () => void attempt(allowAsked))
for (const type of ['focus', 'blur', 'resize', 'pageshow']) addEventListener(type, takeIn)
document.addEventListener('visibilitychange', takeIn)
await attempt(showSites)
pasted.focus()
