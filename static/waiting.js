/**
 * The waiting page: follows its wait and opens the content when it is here. It is part of the page, alone, so
 * it imports nothing; all words come from the node.
 * @module
 */

/**
 * @typedef {object} Wait
 * @property {'trying' | 'pausing' | 'found' | 'failed' | 'cancelled'} state
 * @property {boolean} isKept
 * @property {boolean} canBeKept
 * @property {number} elapsedMs
 * @property {number} leftMs
 * @property {string} heading
 * @property {string} detail
 * @property {[name: string, value: string][]} facts
 */

/** How often a page that nobody sees asks, ms: browsers have six connections, and this one needs none. */
const POLL_MS = 5000

const NO_ANSWER = 'The node does not answer. Is it still running?'

const main = /** @type {HTMLElement} */ (document.querySelector('main'))
const path = `/api/v1/waits/${main.dataset['wait']}`

/** @type {EventSource | undefined} */
let events
/** @type {number | undefined} */
let pollTimer
let isLeaving = false

/**
 * @template {HTMLElement} Kind
 * @param {string} selector
 * @returns {Kind}
 */
function part(selector) {
  return /** @type {Kind} */ (main.querySelector(selector))
}

/**
 * Only what is new: screen readers speak what is set.
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** @param {Wait} wait */
function show(wait) {
  const { state, heading, detail, facts, elapsedMs, leftMs, isKept, canBeKept } = wait
  const goesOn = state === 'trying' || state === 'pausing'
  setText(part('h1'), heading)
  document.title = `${heading} – shoal`
  setText(part('#detail'), detail)
  setText(part('#trouble'), '')
  /** @type {HTMLProgressElement} */
  const bar = part('progress')
  bar.hidden = !goesOn
  bar.max = elapsedMs + leftMs
  bar.value = elapsedMs
  part('dl').replaceChildren(...facts.map(([name, value]) => factOf(name, value)))
  part('#kept').hidden = !isKept || !goesOn
  part('#actions').hidden = state === 'found'
  part('#keep').hidden = !canBeKept
  part('#stop').hidden = !goesOn
  part('#again').hidden = goesOn
  if (goesOn) return
  unfollow()
  if (state === 'found') reopen()
}

/**
 * @param {string} name
 * @param {string} value
 */
function factOf(name, value) {
  const row = document.createElement('div')
  const term = document.createElement('dt')
  const number = document.createElement('dd')
  term.textContent = name
  number.textContent = value
  row.append(term, number)
  return row
}

/** The same address, once. */
function reopen() {
  if (isLeaving) return
  isLeaving = true
  unfollow()
  // an address with a part after # would only be scrolled to
  if (location.hash === '') location.replace(location.href)
  else location.reload()
}

function follow() {
  unfollow()
  if (document.hidden) {
    void poll()
    return
  }
  const source = new EventSource(`${path}/events`)
  source.addEventListener('wait', (event) => {
    show(JSON.parse(event.data))
  })
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) void poll()
    else setText(part('#trouble'), NO_ANSWER)
  })
  events = source
}

function unfollow() {
  events?.close()
  events = undefined
  clearTimeout(pollTimer)
}

async function poll() {
  pollTimer = setTimeout(poll, POLL_MS)
  await ask(path)
}

/**
 * Asks the node, and shows what it says.
 * @param {string} address
 * @param {RequestInit} [how]
 */
async function ask(address, how) {
  try {
    const response = await fetch(address, how)
    if (response.ok) return show(await response.json())
    // it waits no more for this page: what it came to, or another wait, is at the same address
    if (response.status === 404) return reopen()
    setText(part('#trouble'), (await response.json()).detail)
  } catch {
    setText(part('#trouble'), NO_ANSWER)
  }
}

async function stop() {
  // where it does not answer, the end of this page ends the wait
  await fetch(path, { method: 'DELETE' }).catch(() => {})
}

async function keep() {
  await ask(`${path}/keep`, { method: 'POST' })
  if (events === undefined) followAgain()
}

async function tryAgain() {
  await stop() // what it came to is the answer to the next load otherwise
  reopen()
}

/** While there is something to follow. */
function followAgain() {
  if (!isLeaving && part('#again').hidden) follow()
}

part('#keep').addEventListener('click', () => void keep())
part('#stop').addEventListener('click', () => void stop())
part('#again').addEventListener('click', () => void tryAgain())
document.addEventListener('visibilitychange', followAgain)
part('#actions').hidden = false
follow()
