/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'

import type { BrowserContext, Page } from 'playwright-core'

import { ShoalClient } from '../../src/client/index.ts'
import { startCanary } from '../helpers/canary.ts'
import { skip } from '../helpers/chromium.ts'
import { HostileGateway, launchWithProfile } from '../helpers/hostile-visits.ts'

/** Says by its title whether it ran, and what came of calling out and of asking the node. */
const caller = (canary: string, other: string) => `<!doctype html><title>calm</title>
<script>
const ask = (url) => fetch(url).then(() => 'reached', () => 'refused')
addEventListener('load', async () => {
  const all = ['http://${canary}/a', '/api/v1/status', '${other}'].map(ask)
  document.title = 'ran: ' + (await Promise.all(all)).join()
})
</script><p>the page`

describe('the page on which scripts are allowed', { skip }, () => {
  let browser: BrowserContext
  let gateway: HostileGateway
  let client: ShoalClient
  let page: Page
  const errors: string[] = []

  before(async () => {
    browser = await launchWithProfile()
  })
  after(async () => {
    await browser.close()
  })
  beforeEach(async () => {
    gateway = new HostileGateway(browser)
    await gateway.start()
    client = new ShoalClient({ gateway: gateway.url })
    page = await browser.newPage()
    page.on('pageerror', (error) => errors.push(error.message))
  })
  afterEach(async () => {
    await page.close()
    await gateway.close()
    assert.deepEqual(errors.splice(0), [])
  })

  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const allowed = async () => (await client.listScripts()).sites.map(({ name }) => name)

  async function look(address: string): Promise<void> {
    await page.goto(`${gateway.url}scripts`)
    await page.getByRole('textbox').fill(address)
    await button('Look').click()
  }

  async function titleOf(url: string): Promise<string> {
    const site = await browser.newPage()
    await site.goto(url)
    for (let tries = 0; tries < 20 && !(await site.title()).startsWith('ran'); tries++) {
      await site.waitForTimeout(25)
    }
    const title = await site.title()
    await site.close()
    return title
  }

  test('a site runs its scripts from the click on, sealed, and from the revocation on no more', async (t) => {
    const canary = await startCanary()
    t.after(() => canary.close())
    const other = gateway.node.addEdition('other', { 'index.html': 'other' })
    const files = { 'a.html': caller(canary.host, `/${other}/`) }
    const site = await gateway.publish('wanted', files)
    const unwanted = await gateway.publish('unwanted', files)
    assert.equal(await titleOf(`${site}a.html`), 'calm')

    await page.goto(gateway.url)
    await page.getByRole('link', { name: 'you allow them' }).click()
    await page.getByRole('textbox').fill(`${site}a.html`)
    await page.getByRole('textbox').press('Enter')
    await page.getByRole('heading', { name: 'Allow scripts to wanted?' }).waitFor()
    await page.getByText('those that its author publishes later too').waitFor()
    assert.deepEqual(await allowed(), [])
    await button('Allow scripts').click()
    await page.getByText('wanted may run scripts now.').waitFor()
    assert.deepEqual(await allowed(), ['wanted'])
    assert.equal(await titleOf(`${site}a.html`), 'ran: refused,refused,refused')
    assert.equal(await titleOf(`${unwanted}a.html`), 'calm')
    assert.deepEqual(canary.heard, [])

    await button('Revoke').click()
    await page.getByText('None.').waitFor()
    assert.equal(await titleOf(`${site}a.html`), 'calm')
  })

  test('the way back to a page shows it without the scripts that it lost', async () => {
    const site = await gateway.publish('back', {
      'a.html': '<title>calm</title><script>document.title = "ran"</script><a href="b.html">on</a>',
      'b.html': 'b',
    })
    await gateway.allowScripts(site)
    await page.goto(`${site}a.html`)
    assert.equal(await page.title(), 'ran')
    await page.click('a')
    await page.waitForURL(/b\.html/)
    await gateway.revokeScripts(site)
    await page.goBack()
    assert.equal(await page.title(), 'calm')
  })

  test('what is no key is said, and a list of several is revoked together', async () => {
    await look('USK@none')
    await page.getByRole('alert').getByText('Not a valid').waitFor()
    assert.equal(await button('Allow scripts').count(), 0)
    await client.allowScripts('KSK@first')
    await client.allowScripts('KSK@second')
    await look('KSK@second/page.html')
    await page.getByText('second may run scripts already.').waitFor()
    assert.deepEqual(await page.locator('#sites h3').allInnerTexts(), ['first', 'second'])
    await button('Revoke all').click()
    await page.getByText('None.').waitFor()
    assert.deepEqual(await allowed(), [])
  })

  test('a name shows itself as text, whatever its author wrote, and what anyone may write to is called so', async () => {
    await look('KSK@%E2%80%AE%3Cimg%20src=x%20onerror=alert(1)%3E')
    await page.getByRole('heading', { name: 'Allow scripts to' }).waitFor()
    await page.getByText('to which anyone may write').waitFor()
    assert.equal(await page.locator('#question img').count(), 0)
    assert.equal(await page.locator('#question bdi').count(), 1)
  })

  test('the button takes no click that was meant for what stood there before', async () => {
    await look('KSK@word')
    const allow = button('Allow scripts')
    await allow.waitFor()
    assert.equal(await allow.isDisabled(), true)
    await allow.click({ force: true })
    assert.deepEqual(await allowed(), [])
    while (await allow.isDisabled()) await page.waitForTimeout(50)
    // as when another window covered this one, and goes away under the pointer
    await page.evaluate(`dispatchEvent(new Event('focus'))`)
    assert.equal(await allow.isDisabled(), true)
    while (await allow.isDisabled()) await page.waitForTimeout(50)
    await page.getByRole('textbox').fill('KSK@other')
    assert.equal(await allow.isVisible(), false)
    assert.deepEqual(await allowed(), [])
  })

  test('no link brings a key along, neither frame nor opener gets hold of the page, and no key stays in its address', async (t) => {
    const target = `${gateway.url}scripts?key=KSK@word&uri=KSK@word#KSK@word`
    const server = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html')
      response.end(`<a href="${target}">go</a><iframe src="${target}"></iframe>
<form method="post" action="${gateway.url}api/v1/scripts/site?uri=KSK@word"><button>send</button></form>
<script>onclick = () => { opened = open('${target}', 'x', 'width=300,height=300') }</script>`)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    const evil = `http://localhost:${(server.address() as AddressInfo).port}/`
    await page.goto(evil)
    const [, framed] = page.frames()
    assert.equal(await framed?.locator('input').count(), 0)
    const [opened] = await Promise.all([
      browser.waitForEvent('page'),
      page.locator('body').click({ position: { x: 5, y: 200 } }),
    ])
    await opened.getByRole('textbox').waitFor()
    assert.equal(await opened.getByRole('textbox').inputValue(), '')
    assert.equal(await opened.getByRole('button', { name: 'Allow scripts' }).isVisible(), false)
    assert.equal(await page.evaluate('opened.closed'), true) // cut off, as far as it can tell
    await opened.close()
    await page.click('button')
    assert.deepEqual(await allowed(), [])

    await look('KSK@word')
    await button('Allow scripts').waitFor()
    assert.equal(page.url(), `${gateway.url}scripts`)
    assert.equal(await page.title(), 'Scripts of sites – shoal')
  })

  test('a browser that is not known to keep scripts sealed is told that they stay off', async () => {
    await page.route('**/api/v1/scripts', async (route) => {
      const headers = { 'sec-fetch-dest': 'empty', 'sec-ch-ua': '"Firefox";v="150"' }
      await route.fulfill({ response: await route.fetch({ headers }) })
    })
    await page.goto(`${gateway.url}scripts`)
    await page.getByText('Scripts stay off in this browser').waitFor()
  })
})
