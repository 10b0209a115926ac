/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { chromium } from 'playwright-core'

import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { args, executablePath, skip } from '../helpers/chromium.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const TOKEN = 'correct-horse-battery-staple'

describe('a gateway with a token in a browser', { skip }, () => {
  test('a key opened there leads through the login page to its content, and the start page works', async (t) => {
    const node = createFakeNode()
    const gateway = await startGateway({ node, logger: silentLogger, port: 0, token: TOKEN })
    t.after(() => gateway.close())
    const browser = await chromium.launch({ executablePath, args })
    t.after(() => browser.close())
    const page = await browser.newPage()
    const uri = node.add('the content', { name: 'a.txt', contentType: 'text/plain' })
    await page.goto(`${gateway.url}${uri}`)
    await page.fill('#token', 'wrong')
    await page.click('button')
    assert.match((await page.textContent('[role=alert]')) ?? '', /not the token/)
    await page.fill('#token', TOKEN)
    await Promise.all([page.waitForURL(`**/${uri}`), page.click('button')])
    assert.equal(await page.textContent('body'), 'the content')
    await page.goto(gateway.url)
    const status = await page.evaluate("fetch('/api/v1/status').then((answer) => answer.status)")
    assert.equal(status, 200)
    assert.equal(await page.evaluate('document.cookie'), '')
  })
})
