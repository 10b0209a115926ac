import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

import { ERROR_CODES } from '../../src/errors.ts'
import { VERSION } from '../../src/version.ts'

interface Package {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/** The folder of package.json: two levels up in the sources, three in a build of them. */
function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package-lock.json'))) {
    assert.notEqual(folder, dirname(folder), 'package-lock.json is above the tests')
    folder = dirname(folder)
  }
  return folder
}

const root = findRoot()

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

const manifest = JSON.parse(read('package.json')) as Package

/** Rows of all tables in `text`, as cells without the blanks around them. */
function tableRows(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('|'))
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** Every Markdown file at the top and below docs/, by its path from the root. */
function documents(): string[] {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  const below = inDocs.map((path) => join('docs', path))
  return [...readdirSync(root), ...below].filter((path) => path.endsWith('.md'))
}

/** What inline links point at; code is no place for links. */
function linksIn(markdown: string): string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`(?:[^`\n]|\n(?!\n))*`/g, '')
  return [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g)].map(([, target]) => target ?? '')
}

describe('documents', () => {
  it('list the same errors in the specification as the code has, with status and retry', () => {
    const section = read('docs/spec.md')
      .split(/^## /m)
      .find((part) => part.startsWith('10 '))
    const rows = tableRows(section ?? '').filter(([code]) => code?.startsWith('`E_'))
    const inSpec = rows.map(([code = '', status, retry]) => [
      code.replaceAll('`', ''),
      `${status} ${retry}`,
    ])
    const inCode = Object.entries(ERROR_CODES).map(([code, { status, retry }]) => [
      code,
      `${status === 0 ? '–' : status} ${retry ? 'yes' : 'no'}`,
    ])
    assert.equal(
      new Set(inSpec.map(([code]) => code)).size,
      inSpec.length,
      'a code is listed twice',
    )
    assert.deepEqual(Object.fromEntries(inSpec), Object.fromEntries(inCode))
  })

  it('point only at files that exist', () => {
    const broken = documents().flatMap((document) =>
      linksIn(read(document))
        .filter((target) => !/^(?:[a-z][a-z0-9+.-]*:|#)/i.test(target))
        .map((target) => decodeURIComponent(target.split('#')[0] ?? ''))
        .filter((target) => !existsSync(join(root, dirname(document), target)))
        .map((target) => `${relative('.', document)}: ${target}`),
    )
    assert.deepEqual(broken, [])
  })

  it('give a reason for each dependency, and for no other package', () => {
    const rows = tableRows(read('docs/decisions/dependencies.md'))
    const named = rows
      .map(([name = '']) => /^`([^`]+)`$/.exec(name)?.[1])
      .filter((name) => name !== undefined)
    const used = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
    assert.deepEqual(named.toSorted(), used.toSorted())
  })
})

describe('the package', () => {
  it('has one version', () => {
    assert.equal(VERSION, manifest.version)
  })

  it('is locked without naming a registry', () => {
    assert.doesNotMatch(read('package-lock.json'), /"resolved"/)
  })
})
