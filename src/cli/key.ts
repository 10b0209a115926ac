/**
 * `shoal key`: the publisher keys that the node holds.
 * @module
 */
import { createReadStream } from 'node:fs'
import { addAbortSignal } from 'node:stream'

import type { ShoalClient } from '../client/index.ts'
import type { Arguments, Command } from './command.ts'
import { CommandError, EXIT_DONE, UsageError } from './failures.ts'
import { clientOf, GATEWAY_OPTION, gatewayOf } from './gateway-client.ts'
import { writeLine, type Io } from './io.ts'

/** Longest text that is read for an import, bytes; an exported key has a few hundred. */
const MAX_TEXT_BYTES = 4096

/** One thing to do with keys: what stands after its name, which options it takes. */
interface Action {
  readonly operand: 'NAME' | 'FILE' | undefined
  readonly option?: 'document' | 'name'
  run(given: Arguments, io: Io): Promise<void>
}

const ACTIONS: Readonly<Record<string, Action>> = {
  new: { operand: 'NAME', run: create },
  list: { operand: undefined, run: list },
  show: { operand: 'NAME', option: 'document', run: show },
  export: { operand: 'NAME', run: exportKey },
  import: { operand: 'FILE', option: 'name', run: importKey },
  remove: { operand: 'NAME', run: remove },
}
const ACTION_NAMES = Object.keys(ACTIONS)

export const keyCommand: Command = {
  name: 'key',
  summary: 'Make, show, keep and remove publisher keys',
  details: [
    '  new NAME      make a key, and print the beginning of its URIs',
    '  list          print a line for each key: its name, a tab, the beginning of its URIs',
    '  show NAME     print the beginning of its URIs, or of those of one document',
    '  export NAME   print the secret, a text that can be kept on paper',
    '  import FILE   take such a text, - for stdin, and print the beginning of its URIs',
    '  remove NAME   forget the key: without an exported copy nobody can publish under it again',
  ],
  operands: [ACTION_NAMES.join('|'), '[NAME|FILE]'],
  options: {
    document: { type: 'string', value: 'DOCUMENT', help: 'with show: a document of the key' },
    name: { type: 'string', value: 'NAME', help: 'with import: in place of the name in FILE' },
    gateway: GATEWAY_OPTION,
  },
  run: key,
}

async function key(given: Arguments, io: Io): Promise<number> {
  const name = given.operand(0)
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined
  if (action === undefined) {
    throw new UsageError(`one of ${ACTION_NAMES.join(', ')} is expected, not ${quoted(name)}`)
  }
  checkWords(name, action, given)
  await action.run(given, io)
  return EXIT_DONE
}

function checkWords(name: string, action: Action, given: Arguments): void {
  const operand = given.operand(1)
  if (action.operand !== undefined && operand === '') {
    throw new UsageError(`${name}: ${action.operand} is missing`)
  }
  if (action.operand === undefined && operand !== '') {
    throw new UsageError(`${name}: unexpected argument ${quoted(operand)}`)
  }
  for (const option of ['document', 'name']) {
    if (given.text(option) === undefined || action.option === option) continue
    throw new UsageError(`--${option}: not with ${name}`)
  }
}

async function create(given: Arguments, io: Io): Promise<void> {
  const { signal } = io
  const { uri } = await client(given).createKey(given.operand(1), { signal })
  writeLine(io.stdout, plain(uri))
}

async function list(given: Arguments, io: Io): Promise<void> {
  const keys: unknown = await client(given).listKeys({ signal: io.signal })
  if (!Array.isArray(keys)) throw notOurs()
  for (const { name, uri } of keys as Partial<Record<string, unknown>>[]) {
    writeLine(io.stdout, `${plain(name)}\t${plain(uri)}`)
  }
}

async function show(given: Arguments, io: Io): Promise<void> {
  const { signal } = io
  const document = given.text('document')
  const options = document === undefined ? { signal } : { signal, document }
  const shown = await client(given).getKey(given.operand(1), options)
  writeLine(io.stdout, plain(document === undefined ? shown.uri : shown.documentUri))
}

async function exportKey(given: Arguments, io: Io): Promise<void> {
  const { signal } = io
  const exported: { readonly text: unknown } = await client(given).exportKey(given.operand(1), {
    signal,
  })
  if (typeof exported.text !== 'string') throw notOurs()
  for (const line of exported.text.split('\n')) writeLine(io.stdout, plain(line))
  const words = 'whoever has this text can publish under this name: show it to nobody'
  writeLine(io.stderr, `shoal key: ${words}`)
}

async function importKey(given: Arguments, io: Io): Promise<void> {
  const { signal } = io
  const name = given.text('name')
  const text = await textOf(given.operand(1), io)
  const options = name === undefined ? { signal } : { signal, name }
  const { uri } = await client(given).importKey(text, options)
  writeLine(io.stdout, plain(uri))
}

async function remove(given: Arguments, io: Io): Promise<void> {
  const { signal } = io
  const name = given.operand(1)
  const { uri } = await client(given).getKey(name, { signal })
  await client(given).removeKey(name, { signal })
  const words = 'without an exported copy nobody can publish under it again'
  writeLine(io.stderr, `shoal key: removed ${quoted(name)}, ${plain(uri)} ${words}`)
}

function client(given: Arguments): ShoalClient {
  return clientOf(gatewayOf(given))
}

async function textOf(file: string, io: Io): Promise<string> {
  const source = addAbortSignal(io.signal, file === '-' ? io.stdin : createReadStream(file))
  const parts: Buffer[] = []
  let bytes = 0
  try {
    for await (const part of source as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > MAX_TEXT_BYTES) throw new CommandError(`${file} is too long for an exported key`)
      parts.push(part)
    }
  } catch (error) {
    throw io.signal.aborted ? io.signal.reason : error
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A line of the answer. Names and URIs have no control characters, which would move the cursor. */
function plain(value: unknown): string {
  if (typeof value !== 'string' || /\p{Cc}/u.test(value)) throw notOurs()
  return value
}

function notOurs(): CommandError {
  return new CommandError('that is not the gateway of a shoal node')
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
