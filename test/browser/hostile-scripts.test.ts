/** @module */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type { BrowserContext, Page } from 'playwright-core'

import { startCanary } from '../helpers/canary.ts'
import { skip } from '../helpers/chromium.ts'
import { MARKUP_TRICKS, SCRIPT_TRICKS } from '../helpers/hostile-tricks.ts'
import { HostileGateway, launchWithProfile, visit } from '../helpers/hostile-visits.ts'

const RUNS = '<title>calm</title><script>document.title = "script ran"</script>'
/** Tells by its title what came of every address in its fragment. */
const READER = `<script>
const read = async (url) => {
  try { return (await (await fetch(url)).text()).slice(0, 20) } catch { return 'refused' }
}
const frame = (url) => new Promise((resolve) => {
  const f = document.createElement('iframe')
  f.onload = () => { try { resolve(f.contentDocument.body.textContent) } catch { resolve('refused') } }
  f.src = url
  document.body.append(f)
})
const main = async () => {
  const urls = JSON.parse(decodeURIComponent(location.hash.slice(1)))
  const all = []
  for (const url of urls) all.push(await read(url), await frame(url))
  try { localStorage.a = 1; all.push('stored') } catch { all.push('refused') }
  try { await navigator.serviceWorker.register('worker.js'); all.push('worker') } catch { all.push('refused') }
  document.title = JSON.stringify(all)
}
addEventListener('load', main)
</script>`

describe('a page with permission to run scripts', { skip }, () => {
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

  async function titleOf(url: string, isDone: (title: string) => boolean): Promise<string> {
    const page: Page = await browser.newPage()
    try {
      await page.goto(url)
      for (let tries = 0; tries < 100; tries++) {
        const title = await page.title()
        if (isDone(title)) return title
        await page.waitForTimeout(50)
      }
      return await page.title()
    } finally {
      await page.close()
    }
  }

  for (const [what, tricks] of [
    ['markup', MARKUP_TRICKS],
    ['scripts', SCRIPT_TRICKS],
  ] as const) {
    test(`reaches nobody from the gateway by its ${what}`, async (t) => {
      const canary = await startCanary()
      t.after(() => canary.close())
      const site = await gateway.publishTricks(what, tricks, canary)
      await gateway.allowScripts(site)
      await visit(browser, site, tricks)
      assert.deepEqual(canary.heard, [])
    })
  }

  test('runs them only while it is allowed', async () => {
    const site = await gateway.publish('runs', { 'a.html': RUNS })
    const title = () => titleOf(`${site}a.html`, (text) => text !== '')
    assert.equal(await title(), 'calm')
    await gateway.allowScripts(site)
    assert.equal(await title(), 'script ran')
    await gateway.revokeScripts(site)
    assert.equal(await title(), 'calm')
  })

  test('reads its own files, but no other site, no API and no control page', async () => {
    const { node } = gateway
    const secret = { 'secret.txt': 'secret', 'index.html': 'secret' }
    const other = await gateway.publish('other', secret)
    const otherPath = new URL(other).pathname
    const site = await gateway.publish('reader', {
      'own.txt': 'own',
      'a.html': READER,
      'worker.js': '',
    })
    await gateway.allowScripts(site)
    const asked = [
      `${site}own.txt`,
      `${otherPath}secret.txt`,
      `${other}secret.txt`,
      `${gateway.url.slice(0, -1)}${otherPath}secret.txt`,
      '/api/v1/status',
      `${gateway.url}api/v1/status`,
      `${gateway.url.replace('127.0.0.1', 'localhost')}api/v1/status`,
      '/',
      gateway.url,
    ]
    const calls = node.calls.fetch.length
    const fragment = encodeURIComponent(JSON.stringify(asked))
    const title = await titleOf(`${site}a.html#${fragment}`, (text) => text.startsWith('['))
    const [own, , ...others] = JSON.parse(title) as string[]
    assert.equal(own, 'own')
    for (const [i, answer] of others.entries()) {
      assert.doesNotMatch(answer, /secret|peers|stored|^worker/, `answer ${i}: ${title}`)
    }
    assert.equal(node.calls.status, 0)
    const asksFor = node.calls.fetch
      .slice(calls)
      .map(({ uri }) => ('document' in uri ? uri.document : ''))
    assert.ok(!asksFor.includes('other'), 'the node was asked for a key that a script chose')
  })
})
