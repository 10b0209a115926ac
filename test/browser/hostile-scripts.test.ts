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
  f.onload = resolve
  f.src = url
  document.body.append(f)
})
const main = async () => {
  const urls = JSON.parse(decodeURIComponent(location.hash.slice(1)))
  const all = []
  for (const url of urls) {
    all.push(await read(url))
    await frame(url)
  }
  try { localStorage.a = 1; all.push('stored') } catch { all.push('refused') }
  try { await navigator.serviceWorker.register('worker.js'); all.push('worker') } catch { all.push('refused') }
  document.title = JSON.stringify(all)
}
addEventListener('load', main)
</script>`

async function textsOfFrames(page: Page): Promise<string[]> {
  const frames = page.frames().filter((frame) => frame.parentFrame() !== null)
  // an error page of the browser has a frame, and lets nobody in
  return await Promise.all(
    frames.map((frame) => frame.evaluate<string>('document.body.innerText').catch(() => '')),
  )
}

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
    const page = await openUntil(url, isDone)
    const title = await page.title()
    await page.close()
    return title
  }

  async function openUntil(url: string, isDone: (title: string) => boolean): Promise<Page> {
    const page = await browser.newPage()
    await page.goto(url)
    for (let tries = 0; tries < 100 && !isDone(await page.title()); tries++) {
      await page.waitForTimeout(50)
    }
    return page
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
    const page = await openUntil(`${site}a.html#${fragment}`, (text) => text.startsWith('['))
    const [own, ...others] = JSON.parse(await page.title()) as string[]
    assert.equal(own, 'own')
    assert.equal(others.length, asked.length + 1)
    for (const answer of others) assert.equal(answer, 'refused')
    // no script can look into its frames, so what they show has to be told from outside
    const [shown, ...hidden] = await textsOfFrames(page)
    assert.equal(shown, 'own')
    assert.equal(hidden.length, asked.length - 1)
    for (const text of hidden) assert.doesNotMatch(text, /secret|peers|shoal/i)
    await page.close()
    assert.equal(node.calls.status, 0)
    const asksFor = node.calls.fetch
      .slice(calls)
      .map(({ uri }) => ('document' in uri ? uri.document : ''))
    assert.ok(!asksFor.includes('other'), 'the node was asked for a key that a script chose')
  })
})
