/**
 * `shoal deny-hash`: what stands in a deny-list for a key.
 * @module
 */
import { parseUri } from '../keys/uri.ts'
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE } from './failures.ts'
import { writeLine, type Io } from './io.ts'
import { parsePastedKey } from './pasted-key.ts'

export const denyHashCommand: Command = {
  name: 'deny-hash',
  summary: 'Print the line of a deny-list that stands for a key',
  details: [
    'The same for every spelling of the key, every edition of a document and every file in it: append',
    'it to the file of "shoal start --deny-list FILE". Asks nobody. The same bytes may have another key:',
    'list the urn:eris:... that ?info of a file shows as well.',
  ],
  operands: ['URI'],
  options: {},
  run: denyHashOf,
}

async function denyHashOf(given: Arguments, io: Io): Promise<number> {
  const { denyHash } = await import('../gateway/deny-list.ts')
  const { path } = parsePastedKey(given.operand(0))
  writeLine(io.stdout, denyHash(parseUri((path.split('?')[0] ?? '').slice(1))))
  return EXIT_DONE
}
