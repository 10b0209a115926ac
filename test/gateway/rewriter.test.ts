/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Syntax } from '../../src/gateway/safe/markup-reader.ts'
import { rewriteContent } from '../../src/gateway/safe/rewrite-content.ts'
import { MarkupRewriter } from '../../src/gateway/safe/rewrite-markup.ts'
import { EVIL, HTML, XML } from '../helpers/markup-cases.ts'

function rewrite(text: string, syntax: Syntax = 'html', areScriptsAllowed = false): string {
  const rewriter = new MarkupRewriter({ syntax, areScriptsAllowed })
  return rewriter.write(text) + rewriter.end()
}

/** The same markup cut at every place, and given character by character. */
function rewriteCut(text: string, syntax: Syntax = 'html'): string {
  const rewriter = new MarkupRewriter({ syntax, areScriptsAllowed: false })
  return Array.from(text, (character) => rewriter.write(character)).join('') + rewriter.end()
}

for (const [what, given, expected] of HTML) {
  test(`HTML: ${what}: ${JSON.stringify(given.slice(0, 60))}`, () => {
    assert.equal(rewrite(given), expected)
    assert.equal(rewriteCut(given), expected)
    assert.equal(rewrite(rewrite(given)), rewrite(given))
  })
}

for (const [what, syntax, given, expected] of XML) {
  test(`${syntax}: ${what}`, () => {
    assert.equal(rewrite(given, syntax), expected)
    assert.equal(rewriteCut(given, syntax), expected)
  })
}

test('where the reader allows scripts they stay, but for rules of what to fetch ahead', () => {
  const allowed = (text: string) => rewrite(text, 'html', true)
  assert.equal(
    allowed('<script src="a.js" async>1<2</script>'),
    '<script src="a.js" async="">1<2</script>',
  )
  assert.equal(allowed('<script type=module>a</script>'), '<script type="module">a</script>')
  assert.equal(allowed('<script type=SpeculationRules>{}</script>a'), 'a')
  assert.equal(allowed(`<script src="${EVIL}"></script>`), '<script></script>')
  assert.equal(allowed('<p onclick="a" data-b=c>'), '<p onclick="a" data-b="c">')
  assert.equal(allowed('<input type=url required>'), '<input type="url" required="">')
  assert.equal(allowed('<noscript><p>a</p></noscript>b'), 'b')
  assert.equal(allowed(`<link rel=preconnect href="${EVIL}">`), '')
})

test('a tag has at most 256 attributes, and an address outside at most 4,096 characters', () => {
  const names = Array.from(
    { length: 300 },
    (_, i) => `aria-${'a'.repeat(i % 100)}${'xyz'[Math.floor(i / 100)]}`,
  )
  const written = rewrite(`<p ${names.join(' ')}>`)
  assert.deepEqual(written.match(/aria-[a-z]+/g), names.slice(0, 256))
  const link = (length: number) => `<a href="${'http://a/'.padEnd(length, 'b')}">`
  assert.match(rewrite(link(4096)), /^<a href="\/outside\?to=http%3A%2F%2Fa%2Fb+">$/)
  assert.equal(rewrite(link(4097)), '<a>')
})

/** What no context of HTML reads in another way: text without `<`, and tags of one plain form. */
const PLAIN =
  /^(?:[^<]|<[\s=\d]|<!doctype html>|<\/[a-z][a-z0-9._-]*>|<[a-z][a-z0-9._-]*(?: [a-z][a-z0-9:-]*="[^"<>]*")*>)*$/
const PIECES = [
  '<', '>', '</', '/>', '"', "'", '=', ' ', '&', '&lt;', '<!--', '-->', '--!>', '<![CDATA[', ']]>', '<?', '<!', 'a', 'href', 'src', 'style',
  '<svg>', '</svg>', '<math>', '<mi>', '<mglyph>', '<annotation-xml encoding="text/html">', '<foreignObject>', '<desc>', '<title>', '</title>', '<textarea>',
  '</textarea>', '<style>', '</style>', '<script>', '</script>', '<xmp>', '</xmp>', '<iframe>', '</iframe>', '<noscript>', '</noscript>', '<plaintext>',
  '<template>', '<select>', '<table>', '<form>', '<p>', '</p>', '<br>', '<img src=x>', '<a title="', '\0', '\ufffd', '\n',
] // prettier-ignore

test('whatever markup is given, what is written reads the same in every context', () => {
  const soup = fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((list) => list.join(''))
  fc.assert(
    fc.property(soup, fc.constantFrom<Syntax>('html', 'xhtml'), (given, syntax) => {
      const written = rewrite(given, syntax)
      assert.match(written, PLAIN)
      assert.equal(rewriteCut(given, syntax), written)
      // what was checked is what is written: nothing that is left out on the way makes something else of it
      assert.equal(rewrite(written), rewrite(rewrite(written)))
    }),
    { numRuns: 2000 },
  )
})

const ENTITIES: { readonly [name: string]: string } = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
}
const LINK_PIECES = ['h', 'ttp', 'http', ':', '/', '//', '\\', '.', '..', '@', '?', '#', ' ', '\t', '\n', '\r', '\f', '\v', '\0', '\x01', '\x7f', '\u00a0', '\u2028', '\ufeff', '&#1;', '&Tab;', '&colon;', '&sol;', 'javascript:', 'data:', 'blob:', 'freenet:', 'http://localhost', 'urn:', 'KSK@a', 'evil.example', ',', '%2f', '\ud800'] // prettier-ignore

test('whatever a link looks like, a browser finds it inside', () => {
  const link = fc
    .array(fc.constantFrom(...LINK_PIECES), { maxLength: 8 })
    .map((list) => list.join(''))
  const base = 'http://site.localhost/KSK@a/b/c.html'
  fc.assert(
    fc.property(link, (given) => {
      const quoted = given.replaceAll('"', '')
      const written = rewrite(`<a href="${quoted}"><iframe src="${quoted}"></iframe><i>`)
      for (const [, value = ''] of written.matchAll(/(?:href|src)="([^"]*)"/g)) {
        const url = value.replace(/&(?:amp|lt|gt|quot);/g, (name) => ENTITIES[name] ?? name)
        assert.equal(new URL(url, base).origin, 'http://site.localhost', JSON.stringify(url))
      }
    }),
    { numRuns: 20_000 },
  )
})

const LONG: readonly (readonly [string, string, string])[] = [
  ['a comment', 'a<!--', '-->b'],
  ['an attribute', 'a<p title="', '">b'],
  ['a name', 'a<', '>b'],
  ['the name of an attribute', 'a<p ', '>b'],
  ['a closing name', 'a</', '>b'],
  ['a CDATA section', 'a<svg><![CDATA[', ']]>b'],
  ['a declaration', 'a<!DOCTYPE ', '>b'],
  ['a script', 'a<script>', '</script>b'],
]

async function* long(start: string, end: string, count: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(65_536, 'x')
  yield Buffer.from(start)
  for (let i = 0; i < count; i++) yield piece
  yield Buffer.from(end)
}

for (const [what, start, end] of LONG) {
  test(`${what} of 16 MiB is left out, and the page goes on`, async () => {
    let written = ''
    const bytes = long(start, end, 256)
    const options = { syntax: 'html', areScriptsAllowed: false, contentType: '', bytes } as const
    for await (const text of rewriteContent(options)) written += text
    assert.ok(written.length < 100, `${written.length} characters`)
    assert.match(written, /^a.*b$/)
  })
}

const WORDS = '<p>fünf</p>'
const ENCODINGS: readonly (readonly [string, string, Uint8Array, string])[] = [
  ['no encoding at all', 'text/html', Buffer.from(WORDS), WORDS],
  ['UTF-8 with its mark', 'text/html; charset=koi8-r', Buffer.from(`\ufeff${WORDS}`), WORDS],
  ['UTF-16 with its mark', 'text/html', Buffer.from(`\ufeff${WORDS}`, 'utf16le'), WORDS],
  ['UTF-16, big end first', 'text/html', Buffer.from(`\ufeff${WORDS}`, 'utf16le').swap16(), WORDS],
  ['UTF-16 without a mark', 'text/html', Buffer.from(WORDS, 'utf16le'), WORDS],
  ['what the type names', 'text/html; charset="ISO-8859-1"', Buffer.from(WORDS, 'latin1'), WORDS],
  [
    'what the page names',
    'text/html',
    Buffer.from(`<meta charset=latin1>${WORDS}`, 'latin1'),
    WORDS,
  ],
  [
    'UTF-16 by words that are not',
    'text/html',
    Buffer.from(`<meta charset=utf-16>${WORDS}`),
    WORDS,
  ],
  ['a name that nobody knows', 'text/html; charset=x', Buffer.from(WORDS), WORDS],
  [
    'UTF-7, which nobody reads',
    'text/html; charset=utf-7',
    Buffer.from('+ADw-script+AD4-'),
    '+ADw-script+AD4-',
  ],
  ['bytes that are none', 'text/html', Buffer.from([0x61, 0xff, 0x62]), 'a\ufffdb'],
]

for (const [what, contentType, bytes, expected] of ENCODINGS) {
  test(`a page in ${what} is read`, async () => {
    async function* oneByOne(): AsyncGenerator<Uint8Array> {
      for (const byte of bytes) yield Uint8Array.of(byte)
    }
    let written = ''
    const options = { syntax: 'html', areScriptsAllowed: false, contentType } as const
    for await (const text of rewriteContent({ ...options, bytes: oneByOne() })) written += text
    assert.equal(written, expected)
  })
}

test('the first part of a page is written before its end has come', async () => {
  let hasEnded = false
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('<p>'.repeat(1000))
    hasEnded = true
  }
  const options = { syntax: 'html', areScriptsAllowed: false, contentType: '' } as const
  for await (const text of rewriteContent({ ...options, bytes: slow() })) {
    if (text === '') continue
    assert.equal(hasEnded, false)
    break
  }
})
