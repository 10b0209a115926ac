/**
 * What is read of a page takes work in proportion to its length. Where it takes the square of that, a
 * mebibyte of one kind takes many minutes, and the limit of the run ends it.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { encodingOf } from '../../src/gateway/safe/decode-text.ts'
import { isKeyAttempt } from '../../src/gateway/safe/key-path.ts'
import { MarkupRewriter } from '../../src/gateway/safe/rewrite-markup.ts'
import { servingOf } from '../../src/gateway/safe/policy.ts'
import { labelOfHost } from '../../src/gateway/safe/site-label.ts'

/** A little less than a mebibyte: what is longer is left out. */
const LENGTH = (1 << 20) - 1024
const PIECE_CHARACTERS = 65_536

const SPACES = [' ', '\t', '\f']

/** What stands around the filler, and what an expression that reads it might begin anew at. */
const PLACES: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['a link', '<a href="a', 'b">', [...SPACES, '\\', ':', '@', '%40', 'http://localhost:1']],
  ['a link to a key', '<a href="http://localhost/', 'b">', [...SPACES, '/', ':1']],
  ['the pictures of an image', '<img srcset="a', 'b">', [...SPACES, ',', ' ,', 'data:']],
  ['a picture in an image', '<img src="data:image/', 'b">', SPACES],
  ['a paint', '<svg><rect fill="url(#', '"/>', [...SPACES, "'", '#', 'url(#']],
  ['a paint in quotes', `<svg><rect fill="url('#`, '"/>', [...SPACES, "' "]],
  ['what is animated', '<svg><set attributename="', '\nx"/>', [':on', ':', 'on', ...SPACES]],
  ['a doctype', '<!doctype html', 'x>', [...SPACES, '"', 'xhtml 1', 'html ']],
  ['what a link is to its page', '<link rel="icon', 'x">', [...SPACES, 'icon ']],
  ['the type of a field', '<input type="', 'x">', [...SPACES, 'password ']],
  ['the type of a script', '<script type="', 'x"></script>', [...SPACES, ';']],
  ['a style', '<style>', '</style>', ['<', '<!-', ']]', '<![CDATA', '</styl']],
  ['text', '<p>', '</p>', ['<', '&', '&amp', '&#x1', ']]>', '\ud800']],
  ['names of attributes', '<p ', '>', ['a ', 'a=', '"', '<', '\0']],
  ['the name of an element', '<a', '>', ['-', '/', '<', '&']],
  ['a comment', '<!--', '-->', ['-', '--!', '<!--', '>-']],
  ['a CDATA section', '<svg><![CDATA[', ']]></svg>', [']', ']]', '<![CDATA[']],
]

function fill(filler: string): string {
  return filler.repeat(LENGTH / filler.length)
}

for (const [what, start, end, fillers] of PLACES) {
  test(`a mebibyte of anything in ${what} is read in one go`, () => {
    for (const filler of fillers) {
      const page = `${start}${fill(filler)}${end}`
      const rewriter = new MarkupRewriter({ syntax: 'html', areScriptsAllowed: true })
      for (let at = 0; at < page.length; at += PIECE_CHARACTERS) {
        rewriter.write(page.slice(at, at + PIECE_CHARACTERS))
      }
      assert.doesNotMatch(rewriter.end(), /<script/)
    }
  })
}

test('so are types, hosts and paths', () => {
  for (const filler of [...SPACES, ';', '@', '%4', '+xml', 'charset=', ';charset', ':1', '.']) {
    const text = fill(filler)
    assert.equal(servingOf(`text/a${text}b`).rewrite, undefined)
    assert.equal(encodingOf(`text/html;charset${text}`, new Uint8Array(0)), 'utf-8')
    assert.equal(labelOfHost(`a${text}.localhost`), undefined)
    assert.equal(isKeyAttempt(`/a/${text}`), false)
  }
})

test('a page of nothing but small tags with all the attributes there may be is read in one go', () => {
  const names = Array.from({ length: 256 }, (_, i) => `a${i + 100}`)
  const page = `<p ${names.join(' ')}>`.repeat(LENGTH / 1300)
  const rewriter = new MarkupRewriter({ syntax: 'html', areScriptsAllowed: false })
  assert.match(rewriter.write(page) + rewriter.end(), /^(?:<p>)+$/)
})
