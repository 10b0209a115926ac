/**
 * `shoal start`: a node and its gateway, until Ctrl-C.
 * @module
 */
import { isIPv6 } from 'node:net'
import { homedir } from 'node:os'
import { isShoalError } from '../errors.ts'
import {
  DEFAULT_NETWORK,
  DEFAULT_STORE_BYTES,
  MAX_STORE_BYTES,
  MIN_STORE_BYTES,
  resolveOptions,
} from '../options.ts'
import type { Arguments, Command } from './command.ts'
import { defaultDataDir } from './data-dir.ts'
import { CommandError, EXIT_DONE, systemCode, UsageError } from './failures.ts'
import { DEFAULT_GATEWAY_HOST, DEFAULT_GATEWAY_PORT } from './gateway-client.ts'
import { createLogger, untilAborted, writeLine, type Io } from './io.ts'
import type { StartNodeOptions } from './start-node.ts'
import {
  formatBytes,
  parseBootstrap,
  parseIPv4,
  parseListenAddress,
  parsePort,
  parseSize,
} from './values.ts'

export const startCommand: Command = {
  name: 'start',
  summary: 'Run a node and its gateway',
  details: [
    'Prints "gateway http://HOST:PORT/" when it serves. Ctrl-C ends it cleanly, a second one at once.',
  ],
  operands: [],
  options: {
    'data-dir': {
      type: 'string',
      value: 'D',
      help: `everything it keeps (default: ${defaultDataDir(process.platform, process.env, homedir())})`,
    },
    port: {
      type: 'string',
      value: 'P',
      help: `port of the gateway, 0 for any free one (default: ${DEFAULT_GATEWAY_PORT})`,
    },
    host: {
      type: 'string',
      value: 'H',
      help: `address of the gateway (default: ${DEFAULT_GATEWAY_HOST}, this machine only)`,
    },
    'store-size': {
      type: 'string',
      value: 'SIZE',
      help: `hard ceiling of the data directory (default: ${formatBytes(DEFAULT_STORE_BYTES)})`,
    },
    network: {
      type: 'string',
      value: 'NAME',
      help: `which network to join (default: ${DEFAULT_NETWORK})`,
    },
    bootstrap: {
      type: 'string',
      value: 'host:port,…',
      help: 'entry points of the DHT, or none (default: the public ones)',
    },
    'listen-host': {
      type: 'string',
      value: 'H',
      help: 'bind the DHT to this address and count as reachable there',
    },
  },
  run: start,
}

type NodeSettings = Omit<StartNodeOptions, 'logger'>

async function start(given: Arguments, io: Io): Promise<number> {
  const settings = parseNodeSettings(given, io)
  const port = parsePort('--port', given.text('port') ?? String(DEFAULT_GATEWAY_PORT))
  const host = parseListenAddress('--host', given.text('host') ?? DEFAULT_GATEWAY_HOST)
  const logger = createLogger(io.stderr)
  if (!isLoopback(host)) {
    logger.warn(
      `--host ${host}: whoever reaches this address can use the gateway and your publisher keys`,
    )
  }
  // Loaded here, so that the other commands start without RocksDB and sodium.
  const { startNode } = await import('./start-node.ts')
  const { startGateway } = await import('../gateway/server.ts')
  const node = await startNode({ ...settings, logger }).catch((error: unknown) => {
    throw withFolder(error, settings.dataDir)
  })
  try {
    const gateway = await startGateway({ node, host, port, logger })
    writeLine(io.stdout, `gateway ${new URL(gateway.url).href}`)
    await untilAborted(io.signal)
    await gateway.close()
  } finally {
    await node.close()
  }
  return EXIT_DONE
}

/** Library errors name no path; at a terminal it is half of the answer. */
function withFolder(error: unknown, dataDir: string): unknown {
  if (!isShoalError(error) || !error.code.startsWith('E_STORE_')) return error
  const reason = systemCode(error.cause)
  const what = error.message.replace(/\.$/, '')
  const words = `${dataDir}: ${what}${reason === undefined ? '' : ` (${reason})`}`
  return new CommandError(words, { cause: error })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIPv6(host) ? host === '::1' : host.startsWith('127.'))
}

/** @throws UsageError naming the option, its value and its range. */
export function parseNodeSettings(given: Arguments, io: Pick<Io, 'env'>): NodeSettings {
  const size = given.text('store-size')
  const bootstrap = given.text('bootstrap')
  const listenHost = given.text('listen-host')
  const dataDir = given.text('data-dir') ?? defaultDataDir(process.platform, io.env, homedir())
  if (dataDir === '') throw new UsageError('--data-dir: a folder, not ""')
  return {
    dataDir,
    storeBytes:
      size === undefined
        ? DEFAULT_STORE_BYTES
        : parseSize('--store-size', size, MIN_STORE_BYTES, MAX_STORE_BYTES),
    network: parseNetwork(given.text('network') ?? DEFAULT_NETWORK),
    bootstrap: bootstrap === undefined ? undefined : parseBootstrap('--bootstrap', bootstrap),
    listenHost: listenHost === undefined ? undefined : parseIPv4('--listen-host', listenHost),
  }
}

/** The rule for names is the node's own; only the words around it are those of a command line. */
function parseNetwork(text: string): string {
  try {
    return resolveOptions({ network: text }).network
  } catch (error) {
    if (!isShoalError(error)) throw error
    throw new UsageError(`--${error.message}, not ${JSON.stringify(text)}`, { cause: error })
  }
}
