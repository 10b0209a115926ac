/**
 * `shoal announce`: hands out the newest edition of somebody's document again; needs no secret.
 * @module
 */
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE } from './failures.ts'
import { clientOf, GATEWAY_OPTION, gatewayFor } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { parsePastedKey } from './pasted-key.ts'
import { showSpread } from './spread.ts'

export const announceCommand: Command = {
  name: 'announce',
  summary: 'Keep a name alive: insert its newest edition again',
  details: [
    'Anyone who has the key may do that, the publisher need not be there. It renews what says which',
    'edition is the newest, not the files. Prints the key with that edition.',
  ],
  operands: ['USK'],
  options: {
    'no-wait': { type: 'boolean', help: 'end as soon as the key is printed' },
    gateway: GATEWAY_OPTION,
  },
  run: announce,
}

async function announce(given: Arguments, io: Io): Promise<number> {
  const key = parsePastedKey(given.operand(0))
  const gateway = gatewayFor(given, key)
  const { signal } = io
  const { uri, statusPath } = await clientOf(gateway).announce(key.path.slice(1), { signal })
  writeLine(io.stdout, oneLine(uri))
  if (given.flag('no-wait') || statusPath === undefined) return EXIT_DONE
  await showSpread({ gateway, statusPath }, 'the name', io)
  return EXIT_DONE
}
