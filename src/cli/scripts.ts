/**
 * `shoal scripts`: which sites may run scripts in the browser.
 * @module
 */
import type { Answer } from '../client/index.ts'
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE, UsageError } from './failures.ts'
import { clientOf, GATEWAY_OPTION, gatewayFor, gatewayOf } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { parsePastedKey } from './pasted-key.ts'

export const scriptsCommand: Command = {
  name: 'scripts',
  summary: 'Show and change which sites may run scripts',
  details: [
    'ACTION is list (default), allow or revoke; KEY any key of the site, or the address of a page of it.',
    'Scripts reach nobody outside, no other site and not the node. Allowed until the node ends; a page',
    'that is open keeps its scripts until it is loaded anew.',
  ],
  operands: ['[ACTION]', '[KEY]'],
  options: {
    all: { type: 'boolean', help: 'with revoke, in place of KEY: no site may run scripts' },
    gateway: GATEWAY_OPTION,
  },
  run: scripts,
}

async function scripts(given: Arguments, io: Io): Promise<number> {
  const action = given.operand(0) || 'list'
  const isForAll = given.flag('all')
  if (!['list', 'allow', 'revoke'].includes(action)) {
    throw new UsageError(`ACTION: list, allow or revoke, not "${action}"`)
  }
  if (isForAll && action !== 'revoke') throw new UsageError('--all: goes with revoke')
  const takesKey = action !== 'list' && !isForAll
  if (takesKey !== (given.operand(1) !== '')) {
    throw new UsageError(takesKey ? `${action}: KEY is missing` : 'KEY: not here')
  }
  if (takesKey) await changeSite(action === 'allow', given, io)
  else if (isForAll) await clientOf(gatewayOf(given)).revokeAllScripts({ signal: io.signal })
  else await list(given, io)
  return EXIT_DONE
}

async function list(given: Arguments, { signal, stdout, stderr }: Io): Promise<void> {
  const { sites, hindrance } = await clientOf(gatewayOf(given)).listScripts({ signal })
  for (const site of sites) writeLine(stdout, lineOf(site))
  if (hindrance !== undefined) writeLine(stderr, `shoal scripts: ${oneLine(hindrance)}`)
}

async function changeSite(isAllowed: boolean, given: Arguments, io: Io): Promise<void> {
  const { signal, stdout } = io
  const key = parsePastedKey(given.operand(1))
  const client = clientOf(gatewayFor(given, key))
  const uri = key.path.slice(1)
  if (!isAllowed) await client.revokeScripts(uri, { signal })
  else writeLine(stdout, lineOf(await client.allowScripts(uri, { signal })))
}

/** `my site<TAB>USK@…/my%20site/0`, as `shoal key list` has it. */
function lineOf({ name, uri }: Answer<'ScriptSite'>): string {
  return `${oneLine(name)}\t${oneLine(uri)}`
}
