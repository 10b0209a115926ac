/**
 * `shoal start`: a node and its gateway, until Ctrl-C.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import {
  DEFAULT_NETWORK,
  DEFAULT_STORE_BYTES,
  MAX_STORE_BYTES,
  MIN_STORE_BYTES,
  resolveOptions,
} from '../options.ts'
import type { Arguments, Command } from './command.ts'
import { DATA_DIR_OPTION, dataDirOf } from './data-dir.ts'
import { CommandError, EXIT_DONE, UsageError, withFolder } from './failures.ts'
import { DEFAULT_GATEWAY_HOST, DEFAULT_GATEWAY_PORT } from './gateway-client.ts'
import { oneLine, untilAborted, writeLine, type Io } from './io.ts'
import { LOG_OPTIONS, logSettings } from './log-options.ts'
import { givenNetworkKey, NETWORK_KEY_OPTION } from './network-key.ts'
import { askPassphrase, givenPassphrase, PASSPHRASE_FILE_OPTION } from './passphrase.ts'
import { remoteAccess, REMOTE_OPTIONS, renewAccess } from './remote-access.ts'
import { createSolvingLine } from './solving-line.ts'
import type { StartNodeOptions } from './start-node.ts'
import { canAsk } from './terminal-input.ts'
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
    'data-dir': DATA_DIR_OPTION,
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
    ...REMOTE_OPTIONS,
    ...LOG_OPTIONS,
    'count-requests': {
      type: 'boolean',
      help: 'count requests of the gateway in /metrics: for one that many share',
    },
    'store-size': {
      type: 'string',
      value: 'SIZE',
      help: `hard ceiling of the data directory (default: what it has, ${formatBytes(DEFAULT_STORE_BYTES)} for a new one)`,
    },
    'passphrase-file': PASSPHRASE_FILE_OPTION,
    network: {
      type: 'string',
      value: 'NAME',
      help: `which network to join (default: ${DEFAULT_NETWORK})`,
    },
    'network-key': NETWORK_KEY_OPTION,
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

type NodeSettings = Omit<StartNodeOptions, 'logger' | 'passphrase' | 'networkKey' | 'signal'>

/** A person mistypes; a program that guesses is not slowed down by this. */
const MAX_TRIES = 3
/** What is being opened is closed in order where that takes no longer, ms. */
const OPENING_GRACE_MS = 100

async function start(given: Arguments, io: Io): Promise<number> {
  const settings = parseNodeSettings(given, io)
  const port = parsePort('--port', given.text('port') ?? String(DEFAULT_GATEWAY_PORT))
  const host = parseListenAddress('--host', given.text('host') ?? DEFAULT_GATEWAY_HOST)
  const settingsOfLog = logSettings(given)
  // Loaded here, so that the other commands start without what only a node needs.
  const { createOperatorLog } = await import('./operator-log.ts')
  const line = createSolvingLine(io.stderr, createOperatorLog(settingsOfLog, io.stderr))
  const { logger } = line
  const access = await remoteAccess(given, host, { logger, io })
  const { startGateway } = await import('../gateway/server.ts')
  const { key: networkKey, isOnCommandLine } = await givenNetworkKey(given, io)
  if (isOnCommandLine) {
    logger.warn('--network-key: every program of this machine can read a command line; use a file')
  }
  const { signal } = io
  const opening = openNode({ ...settings, networkKey, logger, signal }, given, io)
  const node = await orInterrupted(opening, signal)
  try {
    const countsRequests = given.flag('count-requests')
    const gateway = await startGateway({ ...access, node, host, port, logger, countsRequests })
    let renewing = Promise.resolve()
    io.onHangUp?.(() => {
      renewing = renewing.then(() => renewAccess(given, gateway, { logger, io }))
    })
    writeLine(io.stdout, `gateway ${new URL(gateway.url).href}`)
    const stopFollowing = line.follow(node)
    try {
      await Promise.race([untilAborted(signal), failWhenDestroyed(node), failWhenAlone(node)])
    } finally {
      stopFollowing()
      await gateway.close()
    }
  } finally {
    await node.close().catch((error: unknown) => {
      throw withFolder(error, settings.dataDir)
    })
  }
  return EXIT_DONE
}

/** The node; where its key is locked, with the passphrase that is given or typed. */
async function openNode(
  options: Omit<StartNodeOptions, 'passphrase'>,
  given: Arguments,
  io: Io,
): Promise<Node> {
  const { dataDir, logger } = options
  const { startNode } = await import('./start-node.ts')
  const { isProtected } = await import('../store-admin.ts')
  const passphrase = await givenPassphrase(given, io)
  try {
    const mustAsk = passphrase === undefined && canAsk(io) && (await isProtected(dataDir))
    if (mustAsk) return await openAsking(startNode, options, io)
    const node = await startNode({ ...options, passphrase })
    if (passphrase !== undefined && !(await isProtected(dataDir).catch(() => true))) {
      logger.warn('store.key has no passphrase: set this one with "shoal store passphrase"')
    }
    return node
  } catch (error) {
    throw withFolder(error, dataDir)
  }
}

async function openAsking(
  startNode: (options: StartNodeOptions) => Promise<Node>,
  options: Omit<StartNodeOptions, 'passphrase'>,
  io: Io,
): Promise<Node> {
  for (let tries = 1; ; tries++) {
    const passphrase = await askPassphrase(`Passphrase of ${oneLine(options.dataDir)}: `, io)
    try {
      return await startNode({ ...options, passphrase })
    } catch (error) {
      const isWrong = isShoalError(error) && error.code === 'E_PASSPHRASE'
      if (!isWrong || tries === MAX_TRIES) throw error
      writeLine(io.stderr, `${error.message}: try again`)
    }
  }
}

/**
 * What is being opened; where the person wants to end, that cannot be broken off everywhere, so it is
 * waited for a moment and no longer. Rejects with the reason of `signal`.
 */
async function orInterrupted(opening: Promise<Node>, signal: AbortSignal): Promise<Node> {
  const interrupted = untilAborted(signal).then(() => sleep(OPENING_GRACE_MS))
  const node = await Promise.race([opening, interrupted])
  if (node !== undefined) return node
  opening.then((late) => late.close()).catch(() => {}) // where the process does not end at once
  throw signal.reason
}

/** Never resolves; rejects where the node cannot look for peers once its place on the ring is solved. */
async function failWhenAlone(node: Node): Promise<never> {
  await node.joined
  return new Promise(() => {})
}

/** Never resolves; rejects when the store key was destroyed and the node has closed itself. */
async function failWhenDestroyed(node: Node): Promise<never> {
  await node.destroyed
  throw new CommandError('store.key was destroyed: the node has ended, and its store is lost')
}

/** @throws UsageError naming the option, its value and its range. */
export function parseNodeSettings(given: Arguments, io: Pick<Io, 'env'>): NodeSettings {
  const size = given.text('store-size')
  const bootstrap = given.text('bootstrap')
  const listenHost = given.text('listen-host')
  return {
    dataDir: dataDirOf(given, io),
    storeBytes:
      size === undefined
        ? undefined
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
