/**
 * The same tricks with nothing in their way: were they to stay silent here, their silence elsewhere would
 * prove nothing.
 * @module
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type { BrowserContext } from 'playwright-core'

import { startCanary } from '../helpers/canary.ts'
import { skip } from '../helpers/chromium.ts'
import { MARKUP_TRICKS, SCRIPT_TRICKS } from '../helpers/hostile-tricks.ts'
import { launchWithProfile, silentOnes } from '../helpers/hostile-visits.ts'

describe('a hostile page from a plain server', { skip }, () => {
  let browser: BrowserContext

  before(async () => {
    browser = await launchWithProfile()
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
