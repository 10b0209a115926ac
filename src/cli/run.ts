/**
 * One command line from its words to its exit code.
 * @module
 */
import { VERSION } from '../version.ts'
import { announceCommand } from './announce.ts'
import { bootstrapCommand } from './bootstrap.ts'
import { formatHelp, parseArguments, type Command } from './command.ts'
import { demoCommand } from './demo.ts'
import { denyHashCommand } from './deny-hash.ts'
import { describeFailure, EXIT_DONE, EXIT_USAGE, systemCode, UsageError } from './failures.ts'
import { getCommand } from './get.ts'
import { writeLine, type Io } from './io.ts'
import { keyCommand } from './key.ts'
import { panicCommand } from './panic.ts'
import { publishCommand } from './publish.ts'
import { putCommand } from './put.ts'
import { scriptsCommand } from './scripts.ts'
import { startCommand } from './start.ts'
import { statusCommand } from './status.ts'
import { storeCommand } from './store.ts'
import { transfersCommand } from './transfers.ts'

const COMMANDS: readonly Command[] = [
  startCommand,
  putCommand,
  getCommand,
  transfersCommand,
  keyCommand,
  publishCommand,
  announceCommand,
  statusCommand,
  scriptsCommand,
  storeCommand,
  panicCommand,
  denyHashCommand,
  demoCommand,
  bootstrapCommand,
]

/**
 * Runs `argv` (without node and script) and resolves with the exit code: 0 done, 1 failed, 2 usage.
 * Never rejects; what went wrong is one line on stderr.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  // A reader that went away (`| head`) ends the output, not the command; a full disk fails it.
  let outputFault: Error | undefined
  const onOutputError = (error: Error): void => {
    if (systemCode(error) !== 'EPIPE') outputFault ??= error
  }
  io.stdout.on('error', onOutputError)
  io.stderr.on('error', onOutputError)
  const name = argv[0] ?? ''
  try {
    const exit = await dispatch(name, argv, io)
    if (outputFault !== undefined) throw outputFault
    return exit
  } catch (error) {
    return explain(error, name, io)
  } finally {
    io.stdout.off('error', onOutputError)
    io.stderr.off('error', onOutputError)
  }
}

async function dispatch(name: string, argv: readonly string[], io: Io): Promise<number> {
  if (name === '--version') {
    writeLine(io.stdout, VERSION)
    return EXIT_DONE
  }
  if (name === '--help' || name === '-h') {
    writeLine(io.stdout, overview())
    return EXIT_DONE
  }
  if (name === '') {
    writeLine(io.stderr, overview())
    return EXIT_USAGE
  }
  const command = COMMANDS.find((known) => known.name === name)
  if (command === undefined) {
    const what = name.startsWith('-') ? 'option' : 'command'
    throw new UsageError(`unknown ${what} ${JSON.stringify(name)}`)
  }
  const given = parseArguments(command, argv.slice(1))
  if (!given.flag('help')) return command.run(given, io)
  writeLine(io.stdout, formatHelp(command))
  return EXIT_DONE
}

function explain(error: unknown, name: string, io: Io): number {
  const command = COMMANDS.find((known) => known.name === name)
  const prefix = command === undefined ? 'shoal' : `shoal ${command.name}`
  const { text, exit } = describeFailure(error)
  writeLine(io.stderr, `${prefix}: ${text}${exit === EXIT_USAGE ? ` (see ${prefix} --help)` : ''}`)
  return exit
}

function overview(): string {
  return [
    'Usage: shoal COMMAND [options]',
    '',
    'A deniable peer-to-peer block store with a gateway for the browser.',
    '',
    'Commands:',
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(11)}${summary}`),
    '',
    'shoal COMMAND --help tells more; shoal --version prints the version.',
  ].join('\n')
}
