import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LINK_CODES, LinkShares, UNKNOWN_LINK } from '../../src/datastore/link-shares.ts'

test('link shares: a link keeps its code, and no two links share one', () => {
  const links = new LinkShares()
  const codes = new Set<number>()
  for (let link = 0; link < LINK_CODES - 1; link++) {
    const code = links.codeFor(link)
    assert.ok(code > UNKNOWN_LINK && code < LINK_CODES)
    codes.add(code)
    assert.equal(links.codeFor(link), code)
    assert.equal(links.knownCode(link), code)
  }
  assert.equal(codes.size, LINK_CODES - 1)
})

test('link shares: with all codes in use another link is unknown, until one has nothing left', () => {
  const links = new LinkShares()
  for (let link = 0; link < LINK_CODES - 1; link++) {
    links.add(links.codeFor(link), link % 2 === 0 ? 'store' : 'cache')
  }
  assert.equal(links.codeFor(1000), UNKNOWN_LINK)
  assert.equal(links.knownCode(1000), undefined)
  const code = links.codeFor(7)
  links.remove(code, 'cache')
  assert.equal(links.codeFor(1000), code)
  links.add(code, 'cache')
  assert.equal(links.knownCode(7), undefined)
  assert.equal(links.codeFor(7), UNKNOWN_LINK)
})

test('link shares: of several links without slots the one known longest gives up its code', () => {
  const links = new LinkShares()
  for (let link = 0; link < LINK_CODES - 1; link++) links.codeFor(link)
  links.add(links.codeFor(0), 'store')
  const code = links.codeFor(1)
  assert.equal(links.codeFor(1000), code)
  assert.equal(links.knownCode(1), undefined)
  assert.notEqual(links.knownCode(2), undefined)
})

test('link shares: the fullest is the known link with most slots in the store', () => {
  const links = new LinkShares()
  assert.equal(links.fullest, undefined)
  const [a, b] = [links.codeFor(10), links.codeFor(11)]
  for (let i = 0; i < 9; i++) links.add(UNKNOWN_LINK, 'store')
  for (let i = 0; i < 9; i++) links.add(a, 'cache')
  assert.equal(links.fullest, undefined, 'neither strangers nor the cache count')
  links.add(a, 'store')
  for (let i = 0; i < 2; i++) links.add(b, 'store')
  assert.equal(links.fullest, b)
  for (let i = 0; i < 2; i++) links.remove(b, 'store')
  assert.equal(links.fullest, a)
})

test('link shares: counts known links of an area, and never below zero', () => {
  const links = new LinkShares()
  const [a, b] = [links.codeFor(1), links.codeFor(2)]
  links.add(UNKNOWN_LINK, 'cache')
  assert.equal(links.linksIn('cache'), 0)
  for (const code of [a, a, b]) links.add(code, 'cache')
  assert.equal(links.linksIn('cache'), 2)
  assert.equal(links.linksIn('store'), 0)
  links.remove(a, 'cache')
  assert.equal(links.linksIn('cache'), 2)
  for (const code of [a, b, b]) links.remove(code, 'cache')
  assert.equal(links.linksIn('cache'), 0)
  assert.equal(links.count(b, 'cache'), 0)
})

test('link shares: cleared, no link is known', () => {
  const links = new LinkShares()
  links.add(links.codeFor(1), 'store')
  links.clear()
  assert.equal(links.knownCode(1), undefined)
  assert.equal(links.fullest, undefined)
  assert.equal(links.linksIn('store'), 0)
})
