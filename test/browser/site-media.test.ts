/** @module */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { args, executablePath, skip } from '../helpers/chromium.ts'
import { folderItems } from '../helpers/folder.ts'
import { createSwarm } from '../helpers/swarm.ts'

const PAGE = `<!doctype html><title>media</title>
<img src="shoal.jpg" alt="a shoal"><video src="shoal.webm" muted></video>
<img id="page" src="index.html" alt=""><iframe src="papers.pdf"></iframe>
<a id="back" href="other.html">on</a>`

test(
  'a site shows its pictures and plays its film on its own origin, and its page is written anew however it was cached',
  { skip },
  async (t) => {
    const swarm = await createSwarm()
    t.after(() => swarm.close())
    const { node } = await swarm.add()
    const files = {
      'index.html': PAGE,
      'other.html': '<a id="back" href="./">back</a>',
      'papers.pdf': '%PDF-1.4',
      'shoal.jpg': await readFile('examples/samples/shoal.jpg'),
      'shoal.webm': await readFile('examples/samples/shoal.webm'),
    }
    const { uri } = await node.insertFolder(folderItems(files), { name: 'site' })
    const gateway = await startGateway({ node, port: 0, logger: silentLogger })
    t.after(() => gateway.close())
    const browser = await chromium.launch({ executablePath, args })
    t.after(() => browser.close())
    const page = await browser.newPage()
    const seen: string[] = []
    let downloads = 0
    page.on('response', (response) => {
      const [file = ''] = new URL(response.url()).pathname.split('/').slice(-1)
      seen.push(`${response.status()} ${file}`)
    })
    page.on('download', () => downloads++)

    await page.goto(`${gateway.url}${uri}/`)
    assert.match(new URL(page.url()).hostname, /^[a-z2-7]{52}\.localhost$/)
    const width = await page.evaluate<number>("document.querySelector('img').naturalWidth")
    assert.ok(width > 0)
    // evaluated from outside: inside the page its own policy forbids it
    const video = <T>(expression: string): Promise<T> =>
      page.evaluate<T>(`{ const video = document.querySelector('video'); ${expression} }`)
    await video('void video.play()')
    while ((await video<number>('video.currentTime')) < 0.2) await sleep(50)
    const target = (await video<number>('video.duration')) * 0.7
    await video(`video.currentTime = ${target}`)
    while (await video<boolean>(`video.seeking || video.currentTime < ${target}`)) await sleep(50)
    assert.equal(await video('video.error'), null)
    assert.ok(seen.includes('206 shoal.webm'), seen.join())
    assert.ok(seen.includes('403 papers.pdf'), seen.join())

    const reloaded = await page.reload()
    assert.equal(reloaded?.status(), 200) // a 304 of ours, as the page sees it
    await page.click('#back')
    await page.click('#back')
    await page.waitForURL((url) => url.pathname.endsWith('/'))
    assert.equal(await page.title(), 'media')
    assert.equal(downloads, 0)
    // as a picture it was asked for as it is in the address bar: written anew, and no picture
    await page.goto(page.url().replace(/$/, 'index.html'))
    assert.equal(await page.title(), 'media')
  },
)
