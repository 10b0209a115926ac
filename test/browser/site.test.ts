/** @module */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { startGateway } from '../../src/gateway/server.ts'
import type { Node, PublishResult } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { args, executablePath, pathInSite, skip } from '../helpers/chromium.ts'
import { folderItems } from '../helpers/folder.ts'
import type { Files } from '../helpers/folder.ts'
import { createSwarm, until } from '../helpers/swarm.ts'

const PAGE = (title: string) => `<!doctype html><title>${title}</title>
<link rel="stylesheet" href="style/site.css">
<h1>${title}</h1>
<img id="picture" src="pictures/shoal.jpg" alt="a shoal">
<a id="link" href="about/us.html">about us</a>`

async function publish(node: Node, files: Files): Promise<PublishResult> {
  const source = { type: 'folder', items: folderItems(files) } as const
  const result = await node.publish(source, { key: 'me', document: 'site' })
  await until(() => {
    const status = node.insertStatus(result.insertId)
    return status?.spreadBlocks === status?.blocks
  })
  return result
}

test(
  'a site published on one node is browsed on another with its pictures and links, and its update appears there',
  { skip },
  async (t) => {
    const swarm = await createSwarm()
    t.after(() => swarm.close())
    const nodes: Node[] = []
    for (let count = 0; count < 3; count++) nodes.push((await swarm.add()).node)
    await until(() => nodes.every((node) => node.status().peers === 2))
    const [publisher, reader] = nodes as [Node, Node]
    const picture = await readFile('examples/samples/shoal.jpg')
    const files = {
      'index.html': PAGE('first'),
      'style/site.css': 'h1 { color: rgb(1, 2, 3) }',
      'pictures/shoal.jpg': picture,
      'about/us.html': '<title>us</title><a id="back" href="../">back</a>',
    }
    await publisher.keys.create('me')
    const first = await publish(publisher, files)

    const gateway = await startGateway({ node: reader, port: 0, logger: silentLogger })
    t.after(() => gateway.close())
    const browser = await chromium.launch({ executablePath, args })
    t.after(() => browser.close())
    const page = await browser.newPage()
    // without its slash: what people paste is what `publish` printed
    await page.goto(`${gateway.url}${first.uri}`)
    assert.equal(pathInSite(page.url()), `/${first.uri}/`)
    assert.equal(await page.title(), 'first')
    const width = await page.evaluate<number>("document.querySelector('#picture').naturalWidth")
    assert.ok(width > 0)
    const color = await page.evaluate<string>(
      "getComputedStyle(document.querySelector('h1')).color",
    )
    assert.equal(color, 'rgb(1, 2, 3)')
    await page.click('#link')
    await until(() => page.url().endsWith('/site/0/about/us.html'))
    await page.click('#back')
    await until(() => page.url().endsWith('/site/0/'))

    const second = await publish(publisher, { ...files, 'index.html': PAGE('second') })
    assert.equal(second.edition, 1)
    const newest = await page.goto(`${gateway.url}${first.uri.replace(/0$/, 'latest/')}`)
    assert.equal(pathInSite(newest?.url() ?? ''), `/${second.uri}/`)
    assert.equal(await page.title(), 'second')
    await page.goto(`${gateway.url}${first.uri}/pictures/`)
    assert.match(await page.content(), /shoal\.jpg/)
  },
)
