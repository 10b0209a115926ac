/**
 * `shoal publish`: a file, a folder or stdin under a publisher's name; the key with its edition on
 * stdout, and nothing else there.
 * @module
 */
import type { Arguments, Command } from './command.ts'
import { CommandError, EXIT_DONE, UsageError } from './failures.ts'
import {
  GATEWAY_OPTION,
  GatewayError,
  gatewayOf,
  uriOf,
  type JsonAnswer,
} from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { nameOf, openSource, sendSource, SKIP_OPTION, type Source } from './source.ts'
import { showSpread } from './spread.ts'

export const publishCommand: Command = {
  name: 'publish',
  summary: 'Publish a file or a folder under a key of yours',
  details: [
    'NAME is a key that "shoal key new NAME" made. PATH may be - for stdin. The first time it makes',
    'edition 0 of the document, each time after that the next one; unchanged files are not sent again.',
    'Prints the key with its edition; ends when every block has spread to other nodes.',
  ],
  operands: ['NAME', 'PATH'],
  options: {
    document: { type: 'string', value: 'D', help: 'name of the document (default: name of PATH)' },
    fixed: {
      type: 'boolean',
      help: 'as an SSK, which can never be changed, in place of an edition',
    },
    'skip-unreadable': SKIP_OPTION,
    'no-wait': { type: 'boolean', help: 'end as soon as the key is printed' },
    gateway: GATEWAY_OPTION,
  },
  run: publish,
}

async function publish(given: Arguments, io: Io): Promise<number> {
  const gateway = gatewayOf(given)
  const [key, path] = [given.operand(0), given.operand(1)]
  const document = given.text('document') ?? nameOf(path)
  if (document === undefined || document === '') {
    throw new UsageError('--document is missing: PATH has no name to take in its place')
  }
  const published = await send(given, { key, document }, io).catch((error: unknown) => {
    throw withHint(error, key)
  })
  writeLine(io.stdout, uriOf(published))
  for (const line of remarksOn(published, given.flag('fixed'))) writeLine(io.stderr, line)
  const { statusPath } = published
  if (given.flag('no-wait') || statusPath === undefined) return EXIT_DONE
  await showSpread({ gateway, statusPath }, 'what you published', io)
  return EXIT_DONE
}

/** A second time where the first one has found that everything must be sent. */
async function send(given: Arguments, under: Under, io: Io): Promise<JsonAnswer> {
  const open = (): Promise<Source> =>
    openSource(given.operand(1), { isSkipping: given.flag('skip-unreadable') }, io)
  const source = await open()
  const query = queryOf(given, under, source)
  const to = { gateway: gatewayOf(given), path: `/api/v1/publish?${query.toString()}` }
  try {
    return await sendSource(source, to, io)
  } catch (error) {
    const isFaded = error instanceof GatewayError && error.code === 'E_FADED'
    // of what comes from a pipe the beginning is gone
    if (!isFaded || source.sizeBytes === undefined) throw error
  }
  const words = 'parts of what was published before are gone from the network'
  writeLine(io.stderr, `${words}: everything is sent again`)
  return sendSource(await open(), to, io)
}

interface Under {
  readonly key: string
  readonly document: string
}

function queryOf(given: Arguments, under: Under, { isFolder }: Source): URLSearchParams {
  const query = new URLSearchParams({ ...under })
  if (given.flag('fixed')) query.set('fixed', '1')
  // The type of a file comes from its own name, which the document's need not resemble.
  const name = nameOf(given.operand(1))
  if (isFolder) query.set('folder', '1')
  else if (name !== undefined) query.set('name', name)
  return query
}

function withHint(error: unknown, key: string): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'E_NO_KEY') return error
  const words = `${error.message} (to make one: shoal key new ${oneLine(key)})`
  return new CommandError(words, { cause: error })
}

/** What the person should know besides: editions lost to another machine, and ones that may be. */
function remarksOn({ value }: JsonAnswer, isFixed: boolean): readonly string[] {
  const { collisions, confirmed, edition } = value
  const lost = (Array.isArray(collisions) ? collisions : []).map(
    (taken) =>
      `edition ${Number(taken)} was taken by another machine (E_COLLISION): published as ${Number(edition)}`,
  )
  if (confirmed !== false) return lost
  const open = isFixed
    ? 'not confirmed yet: whether another machine published this document is not known'
    : `not confirmed yet: the node looks later whether another machine took edition ${Number(edition)}`
  return [...lost, open]
}
