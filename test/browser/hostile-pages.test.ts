/** @module */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type { BrowserContext } from 'playwright-core'

import { startCanary } from '../helpers/canary.ts'
import { skip } from '../helpers/chromium.ts'
import { MARKUP_TRICKS, SCRIPT_TRICKS } from '../helpers/hostile-tricks.ts'
import { HostileGateway, launchWithProfile, visit } from '../helpers/hostile-visits.ts'

describe('a page without permission to run scripts', { skip }, () => {
  let browser: BrowserContext
  let gateway: HostileGateway

  before(async () => {
    browser = await launchWithProfile()
    gateway = new HostileGateway(browser)
    await gateway.start()
  })
  after(async () => {
    await browser.close()
    await gateway.close()
  })

  for (const [what, tricks] of [
    ['markup', MARKUP_TRICKS],
    ['scripts', SCRIPT_TRICKS],
  ] as const) {
    test(`reaches nobody from the gateway by its ${what}`, async (t) => {
      const canary = await startCanary()
      t.after(() => canary.close())
      const site = await gateway.publishTricks(what, tricks, canary)
      await visit(browser, site, tricks)
      assert.deepEqual(canary.heard, [])
    })
  }

  test('leads outside by way of a page that shows the address and goes nowhere', async (t) => {
    const canary = await startCanary()
    t.after(() => canary.close())
    const address = `http://${canary.host}/link`
    const site = await gateway.publish('links', { 'a.html': `<a href="${address}">out</a>` })
    const page = await browser.newPage()
    t.after(() => page.close())
    await page.goto(`${site}a.html`)
    await page.click('a')
    await page.waitForURL(/\/outside\?to=/)
    assert.equal(await page.textContent('code'), address)
    assert.equal(await page.locator('a').count(), 0)
    assert.deepEqual(canary.heard, [])
  })

  test('shows its own pictures and styles, and those of other sites', async (t) => {
    const green = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>'
    const other = gateway.node.addEdition('other', { 'green.svg': green })
    const site = await gateway.publish('shows', {
      'style.css': 'p { color: rgb(1, 2, 3) }',
      'green.svg': green,
      'a.html': `<link rel=stylesheet href=style.css><p>a</p><img id=own src=green.svg><img id=other src="/${other}/green.svg"><a href="/${other}/green.svg">b</a>`,
    })
    const page = await browser.newPage()
    t.after(() => page.close())
    await page.goto(`${site}a.html`)
    const widthOf = (id: string) =>
      page.evaluate<number>(`document.querySelector('#${id}').naturalWidth`)
    assert.equal(await widthOf('own'), 7)
    assert.equal(await widthOf('other'), 7)
    const color = await page.evaluate<string>("getComputedStyle(document.querySelector('p')).color")
    assert.equal(color, 'rgb(1, 2, 3)')
    await page.click('a')
    await page.waitForURL(/other/)
    assert.notEqual(new URL(page.url()).hostname, new URL(site).hostname)
  })

  test('saves a file at a click, and not by itself', async (t) => {
    const site = await gateway.publish('saves', {
      'a.zip': 'zipped',
      'a.html': '<iframe src="a.zip"></iframe><a href="a.zip">save</a>',
    })
    const page = await browser.newPage()
    t.after(() => page.close())
    const saved: string[] = []
    page.on('download', (download) => {
      saved.push(download.suggestedFilename())
    })
    await page.goto(`${site}a.html`)
    await page.waitForTimeout(500)
    assert.deepEqual(saved, [])
    const download = page.waitForEvent('download')
    await page.click('a')
    assert.equal((await download).suggestedFilename(), 'a.zip')
  })
})
