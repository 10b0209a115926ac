#!/usr/bin/env -S node --max-semi-space-size=4
/**
 * The `shoal` program: hands the process to `run`.
 * @module
 */
import { EXIT_FAILED, Interruption } from './failures.ts'
import { holdsNetworkKey, NETWORK_KEY_VARIABLE } from './network-key.ts'
import { PASSPHRASE_VARIABLE } from './passphrase.ts'
import { run } from './run.ts'

const controller = new AbortController()

function interrupt(): void {
  if (controller.signal.aborted) process.exit(EXIT_FAILED)
  controller.abort(new Interruption())
}

/** Pipes are written in the background on some systems, and exit would cut them. */
function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve()
    })
  })
}

process.on('SIGINT', interrupt)
process.on('SIGTERM', interrupt)
// A node of the demo ends with the demo, even where that was killed.
process.once('disconnect', () => {
  controller.abort(new Interruption())
})

const { stdout, stderr, stdin } = process
// a terminal that is closed ends what was started in it; elsewhere the signal says that files have changed
const isAtTerminal = [stdin, stdout, stderr].some(({ isTTY }) => isTTY)
const takesHangUps = process.argv[2] === 'start' && !isAtTerminal
if (takesHangUps) process.on('SIGHUP', () => {}) // nothing has been read yet
const env = { ...process.env }
for (const name of [PASSPHRASE_VARIABLE, NETWORK_KEY_VARIABLE]) delete process.env[name] // no child shall have it
// the title takes the place of the command line in what other programs see
if (process.argv.some(holdsNetworkKey)) process.title = 'shoal'
// What a node makes is for its owner alone, RocksDB's files too, which take no mode. `get` makes files
// for the person, who has a umask of their own.
if (process.argv[2] !== 'get') process.umask(0o077)
for (const stream of [stdout, stderr]) stream.on('error', () => {}) // `run` has judged it
const exit = await run(process.argv.slice(2), {
  stdout,
  stderr,
  stdin,
  env,
  signal: controller.signal,
  ...(takesHangUps && { onHangUp: (listener: () => void) => process.on('SIGHUP', listener) }),
})
await Promise.all([stdout, stderr].map(flush))
// What is left open now (a piped stdin, an idle socket) must not keep the process.
process.exit(exit)
