/**
 * Tricks in a real browser: behind the gateway, and behind a plain server that does nothing about them.
 * @module
 */
import { once } from 'node:events'
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
import type { Trick } from './hostile-tricks.ts'

const TYPES = {
  html: 'text/html',
  xhtml: 'application/xhtml+xml',
  svg: 'image/svg+xml',
  xml: 'application/xml',
} as const
const PAGES_AT_ONCE = 16
/** What a page sets in motion has come by then: where nothing holds it back most of it takes 100 ms. */
const SETTLED_MS = 1000
/** Longest wait for a trick that nothing holds back, on a machine that has other things to do, ms. */
const MAX_WAIT_MS = 15_000
const POLL_MS = 100

/** With a profile, as people have one: without it Chromium does not follow hints to connect ahead. */
export async function launchWithProfile(): Promise<BrowserContext> {
  return await chromium.launchPersistentContext('', { executablePath, args })
}

function pathOf({ name, extension }: Trick): string {
  return `${name}.${extension}`
}

function sourceOf({ name, page }: Trick, canary: Canary): string {
  return page(`http://${canary.host}/${name}`, canary.host)
}

/** A page for each trick. */
export function filesOf(
  tricks: readonly Trick[],
  canary: Canary,
): Readonly<Record<string, string>> {
  return Object.fromEntries(tricks.map((trick) => [pathOf(trick), sourceOf(trick, canary)]))
}

/** Opens the page of every trick, some at a time, and gives each the time to do its worst. */
export async function visit(
  context: BrowserContext,
  site: string,
  tricks: readonly Trick[],
): Promise<void> {
  for (const some of groupsOf(tricks)) {
    const urls = some.map((trick) => `${site}${pathOf(trick)}`)
    await visitTogether(context, urls, () => delay(SETTLED_MS))
  }
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
  urls: readonly string[],
  settle: () => Promise<void>,
): Promise<void> {
  await Promise.all(urls.map((url) => open(context, url)))
  await settle()
  const [first, ...others] = context.pages() // the browser ends with its last page
  await first?.goto('about:blank')
  await Promise.all(others.map((page) => page.close()))
}

async function open(context: BrowserContext, url: string): Promise<void> {
  const page = await context.newPage()
  // a page that leads itself away may never have been there
  await page.goto(url, { timeout: 10_000, waitUntil: 'commit' }).catch(() => {})
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
      'Content-Type': TYPES[trick?.extension ?? 'html'],
    })
    response.end(trick === undefined ? '' : sourceOf(trick, canary))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const silent: string[] = []
  const loud = tricks.filter(({ isSilent }) => isSilent !== true)
  for (const some of groupsOf(loud)) {
    const heardBefore = canary.heard.length
    const isHeard = ({ name, isAlone }: Trick) =>
      isAlone ? canary.heard.length > heardBefore : isAskedFor(canary, name)
    const unheard = () => some.filter((trick) => !isHeard(trick)).map(({ name }) => name)
    const urls = some.map((trick) => `http://127.0.0.1:${port}/${pathOf(trick)}`)
    await visitTogether(context, urls, async () => {
      for (let waitedMs = 0; waitedMs < MAX_WAIT_MS && unheard().length > 0; waitedMs += POLL_MS) {
        await delay(POLL_MS)
      }
    })
    silent.push(...unheard())
  }
  server.closeAllConnections()
  server.close()
  return silent
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
  async publish(document: string, files: Readonly<Record<string, string>>): Promise<string> {
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
