/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { ShoalError } from '../../src/errors.ts'
import { checkedKeyName } from '../../src/keyring/key-name.ts'
import { formatKeyText, parseKeyText } from '../../src/keyring/key-text.ts'

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i)
const KEY = 'AEAAC-AQDAQ-CQMBY-IBEFA-WDANB-YHRAE-ISCMK-BKFQX-DAMRU-GY4DU-PB62L-UX34A'
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

const isKeyError = (error: unknown): boolean =>
  error instanceof ShoalError && error.code === 'E_KEY'

function keyOf(seed: Uint8Array): string {
  return formatKeyText('x', seed).split('\n')[1] ?? ''
}

test('an exported key is two lines: what it is with its name, and twelve groups of five', () => {
  const lines = formatKeyText('my blog', SEED).split('\n')
  assert.equal(lines.length, 2)
  assert.equal(lines[0], 'shoal-publisher-key-1 my blog')
  assert.match(lines[1] ?? '', /^[A-Z2-7]{5}(-[A-Z2-7]{5}){11}$/)
})

test('the text of a known seed never changes', () => {
  assert.equal(keyOf(SEED), KEY)
})

test('every seed comes back from its text, with its name', () => {
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(
      seeds,
      fc.constantFrom('a', 'my blog', '日記', 'shoal-publisher-key-1'),
      (seed, name) => {
        const parsed = parseKeyText(formatKeyText(name, seed))
        assert.deepEqual(parsed, { name, seed: new Uint8Array(seed) })
      },
    ),
  )
})

const plain = keyOf(SEED).replaceAll('-', '')
const SPELLINGS: readonly (readonly [what: string, text: string, name: string | undefined])[] = [
  ['without its name line', keyOf(SEED), undefined],
  ['without dashes', `shoal-publisher-key-1 blog\n${plain}`, 'blog'],
  ['in small letters', `Shoal-Publisher-Key-1 blog\n${plain.toLowerCase()}`, 'blog'],
  ['with spaces in place of dashes', keyOf(SEED).replaceAll('-', '  '), undefined],
  ['with other dashes', keyOf(SEED).replaceAll('-', ' – '), undefined],
  ['on many lines', `shoal-publisher-key-1 blog\n${keyOf(SEED).replaceAll('-', '-\n')}`, 'blog'],
  ['of a Windows file', `\uFEFFshoal-publisher-key-1 blog\r\n${keyOf(SEED)}\r\n\r\n`, 'blog'],
  ['of an old Macintosh', `shoal-publisher-key-1 blog\r${keyOf(SEED)}\r`, 'blog'],
  [
    'between empty lines and blanks',
    `\n\n  shoal-publisher-key-1 \t blog  \n\n \t${plain}\n`,
    'blog',
  ],
  ['with an empty name', `shoal-publisher-key-1\n${plain}`, undefined],
  [
    'with 0, 1 and 8',
    plain.replaceAll('O', '0').replaceAll('I', '1').replaceAll('B', '8'),
    undefined,
  ],
]

for (const [what, text, name] of SPELLINGS) {
  test(`a key ${what} is read`, () => {
    assert.deepEqual(parseKeyText(text), { name, seed: SEED })
  })
}

test('every wrong character is found, wherever it is', () => {
  for (let at = 0; at < plain.length; at++) {
    for (const letter of LETTERS) {
      if (letter === plain[at]) continue
      const typed = plain.slice(0, at) + letter + plain.slice(at + 1)
      assert.throws(() => parseKeyText(typed), isKeyError, typed)
    }
  }
})

test('two characters that changed places are found', () => {
  for (let at = 0; at + 1 < plain.length; at++) {
    const [left = '', right = ''] = plain.slice(at, at + 2)
    if (left === right) continue
    const typed = plain.slice(0, at) + right + left + plain.slice(at + 2)
    assert.throws(() => parseKeyText(typed), isKeyError, typed)
  }
})

const NOT_KEYS: readonly (readonly [text: string, words: RegExp])[] = [
  ['', /0 characters, not 60/],
  ['shoal-publisher-key-1 blog', /0 characters, not 60/],
  [plain.slice(1), /59 characters, not 60/],
  [`${plain}A`, /61 characters, not 60/],
  [`${plain.slice(0, -1)}B`, /not the one that was written down/],
  [`${plain.slice(0, -1)}9`, /a character that is in no key/],
  [`${plain.slice(0, -1)}é`, /a character that is in no key/],
  [`shoal-publisher-key-2 blog\n${plain}`, /a version that this node does not know/],
  [`shoal-publisher-key- blog\n${plain}`, /a version that this node does not know/],
  ['x'.repeat(4097), /too long/],
]

for (const [text, words] of NOT_KEYS) {
  test(`${JSON.stringify(text.slice(0, 40))} is no key: ${words.source}`, () => {
    assert.throws(
      () => parseKeyText(text),
      (error) => isKeyError(error) && words.test((error as Error).message),
    )
  })
}

test('any text at all gives a key or E_KEY, and the error does not repeat it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 8 }), (text) => {
      try {
        parseKeyText(text)
      } catch (error) {
        assert.ok(isKeyError(error))
        assert.ok(!(error as Error).message.includes(text))
      }
    }),
  )
})

const GOOD_NAMES = [
  'a',
  'blog',
  'my blog',
  '日記',
  'x'.repeat(64),
  'é'.repeat(32),
  '1',
  'latest',
  'a-',
  '%2F',
]
const BAD_NAMES: readonly (readonly [name: string, words: RegExp])[] = [
  ['', /is empty/],
  ['x'.repeat(65), /longer than 64 bytes/],
  ['é'.repeat(33), /longer than 64 bytes/],
  ['x'.repeat(300), /longer than 255 bytes/],
  ['.', /must not be/],
  ['..', /must not be/],
  ['a/b', /slash/],
  ['a\\b', /backslash/],
  ['a\nb', /control character/],
  ['a\tb', /control character/],
  ['a\0', /control character/],
  ['a\uD800', /half a character/],
  ['-a', /must not begin with "-"/],
  ['--help', /must not begin with "-"/],
  [' a', /begin or end with a space/],
  ['a ', /begin or end with a space/],
  [' ', /begin or end with a space/],
  ['a\u2028b', /line break/],
]

test('a name may be anything that can be typed and kept on one line', () => {
  for (const name of GOOD_NAMES) assert.equal(checkedKeyName(name), name)
  assert.equal(checkedKeyName('e\u0301'), '\u00e9', 'in one spelling')
})

for (const [name, words] of BAD_NAMES) {
  test(`${JSON.stringify(name.slice(0, 20))} is no name of a key: ${words.source}`, () => {
    assert.throws(
      () => checkedKeyName(name),
      (error) =>
        error instanceof ShoalError && error.code === 'E_NAME' && words.test(error.message),
    )
  })
}
