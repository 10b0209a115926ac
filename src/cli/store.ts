/**
 * `shoal store`: looking after the disk space that a node lends.
 * @module
 */
import type { Arguments, Command } from './command.ts'
import { DATA_DIR_OPTION } from './data-dir.ts'
import { EXIT_DONE, UsageError } from './failures.ts'
import { GATEWAY_OPTION } from './gateway-client.ts'
import type { Io } from './io.ts'
import { PASSPHRASE_FILE_OPTION } from './passphrase.ts'
import { checkStore, resizeStore } from './store-care.ts'
import { setPassphrase } from './store-passphrase.ts'
import { showStats } from './store-stats.ts'

/** One thing to do with a store: whether a size stands after its name, and which options it takes. */
interface Action {
  readonly hasSize: boolean
  readonly options: readonly string[]
  run(given: Arguments, io: Io): Promise<void>
}

const ACTIONS: Readonly<Record<string, Action>> = {
  stats: { hasSize: false, options: ['json', 'gateway'], run: showStats },
  check: { hasSize: false, options: ['gateway'], run: checkStore },
  resize: { hasSize: true, options: ['no-wait', 'gateway'], run: resizeStore },
  passphrase: {
    hasSize: false,
    options: ['data-dir', 'passphrase-file', 'new-passphrase-file', 'remove'],
    run: setPassphrase,
  },
}
const ACTION_NAMES = Object.keys(ACTIONS)

export const storeCommand: Command = {
  name: 'store',
  summary: 'Look after the store: its counts, its size, its passphrase',
  details: [
    '  stats         what is in it, what it answered and dropped, how fast it is',
    '  check         verify every block now; what is damaged is freed. Prints how many',
    '  resize SIZE   another ceiling while the node runs and for later starts, such as 50GiB; a start',
    '                with --store-size goes back to that one: change it there, too',
    '  passphrase    set, change or take away the passphrase of store.key in --data-dir; asks at a',
    '                terminal, and works whether the node runs or not',
  ],
  operands: [ACTION_NAMES.join('|'), '[SIZE]'],
  options: {
    json: { type: 'boolean', help: 'with stats: as JSON, for programs' },
    'no-wait': { type: 'boolean', help: 'with resize: end when it has begun' },
    remove: { type: 'boolean', help: 'with passphrase: take it away' },
    'passphrase-file': PASSPHRASE_FILE_OPTION,
    'new-passphrase-file': {
      type: 'string',
      value: 'FILE',
      help: 'with passphrase: first line: the new one (else asked for, twice)',
    },
    'data-dir': DATA_DIR_OPTION,
    gateway: GATEWAY_OPTION,
  },
  run: store,
}

async function store(given: Arguments, io: Io): Promise<number> {
  const name = given.operand(0)
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined
  if (action === undefined) {
    throw new UsageError(
      `one of ${ACTION_NAMES.join(', ')} is expected, not ${JSON.stringify(name)}`,
    )
  }
  checkWords(name, action, given)
  await action.run(given, io)
  return EXIT_DONE
}

function checkWords(name: string, { hasSize, options }: Action, given: Arguments): void {
  const size = given.operand(1)
  if (hasSize && size === '') throw new UsageError(`${name}: SIZE is missing`)
  if (!hasSize && size !== '') {
    throw new UsageError(`${name}: unexpected argument ${JSON.stringify(size)}`)
  }
  for (const [option, value] of Object.entries(given.values)) {
    if (value === undefined || value === false || options.includes(option)) continue
    throw new UsageError(`--${option}: not with ${name}`)
  }
}
