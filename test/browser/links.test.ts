/** @module */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type { BrowserContext, Page } from 'playwright-core'

import { skip } from '../helpers/chromium.ts'
import { HostileGateway, launchWithProfile } from '../helpers/hostile-visits.ts'

const FORMS: readonly (readonly [what: string, link: (key: string, gateway: string) => string])[] =
  [
    ['freenet:KEY', (key) => `freenet:${key}`],
    ['shoal:KEY', (key) => `shoal:${key}`],
    ['/KEY', (key) => `/${key}`],
    ['/freenet:KEY', (key) => `/freenet:${key}`],
    ['a relative path', (key) => `../../../../${key}`],
    ['the gateway by its address', (key, gateway) => `${gateway}${key}`],
    ['the gateway by its old address', (key) => `http://127.0.0.1:8888/${key}`],
    ['the gateway by its name', (key) => `http://localhost:8888/freenet:${key}`],
    ['percent escapes', (key) => `/${key.replace('@', '%40').replaceAll(',', '%2C')}`],
  ]

describe('links of pages, followed by a click', { skip }, () => {
  let browser: BrowserContext
  let gateway: HostileGateway
  let page: Page

  before(async () => {
    browser = await launchWithProfile()
    gateway = new HostileGateway(browser)
    await gateway.start()
    page = await browser.newPage()
  })
  after(async () => {
    await browser.close()
    await gateway.close()
  })

  async function follow(from: string, link: string): Promise<void> {
    await page.goto(from)
    await page.getByRole('link', { name: link, exact: true }).click()
  }

  test('lead to other sites on their own origins, however they are written', async () => {
    const { node } = gateway
    const keys = [
      `${node.addEdition('edition', { 'a.html': '<h1>there</h1>' })}/a.html`,
      `${node.addFolder({ 'a.html': '<h1>there</h1>' }, 'folder')}/a.html`,
      node.add('<h1>there</h1>', { name: 'file.html' }),
    ]
    const links = FORMS.map(([what, link], i) => {
      const key = keys[i % keys.length] ?? ''
      return { what, key, html: `<a href="${link(key, gateway.url)}">${what}</a>` }
    })
    const html = links.map((link) => link.html).join('\n')
    const site = await gateway.publish('links', { 'x/a.html': html })
    for (const { what, key } of links) {
      await follow(`${site}x/a.html`, what)
      await page.getByRole('heading', { name: 'there' }).waitFor()
      const { hostname, pathname } = new URL(page.url())
      assert.match(hostname, /^[a-z2-7]{52}\.localhost$/, what)
      assert.notEqual(hostname, new URL(site).hostname, what)
      assert.equal(decodeURIComponent(pathname).replace(/freenet:|shoal:/, ''), `/${key}`, what)
    }
  })

  test('stay on the origin of their site where they are relative, or name its own key', async () => {
    const key = gateway.node.addEdition('own', {})
    const site = await gateway.publish('own', {
      'x/a.html':
        '<a href="b.html">beside</a><a href="../c.html">above</a><a href="?x#y">itself</a>' +
        `<a href="freenet:${key.replace(/0$/, '1')}/c.html">its key</a><a href="./">folder</a>`,
      'x/b.html': 'b',
      'c.html': 'c',
    })
    const places = { beside: 'x/b.html', above: 'c.html', 'its key': 'c.html', folder: 'x/' }
    for (const [link, path] of Object.entries(places)) {
      await follow(`${site}x/a.html`, link)
      await page.waitForURL((url) => url.href.replace('freenet:', '') === `${site}${path}`)
    }
    await follow(`${site}x/a.html`, 'itself')
    await page.waitForURL(`${site}x/a.html?x#y`)
  })

  test('of a site with scripts lead to another one by a page that shows the key first', async () => {
    const other = gateway.node.addEdition('told', { 'index.html': '<h1>there</h1>' })
    const site = await gateway.publish('telling', {
      'a.html': `<a href="freenet:${other}/">on</a><a href="b.html">beside</a>`,
      'b.html': '<h1>beside</h1>',
    })
    await gateway.allowScripts(site)
    await follow(`${site}a.html`, 'beside')
    await page.getByRole('heading', { name: 'beside' }).waitFor()
    await follow(`${site}a.html`, 'on')
    await page.getByRole('heading', { name: 'This link leads to another site' }).waitFor()
    assert.match((await page.textContent('code')) ?? '', /USK@.*\/told\//)
    await page.getByRole('link', { name: 'Open the other site' }).click()
    await page.getByRole('heading', { name: 'there' }).waitFor()
    assert.match(page.url(), /^http:\/\/[a-z2-7]{52}\.localhost:/)
  })
})
