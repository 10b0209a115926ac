/**
 * A private DHT to meet through: what networks that are not the public one start from. Knows
 * addresses and topics of nodes for a while, and nothing else.
 * @module
 */
import { bindDht } from './dht.ts'
import type DHT from 'hyperdht'

/** With a single DHT node peers often get no connection: an announcement wants others to keep it. */
const NODES = 3

export interface Bootstrap {
  readonly host: string
  /** UDP port that nodes are given. */
  readonly port: number
  /** Idempotent. */
  close(): Promise<void>
}

/**
 * Starts an entry point on an IPv4 address of this machine, on UDP `port` (0: any free one).
 * @throws ShoalError E_LISTEN where the address cannot be bound; rejects with `signal.reason`.
 */
export async function startBootstrap(options: {
  readonly host: string
  readonly port: number
  readonly signal?: AbortSignal
}): Promise<Bootstrap> {
  const { host, signal } = options
  const nodes: DHT[] = []
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.destroy({ force: true })))
  }
  try {
    signal?.throwIfAborted()
    nodes.push(await startNode(host, options.port, []))
    const port = (nodes[0] as DHT).address().port
    while (nodes.length < NODES) {
      signal?.throwIfAborted()
      nodes.push(await startNode(host, 0, [{ host, port }]))
    }
    signal?.throwIfAborted()
    return { host, port, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function startNode(
  host: string,
  port: number,
  bootstrap: readonly { host: string; port: number }[],
): Promise<DHT> {
  const node = await bindDht({
    bootstrap,
    host,
    port: port === 0 ? [0, 0] : [port, port + 1], // a bare 0 would mean the public default port
    anyPort: port === 0,
    ephemeral: false,
    firewalled: false,
  })
  await node.fullyBootstrapped()
  return node
}
