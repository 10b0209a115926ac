/** @module */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

test('the program of the README runs, and is the one in examples/', () => {
  const readme = readFileSync('README.md', 'utf8')
  const shown = /```ts\n([^]*?)```/.exec(readme)?.[1] ?? ''
  const example = readFileSync('examples/library.ts', 'utf8').replace(/^\/\*\*[^]*?\*\/\n/, '')
  const plain = (text: string): string =>
    text.replace("'shoal'", "'../src/index.ts'").replaceAll(/ \/\/.*$/gm, '')
  assert.equal(plain(shown), plain(example))
  const output = execFileSync(
    process.execPath,
    [fileURLToPath(new URL('../../examples/library.js', import.meta.url))],
    { encoding: 'utf8' },
  )
  assert.match(output, /^CHK@.* a shoal is a crowd of fish\n$/)
})
