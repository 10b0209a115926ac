/**
 * The same tricks with nothing in their way: were they to stay silent here, their silence elsewhere would
 * prove nothing.
 * @module
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type { Browser } from 'playwright-core'
import { chromium } from 'playwright-core'

import { startCanary } from '../helpers/canary.ts'
import { args, executablePath, skip } from '../helpers/chromium.ts'
import { MARKUP_TRICKS, SCRIPT_TRICKS } from '../helpers/hostile-tricks.ts'
import { silentOnes } from '../helpers/hostile-visits.ts'

describe('a hostile page from a plain server', { skip }, () => {
  let browser: Browser

  before(async () => {
    browser = await chromium.launch({ executablePath, args })
  })
  after(async () => {
    await browser.close()
  })

  for (const [what, tricks] of [
    ['markup', MARKUP_TRICKS],
    ['scripts', SCRIPT_TRICKS],
  ] as const) {
    test(`reaches the canary by its ${what}`, async (t) => {
      const canary = await startCanary()
      t.after(() => canary.close())
      assert.deepEqual(await silentOnes(browser, tricks, canary), [])
    })
  }
})
