/** @module */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

import type { Gateway } from '../../src/gateway/server.ts'
import { startGateway } from '../../src/gateway/server.ts'
import type { Clock } from '../../src/runtime.ts'
import { silentLogger, systemClock } from '../../src/runtime.ts'
import { args, executablePath, skip } from '../helpers/chromium.ts'
import type { SlowNode } from '../helpers/slow-node.ts'
import { createSlowNode } from '../helpers/slow-node.ts'

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const NOT_FOUND = { type: 'not-found' } as const
const WIDTH = 320
const TIMES_FASTER = 10
const fastClock: Clock = {
  now: () => systemClock.now() * TIMES_FASTER,
  after: (delayMs, run) => systemClock.after(delayMs / TIMES_FASTER, run),
}

describe('the waiting page in a browser', { skip }, () => {
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let node: SlowNode
  let gateway: Gateway
  const errors: string[] = []
  /** Navigations of the page, the first one included. */
  let loads = 0

  before(async () => {
    browser = await chromium.launch({ executablePath, args })
  })
  after(async () => {
    await browser.close()
  })
  beforeEach(async () => {
    node = createSlowNode()
    node.hold()
    gateway = await startGateway({ node, logger: silentLogger, port: 0 })
    context = await browser.newContext()
    page = await context.newPage()
    loads = 0
    page.on('framenavigated', () => loads++)
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) errors.push(message.text())
    })
  })
  afterEach(async () => {
    await context.close()
    await gateway.close()
    assert.deepEqual(errors.splice(0), [])
  })

  const heading = (name: string) => page.getByRole('heading', { name })
  const button = (name: string) => page.getByRole('button', { name })

  async function openSlowly(uri: string): Promise<void> {
    const response = await page.goto(`${gateway.url}${uri}`)
    assert.equal(response?.status(), 202)
    await button('Stop').waitFor()
  }

  test('it shows how far the node is, and turns into an HTML page by itself', async () => {
    const uri = node.add('<h1>Found</h1>', { name: 'page.html', contentType: 'text/html' })
    await openSlowly(uri)
    assert.equal(await page.title(), 'Looking for it – shoal')
    assert.equal(await page.getByRole('progressbar', { name: 'Time used' }).count(), 1)
    await page.getByRole('status').getByText('The node asks for the block').waitFor()
    node.report({ stage: 'content', foundBlocks: 3, tries: 8, waitingBlocks: 5 })
    await page.getByText('3 (96 KiB)').waitFor()
    await page.getByText('8 (5 on their way)').waitFor()
    await page.getByRole('status').getByText('its first part is on its way').waitFor()
    await page.getByText('57 s').waitFor() // it counts
    node.release()
    await heading('Found').waitFor()
    assert.equal(new URL(page.url()).pathname, `/${uri}`)
    assert.equal(loads, 2)
    await page.waitForTimeout(1500)
    assert.equal(loads, 2)
  })

  test('it turns into a picture, a text and a place in a page', async () => {
    await openSlowly(node.add(PIXEL, { name: 'pixel.png' }))
    node.release()
    const width = `document.images[0]?.naturalWidth`
    while ((await page.evaluate(width).catch(() => 0)) !== 1) await page.waitForTimeout(20)

    node.hold()
    const text = '<p style="height:300vh">far<p id="below">below'
    await openSlowly(`${node.add(text, { contentType: 'text/html' })}#below`)
    node.release()
    await page.getByText('below').waitFor()
    assert.ok((await page.evaluate<number>('scrollY')) > 0)
  })

  test('it turns into a film that plays, and the film never sees it', async () => {
    const film = await readFile('examples/samples/shoal.webm')
    const statuses: number[] = []
    page.on('response', (response) => {
      if (response.request().resourceType() === 'media') statuses.push(response.status())
    })
    await openSlowly(node.add(film, { name: 'shoal.webm' }))
    node.release()
    await page.locator('video').waitFor()
    const duration = `document.querySelector('video')?.duration || 0`
    while ((await page.evaluate<number>(duration)) < 2) await page.waitForTimeout(20)
    assert.ok(statuses.every((status) => [200, 206].includes(status)))
  })

  test('a file to save is saved, and the page says where it is', async () => {
    const uri = node.add('the text', { name: 'a.txt' })
    await openSlowly(`${uri}?download`)
    const saving = page.waitForEvent('download')
    node.release()
    const download = await saving
    assert.equal(download.suggestedFilename(), 'a.txt')
    await heading('Here it is').waitFor()
    await page.getByText('in your downloads').waitFor()
  })

  test('pictures of a page that is here are waited for without a word', async () => {
    node.release()
    const late = node.add(PIXEL, { name: 'late.png' })
    const uri = node.add(`<img src="/${late}">`, { contentType: 'text/html' })
    const [response] = await Promise.all([
      page.waitForResponse((answer) => answer.url().endsWith('late.png')),
      page.goto(`${gateway.url}${uri}`),
    ])
    assert.deepEqual([response.status(), response.headers()['content-type']], [200, 'image/png'])
  })

  test('two windows on one key share its wait', async () => {
    const uri = node.add('<h1>Found</h1>', { contentType: 'text/html' })
    const other = await context.newPage()
    await Promise.all([openSlowly(uri), other.goto(`${gateway.url}${uri}`)])
    assert.equal(node.waiting(), 1)
    node.release()
    await Promise.all([
      heading('Found').waitFor(),
      other.getByRole('heading', { name: 'Found' }).waitFor(),
    ])
  })

  test('a window that nobody sees holds no connection, and turns into the content too', async () => {
    await page.addInitScript(`Object.defineProperty(document, 'hidden', { get: () => true })`)
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await openSlowly(node.add('<h1>Found</h1>', { contentType: 'text/html' }))
    node.release()
    await heading('Found').waitFor()
    assert.ok(asked.some((path) => path.startsWith('/api/v1/waits/')))
    assert.ok(!asked.some((path) => path.endsWith('/events')))
  })

  test('a window that nobody sees turns too where another was first, or ended the wait', async () => {
    const hide = `Object.defineProperty(document, 'hidden', { get: () => true })`
    const [late, ended] = [await context.newPage(), await context.newPage()]
    const found = node.add('<h1>Found</h1>', { contentType: 'text/html' })
    const other = node.add('<h1>Other</h1>', { contentType: 'text/html' })
    const open = async (window: Page, uri: string) => {
      await window.addInitScript(hide)
      await window.goto(`${gateway.url}${uri}`)
    }
    await Promise.all([openSlowly(found), open(late, found), open(ended, other)])
    const wait = await ended.locator('main').getAttribute('data-wait')
    node.release()
    await heading('Found').waitFor()
    await fetch(`${gateway.url}api/v1/waits/${wait}`, { method: 'DELETE' })
    await late.getByRole('heading', { name: 'Found' }).waitFor()
    await ended.getByRole('heading', { name: 'Other' }).waitFor()
  })

  test('stopping ends the fetch, and it can be tried again', async () => {
    await openSlowly(node.add('<h1>Found</h1>', { contentType: 'text/html' }))
    await button('Stop').click()
    await heading('Stopped').waitFor()
    assert.equal(node.waiting(), 0)
    assert.equal(await page.getByRole('progressbar').count(), 0)
    node.release()
    await button('Try again').click()
    await heading('Found').waitFor()
  })

  test('what fails is said on the page, and a reload gives it its status', async () => {
    await openSlowly(node.add('x', { contentType: 'text/html' }))
    node.release(NOT_FOUND)
    await heading('Nobody has this right now').waitFor()
    assert.equal(loads, 1)
    const response = await page.reload()
    assert.equal(response?.status(), 404)
    await heading('Nobody has this right now').waitFor()
    node.release()
    await page.getByRole('link', { name: 'Try again' }).click()
    await page.getByText('x', { exact: true }).waitFor()
  })

  test('what nobody has can be tried on in the background, and the start page tells', async () => {
    await gateway.close()
    gateway = await startGateway({ node, logger: silentLogger, port: 0, clock: fastClock })
    const uri = node.add('<h1>Found</h1>', { name: 'my page.html', contentType: 'text/html' })
    await openSlowly(uri)
    node.release(NOT_FOUND)
    await heading('Nobody has this right now').waitFor()
    await button('Keep trying in the background').click()
    await page.getByText('You may close this page').waitFor()
    await page.getByText('Next try in').waitFor()
    await page.getByRole('link', { name: 'Start page' }).click()
    const list = page.getByRole('region', { name: 'Looked for in the background' })
    await list.getByText('my page.html').waitFor()
    node.release()
    await list.getByText('Here it is.').waitFor()
    await list.getByRole('link', { name: 'Open' }).click()
    await heading('Found').waitFor()
    await page.goto(gateway.url)
    await page.getByText('Connected').waitFor()
    await list.waitFor({ state: 'hidden' })
  })

  test('a background try can be stopped on the start page', async () => {
    await openSlowly(node.add('x', { name: 'a.txt' }))
    await button('Keep trying in the background').click()
    await page.getByText('You may close this page').waitFor()
    await page.goto(gateway.url)
    const list = page.getByRole('region', { name: 'Looked for in the background' })
    await list.getByRole('button', { name: 'Stop' }).click()
    await list.waitFor({ state: 'hidden' })
    assert.equal(node.waiting(), 0)
  })

  test('without scripts it asks again until the content is here', async (t) => {
    const plain = await browser.newContext({ javaScriptEnabled: false })
    t.after(() => plain.close())
    const quiet = await plain.newPage()
    await quiet.goto(`${gateway.url}${node.add('<h1>Found</h1>', { contentType: 'text/html' })}`)
    await quiet.getByRole('heading', { name: 'Looking for it' }).waitFor()
    await quiet.locator('noscript p').waitFor() // text in there is no text to a test
    assert.equal(await quiet.getByRole('button').count(), 0)
    node.report({ stage: 'content', foundBlocks: 3, tries: 8, waitingBlocks: 5 })
    await quiet.getByText('3 (96 KiB)').waitFor() // after a refresh
    assert.equal(node.waiting(), 1)
    node.release()
    await quiet.getByRole('heading', { name: 'Found' }).waitFor()
  })

  test('a node that closes, and a gateway that is gone, are told', async () => {
    await openSlowly(node.add('x'))
    await node.close()
    await heading('The node is stopping').waitFor()
    assert.equal(await button('Keep trying in the background').count(), 0)

    await openSlowly(node.add('y'))
    await gateway.close()
    await page.getByRole('alert').getByText('The node does not answer').waitFor()
  })

  test('it fits a narrow window, in the dark too', async () => {
    await page.setViewportSize({ width: WIDTH, height: 600 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await openSlowly(node.add('x'))
    await button('Keep trying in the background').click()
    await page.getByText('You may close this page').waitFor()
    assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= WIDTH)
    assert.equal(await page.evaluate('getComputedStyle(document.body).color'), 'rgb(228, 236, 239)')
  })
})
