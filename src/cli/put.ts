/**
 * `shoal put`: a file, a folder or stdin into the network; the URI on stdout, and nothing else there.
 * @module
 */
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE, UsageError } from './failures.ts'
import { GATEWAY_OPTION, gatewayOf, uriOf, type JsonAnswer } from './gateway-client.ts'
import { writeLine, type Io } from './io.ts'
import { largeFileAt, sendInParts } from './put-in-parts.ts'
import { nameOf, openSource, sendSource, SKIP_OPTION, type SourceRules } from './source.ts'
import { showSpread } from './spread.ts'

export const putCommand: Command = {
  name: 'put',
  summary: 'Insert a file or a folder and print its key URI',
  details: [
    'PATH may be - for stdin. The URI is printed when the last byte is safe on the node; the',
    'command ends when every block has spread to other nodes. A file over 64 MiB goes on where it was when',
    'the connection breaks or the node restarts, and when you run the same command again within a day;',
    'one that fails for another reason, as a full store, gives its place on the node back. Of a folder or',
    'stdin nothing is kept when the connection breaks: it begins anew.',
  ],
  operands: ['PATH'],
  options: {
    name: { type: 'string', value: 'N', help: 'last part of the URI (default: name of PATH)' },
    convergent: {
      type: 'boolean',
      help: 'same bytes, same key: others can confirm that you hold a known file',
    },
    urn: { type: 'boolean', help: 'bare content, convergent: prints a standard urn:eris:' },
    word: {
      type: 'string',
      value: 'WORD',
      help: 'put it under KSK@WORD, to which anyone else may write too',
    },
    'skip-unreadable': SKIP_OPTION,
    'no-wait': { type: 'boolean', help: 'end as soon as the URI is printed' },
    gateway: GATEWAY_OPTION,
  },
  run: put,
}

async function put(given: Arguments, io: Io): Promise<number> {
  const gateway = gatewayOf(given)
  const path = given.operand(0)
  checkOptions(given)
  const rules = {
    isSkipping: given.flag('skip-unreadable'),
    ...(given.flag('urn') && { fileOnly: '--urn' }),
  }
  const { inserted, isFolder } = await send(given, { gateway, path, rules }, io)
  const uri = uriOf(inserted)
  writeLine(io.stdout, uri)
  if (given.text('word') !== undefined) {
    writeLine(io.stderr, `warning: anyone may write to ${uri}`)
  }
  const { statusPath } = inserted
  if (given.flag('no-wait') || statusPath === undefined) return EXIT_DONE
  await showSpread({ gateway, statusPath }, isFolder ? 'the folder' : 'the file', io)
  return EXIT_DONE
}

interface Sent {
  readonly inserted: JsonAnswer
  readonly isFolder: boolean
}

async function send(
  given: Arguments,
  { gateway, path, rules }: { gateway: URL; path: string; rules: SourceRules },
  io: Io,
): Promise<Sent> {
  const large = await largeFileAt(path)
  if (large !== undefined) {
    const query = queryOf(given, path, false)
    return { inserted: await sendInParts(large, { gateway, query }, io), isFolder: false }
  }
  const source = await openSource(path, rules, io)
  const query = queryOf(given, path, source.isFolder)
  const to = { gateway, path: `/api/v1/insert?${query.toString()}` }
  return { inserted: await sendSource(source, to, io), isFolder: source.isFolder }
}

/** @throws UsageError where two options exclude each other. */
function checkOptions(given: Arguments): void {
  if (given.text('word') === '') throw new UsageError('--word: a word, not ""')
  if (!given.flag('urn')) return
  if (given.text('name') !== undefined) {
    throw new UsageError('--name: a urn:eris: has no name, leave out one')
  }
  if (given.text('word') !== undefined) {
    throw new UsageError('--word: a word names no urn:eris:, leave out one')
  }
}

function queryOf(given: Arguments, path: string, isFolder: boolean): URLSearchParams {
  const query = new URLSearchParams()
  if (given.flag('urn')) {
    query.set('urn', '1')
    return query
  }
  if (isFolder) query.set('folder', '1')
  const name = given.text('name') ?? nameOf(path)
  if (name !== undefined) query.set('name', name)
  if (given.flag('convergent')) query.set('convergent', '1')
  const word = given.text('word')
  if (word !== undefined) query.set('word', word)
  return query
}
