/**
 * `shoal bootstrap`: an entry point of one's own, for private and test networks.
 * @module
 */
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE, UsageError } from './failures.ts'
import { untilAborted, writeLine, type Io } from './io.ts'
import { parseIPv4, parsePort } from './values.ts'

const DEFAULT_HOST = '127.0.0.1'

export const bootstrapCommand: Command = {
  name: 'bootstrap',
  summary: 'Run an entry point for a private network',
  details: [
    'Prints "bootstrap HOST:PORT" when it serves; nodes take that as --bootstrap HOST:PORT.',
  ],
  operands: [],
  options: {
    host: { type: 'string', value: 'H', help: `address to bind to (default: ${DEFAULT_HOST})` },
    port: { type: 'string', value: 'N', help: 'UDP port, 0 for any free one (required)' },
  },
  run: bootstrap,
}

async function bootstrap(given: Arguments, io: Io): Promise<number> {
  const portText = given.text('port')
  if (portText === undefined) throw new UsageError('--port is missing')
  const port = parsePort('--port', portText)
  const host = parseIPv4('--host', given.text('host') ?? DEFAULT_HOST)
  const { startBootstrap } = await import('../routing/net/bootstrap.ts')
  const entry = await startBootstrap({ host, port, signal: io.signal })
  writeLine(io.stdout, `bootstrap ${entry.host}:${entry.port}`)
  await untilAborted(io.signal)
  await entry.close()
  return EXIT_DONE
}
