/** @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { describeFailure, UsageError } from '../../src/cli/failures.ts'
import { ShoalError } from '../../src/errors.ts'
import { NODE_FLAGS } from '../../src/cli/package-root.ts'
import { runCli } from '../helpers/cli-io.ts'

const COMMANDS = [
  'start',
  'put',
  'get',
  'transfers',
  'key',
  'publish',
  'announce',
  'status',
  'scripts',
  'store',
  'panic',
  'deny-hash',
  'demo',
  'bootstrap',
]

test('help names every command, and every command has help of its own', async () => {
  const overview = await runCli(['--help'])
  assert.equal(overview.exit, 0)
  for (const name of COMMANDS) {
    assert.match(overview.stdout, new RegExp(`^  ${name} `, 'm'))
    const help = await runCli([name, '--help'])
    assert.equal(help.exit, 0)
    assert.ok(help.stdout.startsWith(`Usage: shoal ${name}`))
    assert.equal((await runCli([name, '-h'])).stdout, help.stdout)
    assert.ok(
      help.stdout.split('\n').every((line) => line.length <= 110),
      name,
    )
  }
})

test('the version is the one of the package', async () => {
  const { exit, stdout } = await runCli(['--version'])
  assert.equal(exit, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

test('no command at all shows the help on stderr and is a usage error', async () => {
  const { exit, stdout, stderr } = await runCli([])
  assert.deepEqual([exit, stdout], [2, ''])
  assert.match(stderr, /^Usage: /)
})

const WRONG: readonly (readonly [argv: readonly string[], words: RegExp])[] = [
  [['fly'], /^shoal: unknown command "fly" \(see shoal --help\)$/],
  [['--fly'], /^shoal: unknown option "--fly"/],
  [['start', '--fly'], /^shoal start: Unknown option '--fly' \(see shoal start --help\)$/],
  [['start', 'now'], /unexpected argument "now"/],
  [['start', '--port'], /--port/],
  [['start', '--port', '99999'], /--port: a whole number from 0 to 65535, not "99999"/],
  [['start', '--host', 'x y'], /--host: .*, not "x y"/],
  [['start', '--store-size', '1MiB'], /--store-size: a size from 64 MiB to 64 TiB, .*not "1MiB"/],
  [['start', '--network', 'My Net'], /--network: 1 to 64 characters.*, not "My Net"/],
  [['start', '--bootstrap', 'x'], /--bootstrap: host:port.*, not "x"/],
  [['start', '--listen-host', '::1'], /--listen-host: an IPv4 address/],
  [['start', '--data-dir', ''], /--data-dir/],
  [['bootstrap'], /--port is missing/],
  [['bootstrap', '--port', '-1'], /--port/],
  [['put'], /PATH is missing/],
  [['put', 'a', 'b'], /unexpected argument "b"/],
  [['put', '.', '--urn'], /--urn: takes one file, not the folder "\."/],
  [['put', 'a', '--urn', '--name', 'b'], /--name/],
  [['put', 'a', '--gateway', 'ftp://a'], /--gateway/],
  [['get'], /URI is missing/],
  [['get', 'film'], /URI: a key such as .*, not "film"/],
  [['status', '--json=yes'], /--json/],
  [['store'], /stats\|check\|resize\|passphrase is missing/],
  [['panic', 'now'], /unexpected argument "now"/],
  [['demo', '--nodes', '1'], /--nodes: a whole number from 2 to 32, not "1"/],
  [['demo', '--nodes', '33'], /--nodes/],
]

for (const [argv, words] of WRONG) {
  test(`"shoal ${argv.join(' ')}" is a usage error in one line`, async () => {
    const { exit, stdout, stderr } = await runCli(argv)
    assert.deepEqual([exit, stdout], [2, ''], stderr)
    assert.match(stderr.trimEnd(), words)
    assert.equal(stderr.split('\n').length, 2, stderr)
  })
}

test('expected failures are one line, faults of our own show their stack', () => {
  const failure = describeFailure(new ShoalError('E_STORE_FULL', 'disk\nfull'))
  assert.deepEqual(failure, { text: 'disk full (E_STORE_FULL)', exit: 1 })
  assert.equal(describeFailure(new ShoalError('E_OPTION', 'x')).exit, 2)
  assert.equal(describeFailure(new UsageError('x')).exit, 2)
  const system = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
  assert.deepEqual(describeFailure(system), { text: 'EACCES: permission denied', exit: 1 })
  assert.match(describeFailure(new TypeError('oops')).text, /oops\n\s+at /)
})

test('the missing system library is named with its package', () => {
  const cause = new Error('libatomic.so.1: cannot open shared object file')
  const { text } = describeFailure(new Error("Cannot load addon 'x'", { cause }))
  assert.match(text, /apt-get install libatomic1/)
})

test('the program starts Node with the flags that the demo gives its nodes', () => {
  const [firstLine] = readFileSync('src/cli/main.ts', 'utf8').split('\n')
  assert.equal(firstLine, `#!/usr/bin/env -S node ${NODE_FLAGS.join(' ')}`)
})
