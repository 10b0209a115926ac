/** @module */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type { BrowserContext, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

import type { Gateway } from '../../src/gateway/server.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { startCanary } from '../helpers/canary.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from '../helpers/certificate.ts'
import { args, executablePath, skip } from '../helpers/chromium.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { MARKUP_TRICKS } from '../helpers/hostile-tricks.ts'
import { filesOf, visit } from '../helpers/hostile-visits.ts'

const TOKEN = 'correct-horse-battery-staple'
const TLS = { cert: CERTIFICATE, key: CERTIFICATE_KEY }
const GREEN = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>'

/** A page that goes for the API and the control pages in every way that takes no script, and with some. */
const REACHING = `<title>calm</title>
<link rel=stylesheet href="/api/v1/status">
<img src="/api/v1/status"><img src="/metrics"><video src="/api/v1/store"></video>
<style>p { background: url(/api/v1/keys) }</style><p>text
<iframe id=own src="/"></iframe><iframe id=login src="/login"></iframe>
<iframe id=api src="/api/v1/status"></iframe>
<form id=form method=post action="/api/v1/keys?name=stolen"><input type=password><button>a</button></form>
<a id=link href="/api/v1/status">b</a>
<script>document.title = 'script ran'; fetch('/api/v1/keys?name=stolen', { method: 'POST' })</script>
<img src=x onerror="document.title = 'script ran'">`

describe('a gateway with a token in a browser', { skip }, () => {
  const node = createFakeNode()
  let gateway: Gateway
  let browser: BrowserContext

  before(async () => {
    const options = { node, logger: silentLogger, port: 0, token: TOKEN, tls: TLS }
    gateway = await startGateway(options)
    const ignoreHTTPSErrors = true // of the certificate that signs itself
    browser = await chromium.launchPersistentContext('', {
      executablePath,
      args,
      ignoreHTTPSErrors,
    })
    const page = await browser.newPage()
    await logIn(page, '')
    await page.close()
  })
  after(async () => {
    await browser.close()
    await gateway.close()
  })

  /** Opens `path`, which leads through the login page. */
  async function logIn(page: Page, path: string): Promise<void> {
    await page.goto(`${gateway.url}${path}`)
    await page.fill('#token', TOKEN)
    await Promise.all([page.waitForURL(`**/${path}`), page.click('button')])
  }

  test('a key opened there leads through the login page to its content, and the start page works', async () => {
    await browser.clearCookies()
    const page = await browser.newPage()
    const uri = node.add('the content', { name: 'a.txt', contentType: 'text/plain' })
    await page.goto(`${gateway.url}${uri}`)
    await page.fill('#token', 'wrong')
    await page.click('button')
    assert.match((await page.textContent('[role=alert]')) ?? '', /not the token/)
    await logIn(page, uri)
    assert.equal(await page.textContent('body'), 'the content')
    await page.goto(gateway.url)
    const status = await page.evaluate("fetch('/api/v1/status').then((answer) => answer.status)")
    assert.equal(status, 200)
    assert.equal(await page.evaluate('document.cookie'), '')
    await page.close()
  })

  test('a page shows its pictures and styles to who has logged in', async () => {
    const uri = node.addEdition('shows', {
      'style.css': 'p { color: rgb(1, 2, 3) }',
      'green.svg': GREEN,
      'index.html': '<link rel=stylesheet href=style.css><p>a</p><img src=green.svg>',
    })
    const page = await browser.newPage()
    await page.goto(`${gateway.url}${uri}/`)
    assert.equal(await page.evaluate("document.querySelector('img').naturalWidth"), 7)
    const color = await page.evaluate("getComputedStyle(document.querySelector('p')).color")
    assert.equal(color, 'rgb(1, 2, 3)')
    await page.close()
  })

  test('a page of a site runs no script, and reaches neither the API nor a control page', async () => {
    const uri = node.addEdition('reaches', { 'index.html': REACHING })
    const asked = { status: node.calls.status, keys: node.keys.list().length }
    const page = await browser.newPage()
    const answers = new Map<string, number>()
    page.on('response', (response) => {
      answers.set(new URL(response.url()).pathname, response.status())
    })
    await page.goto(`${gateway.url}${uri}/`)
    assert.equal(await page.evaluate("document.querySelector('input').type"), 'text')
    for (const id of ['own', 'login', 'api']) {
      const frame = await (await page.$(`#${id}`))?.contentFrame()
      assert.doesNotMatch((await frame?.content()) ?? '', /token|Insert|peers/, id)
    }
    await page.click('button')
    await page.evaluate("document.querySelector('#form').submit()") // from outside: the page cannot
    assert.equal(await page.title(), 'calm')
    for (const path of ['/api/v1/status', '/api/v1/keys', '/metrics', '/api/v1/store']) {
      assert.equal(answers.get(path), 403, path)
    }
    await Promise.all([page.waitForNavigation(), page.click('#link')])
    assert.equal(answers.get('/api/v1/status'), 403)
    assert.deepEqual({ status: node.calls.status, keys: node.keys.list().length }, asked)
    await page.close()
  })

  test('no trick of the markup of a page reaches anybody but the gateway', async (t) => {
    const canary = await startCanary()
    t.after(() => canary.close())
    // those that go one by one are tried on the origins of sites
    const tricks = MARKUP_TRICKS.filter(({ isAlone }) => isAlone !== true)
    const calls = node.calls.fetch.length
    const uri = node.addEdition('tricks', filesOf(tricks, canary))
    await visit(browser, `${gateway.url}${uri}/`, tricks)
    assert.ok(node.calls.fetch.length >= calls + tricks.length)
    assert.deepEqual(canary.heard, [])
  })
})
