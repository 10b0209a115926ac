/**
 * The code that stores and the code that relays cannot name what decrypts: the linter's own rules say
 * no, and nothing that they import leads there either.
 * @module
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const ROOT = resolve(import.meta.dirname, '../../..')
const OXLINT = join(ROOT, 'node_modules/oxlint/bin/oxlint')
const FOLDERS = ['src/datastore', 'src/datastore/deeper', 'src/routing', 'src/routing/net']
/** Files that can open a block, and the one that can open anything. */
const OPENERS = ['eris', 'signed', 'uri', 'primitives'].map((name) => `src/keys/${name}.ts`)
/** Every way to name something of another file. */
const FORMS = {
  value: (path: string) => `import { thing } from '${path}'\nexport const used = thing\n`,
  type: (path: string) => `import type { Thing } from '${path}'\nexport type Used = Thing\n`,
  'type among values': (path: string) =>
    `import { type Thing } from '${path}'\nexport type Used = Thing\n`,
  'type in place': (path: string) => `export type Used = import('${path}').Thing\n`,
  again: (path: string) => `export { thing } from '${path}'\n`,
  'type again': (path: string) => `export type { Thing } from '${path}'\n`,
  everything: (path: string) => `export * from '${path}'\n`,
  'at run time': (path: string) => `export const used = await import('${path}')\n`,
}

test('layers: the linter refuses every way to name what decrypts in datastore/ and routing/', async (t) => {
  const project = await mkdtemp(join(tmpdir(), 'shoal-layers-'))
  t.after(() => rm(project, { recursive: true, force: true }))
  await copyFile(join(ROOT, '.oxlintrc.json'), join(project, '.oxlintrc.json'))
  for (const name of [...OPENERS, 'src/keys/seal.ts']) {
    await write(project, name, 'export const thing = 1\nexport type Thing = typeof thing\n')
  }
  const forbidden: string[] = []
  for (const folder of FOLDERS) {
    for (const opener of OPENERS) {
      for (const [form, textOf] of Object.entries(FORMS)) {
        const name = `${folder}/${form.replaceAll(' ', '-')}-${opener.slice('src/keys/'.length)}`
        await write(project, name, textOf(relative(folder, opener)))
        forbidden.push(name)
      }
    }
  }
  // the same files with what they may name: it is the import that is refused, not how it is written
  for (const [form, textOf] of Object.entries(FORMS)) {
    if (form === 'type in place') continue // refused whatever it names
    await write(
      project,
      `src/datastore/may-${form.replaceAll(' ', '-')}.ts`,
      textOf('../keys/seal.ts'),
    )
  }
  // the whole package, and the way to a library around all imports
  await write(project, 'src/index.ts', "export { thing } from './keys/eris.ts'\n")
  for (const folder of FOLDERS) {
    for (const [form, path] of [
      ['package', relative(folder, 'src/index.ts')],
      ['library', 'sodium-native'],
      ['require', 'node:module'],
      ['old-require', 'module'],
    ] as const) {
      await write(project, `${folder}/${form}.ts`, FORMS.value(path))
      forbidden.push(`${folder}/${form}.ts`)
    }
  }
  assert.deepEqual([...(await refusedFiles(project))].sort(), forbidden.sort())
})

test('layers: the search for what decrypts follows imports of imports, however they are written', async (t) => {
  const project = await mkdtemp(join(tmpdir(), 'shoal-layers-'))
  t.after(() => rm(project, { recursive: true, force: true }))
  await write(project, 'src/keys/eris.ts', 'export const thing = 1\nexport type Thing = 1\n')
  await write(project, 'src/deep.ts', "export { thing, type Thing } from './keys/eris.ts'\n")
  await write(project, 'src/index.ts', "export * from './deep.ts'\n")
  for (const [form, textOf] of Object.entries(FORMS)) {
    const name = 'src/datastore/one.ts'
    await write(project, name, textOf('../index.ts'))
    const reached = await importsOf([name], project)
    assert.ok(reached.has('src/keys/eris.ts'), form)
    assert.equal(reached.size, 4)
  }
})

test('layers: nothing that datastore/ and routing/ import leads to what decrypts', async () => {
  // seal.ts and block.ts need the primitives; whoever uses them cannot name these
  const openers = OPENERS.filter((name) => !name.endsWith('primitives.ts'))
  for (const folder of ['src/datastore', 'src/routing']) {
    const names = (await readdir(join(ROOT, folder), { recursive: true })).filter((name) =>
      name.endsWith('.ts'),
    )
    assert.ok(names.length > 5, folder)
    const reached = await importsOf(names.map((name) => join(folder, name)))
    for (const opener of openers) assert.ok(!reached.has(opener), `${folder} leads to ${opener}`)
    // nor does anything but keys/ lead to the primitives
    const besideKeys = [...reached].filter((name) => !name.startsWith('src/keys/'))
    for (const name of besideKeys) {
      const direct = await importsOf([name], ROOT, 1)
      const isAllowed = name === 'src/routing/position.ts' // one hash
      assert.ok(isAllowed || !direct.has('src/keys/primitives.ts'), `${name} names the primitives`)
    }
    assert.ok(reached.has('src/keys/primitives.ts'), 'the search follows imports at all')
  }
})

async function write(project: string, name: string, text: string): Promise<void> {
  await mkdir(dirname(join(project, name)), { recursive: true })
  await writeFile(join(project, name), text)
}

/** Names of files in which the linter finds an error. */
async function refusedFiles(project: string): Promise<Set<string>> {
  const words = [OXLINT, '--format', 'json', 'src']
  const options = { cwd: project, maxBuffer: 64 * 1024 * 1024 }
  const failure: unknown = await promisify(execFile)(process.execPath, words, options).then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(failure instanceof Error && 'stdout' in failure, 'the linter found nothing at all')
  const report = JSON.parse(String(failure.stdout)) as {
    readonly diagnostics: readonly { readonly filename: string; readonly severity: string }[]
  }
  const errors = report.diagnostics.filter(({ severity }) => severity === 'error')
  return new Set(errors.map(({ filename }) => filename))
}

/** All files of ours that these files import, and those that they import, and so on. */
async function importsOf(
  names: readonly string[],
  root = ROOT,
  most = Infinity,
): Promise<Set<string>> {
  const reached = new Set(names)
  let files = 0
  for (const name of reached) {
    if (!name.endsWith('.ts') || name.endsWith('.d.ts') || ++files > most) continue
    const text = await readFile(join(root, name), 'utf8')
    for (const [, path = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      reached.add(join(dirname(name), path))
    }
  }
  return reached
}
