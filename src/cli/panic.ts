/**
 * `shoal panic`: destroys a data directory, what matters most first.
 * @module
 */
import type { PanicStep } from '../store-admin.ts'
import type { Arguments, Command } from './command.ts'
import { DATA_DIR_OPTION, dataDirOf } from './data-dir.ts'
import { CommandError, EXIT_DONE, UsageError, withFolder } from './failures.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { askLine, canAsk } from './terminal-input.ts'

export const panicCommand: Command = {
  name: 'panic',
  summary: 'Destroy the store for good, its key first',
  details: [
    'Overwrites and removes store.key, then the other files of the node in the data directory but the',
    'publisher keys; what is not of a node stays. Works whether the node runs or not, without its',
    'passphrase; a running one ends. One that a service manager starts again makes a new store: stop the',
    'service first. What SSDs, snapshots and backups may keep: docs/operations.md.',
  ],
  operands: [],
  options: {
    'data-dir': DATA_DIR_OPTION,
    keys: { type: 'boolean', help: 'destroy the publisher keys, too' },
    yes: { type: 'boolean', help: 'do not ask' },
  },
  run: panic,
}

async function panic(given: Arguments, io: Io): Promise<number> {
  const dataDir = dataDirOf(given, io)
  const withKeys = given.flag('keys')
  // Loaded here, so that the other commands start without sodium; and before the question, so that
  // nothing is left to load after it.
  const admin = await import('../store-admin.ts')
  if (!given.flag('yes')) await confirm(dataDir, withKeys, io)
  const onstep = (step: PanicStep): void => writeLine(io.stderr, `shoal panic: ${textOf(step)}`)
  const isComplete = await admin.panic(dataDir, { withKeys, onstep }).catch((error: unknown) => {
    throw withFolder(error, dataDir)
  })
  if (!isComplete) throw new CommandError('not all of it is gone: see above, then run this again')
  const kept = withKeys
    ? ''
    : '; publisher keys are kept where there are any (--keys destroys them)'
  writeLine(io.stderr, `shoal panic: the store in ${oneLine(dataDir)} is destroyed${kept}`)
  return EXIT_DONE
}

async function confirm(dataDir: string, withKeys: boolean, io: Io): Promise<void> {
  if (!canAsk(io)) {
    throw new UsageError(
      '--yes is missing, and there is no terminal to ask at: nothing was touched',
    )
  }
  const what = withKeys ? 'the store and the publisher keys' : 'the store'
  const question = `Destroy ${what} in ${oneLine(dataDir)} for good? (yes/no) `
  const answer = (await askLine(question, io)).trim().toLowerCase()
  if (answer !== 'yes' && answer !== 'y') throw new CommandError('nothing was touched')
}

function textOf({ name, outcome, reason }: PanicStep): string {
  const why = reason === undefined ? '' : ` (${oneLine(reason)})`
  switch (outcome) {
    case 'destroyed':
      return `${oneLine(name)} is overwritten and removed${why}`
    case 'removed':
      return `${oneLine(name)} is removed${why}`
    case 'failed':
      return `${oneLine(name)} could not be destroyed${why}`
    case 'left':
      return `${oneLine(name)} is left${why}`
    case 'in-use':
      return 'a node still has the folder open: end it, then run this again'
  }
}
