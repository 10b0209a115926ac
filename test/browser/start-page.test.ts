/** @module */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

import { ShoalError } from '../../src/errors.ts'
import type { Gateway } from '../../src/gateway/server.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { args, executablePath, pathInSite, skip } from '../helpers/chromium.ts'
import type { FakeNode } from '../helpers/fake-node.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

/** One second of silence, 8-bit mono: the smallest film. */
function silence(): Uint8Array {
  const rate = 8000
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + rate, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(rate, 24)
  header.writeUInt32LE(rate, 28)
  header.writeUInt16LE(1, 32)
  header.writeUInt16LE(8, 34)
  header.write('data', 36)
  header.writeUInt32LE(rate, 40)
  return Buffer.concat([header, Buffer.alloc(rate, 128)])
}

const HOSTILE_HTML = `<!doctype html><title>calm</title>
<script>document.title = 'script ran'</script>
<script src="data:text/javascript,document.title='data script ran'"></script>
<body onload="document.title = 'handler ran'">
<img src="x" onerror="document.title = 'error handler ran'">
<iframe srcdoc="<script>parent.document.title='frame ran'</script>"></iframe>
<form id="f" action="/api/v1/insert?name=stolen" method="post" enctype="text/plain">
<input name="a" value="b"><button id="send">send</button></form>
<img src="/api/v1/status"><p id="end">end</p>`

describe('the start page in a browser', { skip }, () => {
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let node: FakeNode
  let gateway: Gateway
  const errors: string[] = []

  before(async () => {
    browser = await chromium.launch({ executablePath, args })
  })
  after(async () => {
    await browser.close()
  })
  beforeEach(async () => {
    node = createFakeNode()
    gateway = await startGateway({ node, logger: silentLogger, port: 0 })
    context = await browser.newContext()
    page = await context.newPage()
    page.on('pageerror', (error) => errors.push(error.message))
  })
  afterEach(async () => {
    await context.close()
    await gateway.close()
    assert.deepEqual(errors.splice(0), [])
  })

  test('a pasted key opens its content', async () => {
    const uri = node.add('<h1>Found</h1>', { name: 'page.html', contentType: 'text/html' })
    await page.goto(gateway.url)
    await page
      .getByRole('textbox', { name: 'Open a key' })
      .fill(`http://localhost:8888/freenet:${uri}`)
    await page.getByRole('button', { name: 'Open' }).click()
    await page.getByRole('heading', { name: 'Found' }).waitFor()
    assert.equal(pathInSite(page.url()), `/${uri}`)
  })

  test('a pasted key opens without scripts, too', async (t) => {
    const plain = await browser.newContext({ javaScriptEnabled: false })
    t.after(() => plain.close())
    const quiet = await plain.newPage()
    await quiet.goto(gateway.url)
    await quiet
      .getByRole('textbox', { name: 'Open a key' })
      .fill(node.add('hello', { contentType: 'text/plain' }))
    await quiet.getByRole('textbox', { name: 'Open a key' }).press('Enter')
    await quiet.getByText('hello').waitFor()
  })

  test('what is no key is answered by a page that says what is wrong', async () => {
    await page.goto(gateway.url)
    await page.getByRole('textbox', { name: 'Open a key' }).fill('CHK@abc,def')
    await page.getByRole('button', { name: 'Open' }).click()
    await page.getByRole('heading', { name: 'This key is not complete' }).waitFor()
    await page.getByText('must have three parts').waitFor()
    await page.getByRole('link', { name: 'Start page' }).click()
    await page.getByRole('textbox', { name: 'Open a key' }).waitFor()
  })

  test('picked files are inserted one after another, and their keys open them', async () => {
    await page.goto(gateway.url)
    await page.getByLabel('Choose files').setInputFiles([
      { name: 'first file.txt', mimeType: 'text/html', buffer: Buffer.from('the first') },
      { name: 'ünï.bin', mimeType: '', buffer: Buffer.alloc(3_000_000, 7) },
      { name: 'empty', mimeType: '', buffer: Buffer.alloc(0) },
    ])
    const rows = page.locator('.upload')
    await rows.nth(2).locator('.key').waitFor()
    assert.deepEqual(
      node.calls.insert.map(({ name }) => name),
      ['first file.txt', 'ünï.bin', 'empty'],
    )
    const address = (await rows.nth(0).locator('.key').textContent()) ?? ''
    assert.ok(address.startsWith(`${gateway.url}CHK@`))
    assert.equal(await (await fetch(address)).text(), 'the first')
    const [opened] = await Promise.all([
      context.waitForEvent('page'),
      rows.nth(0).getByRole('link', { name: 'Open' }).click(),
    ])
    await opened.getByText('the first').waitFor()
  })

  test('the address of a key can be copied', async () => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.goto(gateway.url)
    await page
      .getByLabel('Choose files')
      .setInputFiles({ name: 'a.txt', mimeType: '', buffer: Buffer.from('a') })
    await page.getByRole('button', { name: 'Copy address' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const copied = await page.evaluate('navigator.clipboard.readText()')
    assert.equal(copied, await page.locator('.key').textContent())
  })

  test('a dropped file is inserted, and its spread is shown until it is complete', async () => {
    node.insertStatuses.set(1, { blocks: 40, spreadBlocks: 0, lostBlocks: 0, peers: 0 })
    await page.goto(gateway.url)
    const dropped = await page.evaluateHandle(`(() => {
      const data = new DataTransfer()
      data.items.add(new File(['dropped'], 'dropped.txt'))
      return data
    })()`)
    await page.dispatchEvent('#drop', 'drop', { dataTransfer: dropped })
    await page.getByText('0 of 40 blocks spread. Waiting for peers').waitFor()
    node.insertStatuses.set(1, { blocks: 40, spreadBlocks: 12, lostBlocks: 0, peers: 3 })
    await page.getByText('12 of 40 blocks spread.').waitFor()
    node.insertStatuses.set(1, { blocks: 40, spreadBlocks: 40, lostBlocks: 0, peers: 3 })
    await page.getByText('Spread: all of 40 blocks.').waitFor()
  })

  test('a picked folder is inserted as one, and its key opens its front page', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-folder-'))
    t.after(() => {
      rmSync(folder, { recursive: true })
    })
    mkdirSync(join(folder, 'my site', 'b'), { recursive: true })
    writeFileSync(
      join(folder, 'my site', 'index.html'),
      '<h1>Front page</h1><a href="b/ü.txt">go on</a>',
    )
    writeFileSync(join(folder, 'my site', 'b', 'ü.txt'), 'the text')
    writeFileSync(join(folder, 'my site', 'b.bin'), Buffer.alloc(3_000_000, 7))
    await page.goto(gateway.url)
    await page.getByLabel('Choose a folder').setInputFiles(join(folder, 'my site'))
    const row = page.locator('.upload')
    await row.locator('.key').waitFor()
    assert.equal(await row.locator('.size').textContent(), '3 files, 2.9 MiB')
    assert.equal(node.calls.insertFolder[0]?.name, 'my site')
    const address = (await row.locator('.key').textContent()) ?? ''
    const { pathname } = new URL(address)
    const paths = Object.keys(node.folderOf(pathname.slice(1)) ?? {})
    assert.deepEqual(paths, ['b/ü.txt', 'b.bin', 'index.html'])
    const [opened] = await Promise.all([
      context.waitForEvent('page'),
      row.getByRole('link', { name: 'Open' }).click(),
    ])
    await opened.getByRole('link', { name: 'go on' }).click()
    await opened.getByText('the text').waitFor()
    assert.equal(pathInSite(opened.url()), `${pathname}/b/%C3%BC.txt`)
  })

  test('a dropped folder is inserted as one, with the folders in it that are empty', async () => {
    await page.goto(gateway.url)
    // no script can make a dropped folder: these are as browsers hand them over, in several portions
    await page.evaluate(`(() => {
      const file = (name) => ({ name, file: (done) => done(new File(['in ' + name], name)) })
      const folder = (name, ...portions) => ({
        name,
        isDirectory: true,
        createReader: () => ({ readEntries: (done) => done(portions.shift() ?? []) }),
      })
      const dropped = folder('dropped', [file('b.txt'), folder('a', [file('c.txt')])], [folder('empty')])
      const event = new Event('drop', { bubbles: true, cancelable: true })
      const items = [{ kind: 'file', webkitGetAsEntry: () => dropped, getAsFile: () => null }]
      event.dataTransfer = { types: ['Files'], items }
      document.querySelector('#drop').dispatchEvent(event)
    })()`)
    const key = page.locator('.upload .key')
    await key.waitFor()
    const { pathname } = new URL((await key.textContent()) ?? '')
    assert.deepEqual(node.folderOf(pathname.slice(1)), {
      'a/': '',
      'a/c.txt': 'in c.txt',
      'b.txt': 'in b.txt',
      'empty/': '',
    })
  })

  test('a listing is shown in its style, and hostile names in it do nothing', async () => {
    const hostile = '<img src=x onerror="document.title=1">.txt'
    const uri = node.addFolder({ [hostile]: 'the hostile one', 'b/c.txt': 'c' }, 'things')
    await page.goto(`${gateway.url}${uri}/`)
    assert.equal(await page.title(), 'things – shoal')
    const collapse = `getComputedStyle(document.querySelector('table')).borderCollapse`
    assert.equal(await page.evaluate(collapse), 'collapse')
    assert.equal(await page.locator('img, script').count(), 0)
    await page.getByRole('link', { name: 'b/' }).click()
    await page.getByRole('link', { name: 'Parent folder' }).click()
    await page.getByRole('link', { name: hostile }).click()
    await page.getByText('the hostile one').waitFor()
  })

  test('an upload that the node refuses says so in words, and the next one runs', async () => {
    node.nextInsert = { afterBytes: 1, error: new ShoalError('E_STORE_FULL', 'The store is full.') }
    await page.goto(gateway.url)
    await page.getByLabel('Choose files').setInputFiles([
      { name: 'a.txt', mimeType: '', buffer: Buffer.alloc(5_000_000) },
      { name: 'b.txt', mimeType: '', buffer: Buffer.from('b') },
    ])
    await page.getByText('The store is full.').waitFor()
    await page.locator('.upload').nth(1).locator('.key').waitFor()
  })

  test('the status line follows the node', async () => {
    await page.goto(gateway.url)
    await page.getByText('3.0 GiB of 10 GiB').waitFor()
    await page.getByText('Connected').waitFor()
    node.peers = 0
    await page.getByText('Looking for peers').waitFor()
    await gateway.close()
    await page.getByText('The node does not answer').waitFor()
  })

  test('while the place on the ring is being solved the page says how far that is', async () => {
    node.peers = 0
    const work = { tries: 256, expectedTries: 512, elapsedMs: 4000 }
    node.connection = { state: 'solving', work }
    await page.goto(`${gateway.url}status`)
    await page.getByText('50 % of the expected work after 4 s').waitFor()
    assert.equal(await page.locator('#position').textContent(), '–')
    node.connection = { isPrivate: true }
    await page.getByText('peers with another key are not seen').waitFor()
    await page.getByText('test, private').waitFor()
    assert.equal(await page.locator('#position').textContent(), '0.2500')
  })

  test('the place on the ring, the size of the network and links by distance are shown', async () => {
    node.ring = {
      estimatedNodes: 1234,
      links: [
        { distance: 0.001, role: 'ring' },
        { distance: 0.3, role: 'long' },
        { distance: 0.4, role: 'spare' },
      ],
    }
    await page.goto(gateway.url)
    await page.getByText('1,200').waitFor()
    assert.equal(await page.locator('#position').textContent(), '0.2500')
    await page.getByText('Links by distance').click()
    assert.deepEqual(await page.locator('#distances li').allInnerTexts(), ['1/2\n2', '1/512\n1'])
    assert.equal(await page.locator('#distances progress').first().getAttribute('value'), '2')
    node.ring = { estimatedNodes: undefined, links: [] }
    await page.locator('#links').waitFor({ state: 'hidden' })
  })

  test('a store that is being filled or in trouble says so, and a good one says nothing', async () => {
    const words = page.locator('#store-words')
    const bar = page.getByRole('progressbar', { name: 'Store made ready' })
    node.fakeStore.stats = { filledShare: 0.42 }
    await page.goto(gateway.url)
    await page.getByText('Your node fills its store').waitFor()
    assert.equal(await bar.getAttribute('value'), '0.42')
    node.fakeStore.stats = { condition: 'disk-full', filledShare: 0.42 }
    await page.getByText('The disk is full.').waitFor()
    await bar.waitFor({ state: 'hidden' })
    node.fakeStore.stats = { condition: 'rebuilding' }
    await page.getByText('reading its index again').waitFor()
    node.fakeStore.stats = {}
    await words.waitFor({ state: 'hidden' })
  })

  test('a hostile page runs no script, sends no form and cannot call the API', async () => {
    const uri = node.add(HOSTILE_HTML, { contentType: 'text/html' })
    await page.goto(`${gateway.url}${uri}`)
    await page.locator('#end').waitFor()
    await page.locator('#send').click()
    // with a debugger's help it gets as far as asking, which no page can
    const asked = await page
      .evaluate(`fetch('/api/v1/status').then((response) => response.status, () => 'refused')`)
      .catch(() => 'no script at all')
    assert.ok(['refused', 'no script at all', 403].includes(asked as string), String(asked))
    assert.equal(await page.title(), 'calm')
    assert.equal(pathInSite(page.url()), `/${uri}`)
    assert.deepEqual([node.calls.status, node.calls.insert.length], [0, 0])
  })

  test('a hostile picture runs no script', async () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="document.documentElement.id='ran'">
      <script>document.documentElement.id='ran'</script><rect width="9" height="9"/></svg>`
    for (const contentType of ['image/svg+xml', 'application/xml', 'application/xhtml+xml']) {
      await page.goto(`${gateway.url}${node.add(svg, { contentType })}`)
      assert.notEqual(await page.locator(':root').getAttribute('id'), 'ran')
    }
  })

  test('sound and film play on a page of their own, and can be moved through', async () => {
    const uri = node.add(silence(), { name: 'silence.wav' })
    await page.goto(`${gateway.url}${uri}`)
    const seconds = await page.evaluate(`new Promise((resolve, reject) => {
      const media = document.querySelector('video')
      if (media === null || media.error !== null) throw new Error('it does not play')
      const done = () => {
        media.pause() // else it has played on by the time it is looked at
        media.addEventListener('seeked', () => resolve([media.duration, media.currentTime]))
        media.currentTime = 0.5
      }
      if (media.readyState >= 1) done()
      media.addEventListener('loadedmetadata', done)
      media.addEventListener('error', () => reject(new Error('it does not play')))
    })`)
    assert.deepEqual(seconds, [1, 0.5])
  })

  test('a sandboxed page shows its pictures, and they come from the gateway', async () => {
    const pixel = Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAA=', 'base64')
    const image = node.add(pixel, { contentType: 'image/gif' })
    const html = `<img src="/${image}" alt="pixel">`
    await page.goto(`${gateway.url}${node.add(html, { contentType: 'text/html' })}`)
    await page.getByAltText('pixel').waitFor()
    const width = await page.evaluate(`document.querySelector('img').naturalWidth`)
    assert.equal(width, 1)
  })
})
