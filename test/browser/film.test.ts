/** @module */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { args, executablePath, skip } from '../helpers/chromium.ts'
import { createSwarm, insert, until } from '../helpers/swarm.ts'

test(
  'a pasted key URL plays the film from another node, and seeking works',
  { skip },
  async (t) => {
    const swarm = await createSwarm()
    t.after(() => swarm.close())
    const [inserter, reader] = [await swarm.add(), await swarm.add()]
    await until(() => reader.node.status().peers === 1)
    const film = await readFile('examples/samples/shoal.webm')
    const { uri, insertId } = await insert(inserter.node, film, { name: 'shoal.webm' })
    await until(() => {
      const status = inserter.node.insertStatus(insertId)
      return status?.spreadBlocks === status?.blocks
    })
    const gateway = await startGateway({ node: reader.node, port: 0, logger: silentLogger })
    t.after(() => gateway.close())
    const browser = await chromium.launch({
      executablePath,
      args: [...args, '--autoplay-policy=no-user-gesture-required'],
    })
    t.after(() => browser.close())
    const page = await browser.newPage()

    await page.goto(`${gateway.url}${uri}`)
    // evaluated from outside: inside the page its own policy forbids it
    const video = <T>(expression: string): Promise<T> =>
      page.evaluate<T>(`{ const video = document.querySelector('video'); ${expression} }`)
    while ((await video<number>('video.currentTime')) < 0.2) await sleep(50)
    const duration = await video<number>('video.duration')
    assert.ok(duration > 2)
    const target = duration * 0.7
    await video(`video.currentTime = ${target}`)
    while (await video<boolean>(`video.seeking || video.currentTime < ${target}`)) await sleep(50)
    assert.equal(await video('video.error'), null)
  },
)
