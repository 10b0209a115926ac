/**
 * Tricks in a real browser: behind the gateway, and behind a plain server that does nothing about them.
 * @module
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

import type { BrowserContext } from 'playwright-core'
import { chromium } from 'playwright-core'

import { ShoalClient } from '../../src/client/index.ts'
import type { Gateway } from '../../src/gateway/server.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import type { Canary } from './canary.ts'
import { args, executablePath } from './chromium.ts'
import type { FakeNode } from './fake-node.ts'
import { createFakeNode } from './fake-node.ts'
import type { Given } from './fake-tree.ts'
import { contentFrom } from './fake-tree.ts'
import type { Trick } from './hostile-tricks.ts'

const TYPES = {
  html: 'text/html',
  xhtml: 'application/xhtml+xml',
  svg: 'image/svg+xml',
  xml: 'application/xml',
  m3u: 'audio/mpegurl',
  mp4: 'video/mp4',
  sxg: 'application/signed-exchange;v=b3',
} as const
const PAGES_AT_ONCE = 24
/** What is waited for a page at least, and how often as long as a page takes that nothing holds back. */
const SETTLED_MS = 500
const SETTLED_TIMES = 4
/** What has not loaded all it has by then goes on loading while the others settle, ms. */
const LOADED_MS = 1000
/** Longest wait for anything, on a machine that has other things to do, ms. */
const MAX_WAIT_MS = 15_000
const POLL_MS = 100

/** With a profile, as people have one: without it Chromium does not follow hints to connect ahead. */
export async function launchWithProfile(): Promise<BrowserContext> {
  return await chromium.launchPersistentContext('', { executablePath, args })
}

function pathOf({ name, extension }: Trick): string {
  return extension === '' ? name : `${name}.${extension}`
}

/** What a browser has to take it for, so that it can do anything. */
function typeOf(trick: Trick): string {
  const extension = trick.means ?? trick.extension
  return extension in TYPES ? TYPES[extension as keyof typeof TYPES] : TYPES.html
}

function sourceOf({ name, page }: Trick, canary: Canary): string | Uint8Array {
  return page(`http://${canary.host}/${name}`, canary.host)
}

/** A page for each trick. */
export function filesOf(tricks: readonly Trick[], canary: Canary): Readonly<Record<string, Given>> {
  const files = tricks.map((trick) => {
    const type = trick.means === undefined ? typeOf(trick) : undefined
    return [pathOf(trick), contentFrom(sourceOf(trick, canary), type)]
  })
  return Object.fromEntries(files) as Record<string, Given>
}

/**
 * Opens the page of every trick, some at a time, and gives each the time to do its worst: several times as long as
 * a page that is opened after them takes, that nothing holds back. Throws where one of them is not served.
 */
export async function visit(
  context: BrowserContext,
  site: string,
  tricks: readonly Trick[],
): Promise<void> {
  const bell = await startBell(context)
  try {
    for (const some of groupsOf(tricks)) await visitTogether(context, { site, some }, bell.ring)
  } finally {
    bell.close()
  }
}

/** A plain page in the first window that calls out: when that has come, so has what was set in motion before. */
async function startBell(
  context: BrowserContext,
): Promise<{ readonly ring: () => Promise<void>; readonly close: () => void }> {
  let heard = (): void => {}
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/rings')) heard()
    response.setHeader('Content-Type', 'text/html').end(`<img src="/rings?${Math.random()}">`)
  })
  const url = await listen(server)
  const ring = async () => {
    const beganMs = performance.now()
    const ringing = new Promise<void>((resolve) => (heard = resolve))
    await context.pages()[0]?.goto(url)
    await ringing
    await delay(Math.max(SETTLED_MS, SETTLED_TIMES * (performance.now() - beganMs)))
  }
  return { ring, close: () => closeServer(server) }
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function closeServer(server: Server): void {
  server.closeAllConnections()
  server.close()
}

function groupsOf(tricks: readonly Trick[]): readonly (readonly Trick[])[] {
  const groups = tricks.filter(({ isAlone }) => isAlone).map((trick) => [trick])
  const others = tricks.filter(({ isAlone }) => isAlone !== true)
  for (let at = 0; at < others.length; at += PAGES_AT_ONCE) {
    groups.push(others.slice(at, at + PAGES_AT_ONCE))
  }
  return groups
}

async function visitTogether(
  context: BrowserContext,
  { site, some }: { readonly site: string; readonly some: readonly Trick[] },
  settle: () => Promise<void>,
): Promise<void> {
  await Promise.all(some.map((trick) => open(context, `${site}${pathOf(trick)}`, trick)))
  await settle()
  const [, ...visited] = context.pages() // the browser ends with its last page
  await Promise.all(visited.map((page) => page.close()))
}

async function open(
  context: BrowserContext,
  url: string,
  { name, extension, isClicked }: Trick,
): Promise<void> {
  const page = await context.newPage()
  const [response] = await Promise.all([
    page.waitForResponse((answer) => answer.url() === url, { timeout: MAX_WAIT_MS }),
    // a page that leads itself away may never have been there, and what is saved never is
    page.goto(url, { timeout: MAX_WAIT_MS, waitUntil: 'commit' }).catch(() => {}),
  ])
  // to a browser that takes it for one an exchange is a redirection; the gateway has none but to itself
  const isExchange = response.status() === 303 && extension === 'sxg'
  assert.ok(response.status() === 200 || isExchange, `${url}: ${response.status()}`)
  await page.waitForLoadState('load', { timeout: LOADED_MS }).catch(() => {})
  if (isClicked === true) {
    assert.ok((await page.content()).includes(name), `${url} is the page of the trick`)
    await page.click('button', { noWaitAfter: true })
  }
}

/** The names of the tricks that the canary should have heard of, and did not, without any defence. */
export async function silentOnes(
  context: BrowserContext,
  tricks: readonly Trick[],
  canary: Canary,
): Promise<string[]> {
  const pages = new Map(tricks.map((trick) => [`/${pathOf(trick)}`, trick]))
  const server = createServer((request, response) => {
    const trick = pages.get(request.url ?? '')
    response.writeHead(trick === undefined ? 404 : 200, {
      'Content-Type': trick === undefined ? TYPES.html : typeOf(trick),
      'X-Content-Type-Options': 'nosniff', // signed exchanges ask for it
    })
    response.end(trick === undefined ? '' : sourceOf(trick, canary))
  })
  const site = await listen(server)
  const silent: string[] = []
  try {
    for (const some of groupsOf(tricks)) {
      const heardBefore = canary.heard.length
      const isHeard = ({ name, isAlone }: Trick) =>
        isAlone ? canary.heard.length > heardBefore : isAskedFor(canary, name)
      const unheard = () => some.filter((trick) => !isHeard(trick)).map(({ name }) => name)
      await visitTogether(context, { site, some }, () => until(() => unheard().length === 0))
      silent.push(...unheard())
    }
  } finally {
    closeServer(server)
  }
  return silent
}

async function until(isDone: () => boolean): Promise<void> {
  for (let waitedMs = 0; waitedMs < MAX_WAIT_MS && !isDone(); waitedMs += POLL_MS) {
    await delay(POLL_MS)
  }
}

function isAskedFor({ heard }: Canary, name: string): boolean {
  return heard.some((line) => [' ', '/', '?'].some((end) => line.includes(`/${name}${end}`)))
}

/** A gateway in front of a node that has what it is given. */
export class HostileGateway {
  readonly node: FakeNode = createFakeNode()
  readonly #context: BrowserContext
  #gateway: Gateway | undefined

  constructor(context: BrowserContext) {
    this.#context = context
  }

  async start(): Promise<void> {
    this.#gateway = await startGateway({ node: this.node, port: 0, logger: silentLogger })
  }

  async close(): Promise<void> {
    await this.#gateway?.close()
  }

  /** The main origin, with the slash. */
  get url(): string {
    return this.#gateway?.url ?? ''
  }

  /** Publishes a site; returns its address in its own origin, with the slash. */
  async publish(document: string, files: Readonly<Record<string, Given>>): Promise<string> {
    const uri = this.node.addEdition(document, { 'index.html': 'front', ...files })
    const page = await this.#context.newPage()
    await page.goto(`${this.url}${uri}/`)
    const url = page.url()
    await page.close()
    return url
  }

  /** A site with a page for each trick. */
  async publishTricks(document: string, tricks: readonly Trick[], canary: Canary): Promise<string> {
    return await this.publish(document, filesOf(tricks, canary))
  }

  /** By the address of any page of the site. */
  async allowScripts(site: string): Promise<void> {
    await new ShoalClient({ gateway: this.url }).allowScripts(site)
  }

  async revokeScripts(site: string): Promise<void> {
    await new ShoalClient({ gateway: this.url }).revokeScripts(site)
  }
}
