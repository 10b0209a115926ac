/** The vector files and the examples of docs/spec.md, replayed through src/keys. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { generateFiles } from './generate.ts'
import { replay } from './replay.ts'
import { FILES, readVectors, repositoryRoot, vectorPath, vectorsIn } from './vector.ts'

const SECTIONS_WITH_EXAMPLES = [
  ...['§2.1', '§2.2', '§2.3', '§2.4'],
  ...['§3.1', '§3.4', '§3.5', '§3.6', '§3.7'],
  ...['§4', '§7.6'],
]

for (const file of FILES) {
  test(`${file}.json`, async (t) => {
    for (const vector of readVectors(file)) {
      await t.test(`${vector.spec} ${vector.name}`, async () => {
        await replay(vector)
      })
    }
  })
}

test('every example of the specification holds', async (t) => {
  const examples = vectorsIn(readFileSync(join(repositoryRoot(), 'docs', 'spec.md'), 'utf8'))
  const sections = new Set(examples.map(({ spec }) => spec))
  for (const section of SECTIONS_WITH_EXAMPLES) {
    assert.ok(sections.has(section), `${section} has an example`)
  }
  for (const vector of examples) {
    await t.test(`${vector.spec} ${vector.name}`, async () => {
      await replay(vector)
    })
  }
})

test('names of vectors are told apart', () => {
  for (const file of FILES) {
    const names = readVectors(file).map(({ name }) => name)
    assert.equal(new Set(names).size, names.length, file)
  }
})

test('the vector files are what the reference makes, and small', () => {
  let bytes = 0
  for (const [file, text] of generateFiles()) {
    const written = readFileSync(vectorPath(file), 'utf8')
    assert.ok(written === text, `${file}.json is not what generate.ts makes`)
    bytes += written.length
  }
  assert.ok(bytes < 320_000, `${bytes} bytes`)
})

test('an automatic build cannot rewrite the vectors', () => {
  const generator = fileURLToPath(new URL('./generate.js', import.meta.url))
  const env = { ...process.env, CI: 'true' }
  const { status, stderr } = spawnSync(process.execPath, [generator, '--write'], { env })
  assert.notEqual(status, 0)
  assert.match(stderr.toString(), /not rewritten under CI/)
})
