/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { reasonToSkip } from '../helpers/chromium.ts'

test('without Chromium browser tests skip and say why, and fail in a run that must have it', () => {
  const required = { SHOAL_TEST_BROWSER: 'required' }
  assert.match(String(reasonToSkip(false, {})), /install "chromium"/)
  assert.throws(() => reasonToSkip(false, required), /install "chromium"/)
  assert.equal(reasonToSkip(true, {}), false)
  assert.equal(reasonToSkip(true, required), false)
})
