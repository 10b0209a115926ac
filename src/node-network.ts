/**
 * A node's way to the others: its network, its position proof, its transport, and the driver of them.
 * @module
 */
import type { BlockStore } from './datastore/store.ts'
import { base64url } from './keys/bytes.ts'
import type { KeyPair } from './keys/primitives.ts'
import { loadProof } from './node-proof.ts'
import type { ResolvedOptions } from './options.ts'
import { peerFile } from './peer-file.ts'
import { NO_PROOF } from './routing/handshake.ts'
import { Driver } from './routing/net/driver.ts'
import { createHyperswarmTransport } from './routing/net/hyperswarm.ts'
import type { Transport } from './routing/net/transport.ts'
import { networkDefinition } from './routing/network.ts'
import type { NetworkDefinition } from './routing/network.ts'
import { networkTopic } from './routing/position.ts'
import type { Clock, Logger, Rng } from './runtime.ts'

/**
 * The driver of a node that joins the network of its options; not open yet. Where the network asks for a
 * position proof and there is none yet, this takes seconds. Rejects with the reason of `options.signal`.
 * @throws ShoalError E_STORE_IO
 */
export async function createDriver(
  options: ResolvedOptions,
  parts: {
    readonly keyPair: KeyPair
    readonly store: BlockStore
    readonly clock: Clock
    readonly rng: Rng
    readonly logger: Logger
  },
): Promise<Driver> {
  const { dataDir } = options
  const { keyPair, logger } = parts
  const { publicKey } = keyPair
  const definition = networkDefinition(options.network, options.networkKey)
  const transport = transportOf(options, definition, parts)
  const proof =
    transport === undefined
      ? NO_PROOF
      : await loadProof(dataDir, {
          definition,
          publicKey,
          ...(options.signal !== undefined && { signal: options.signal }),
          onsolving: () => logger.info('working out a place on the ring, once: some seconds'),
        })
  const peerCache = dataDir === undefined ? undefined : peerFile(dataDir, logger)
  return new Driver({ ...parts, definition, publicKey, proof, transport, peerCache })
}

/** What tells this network from others of the same name, in words that say nothing of its key. */
export function networkLabel({ network, networkKey }: ResolvedOptions): string {
  if (networkKey === undefined) return network
  return `${network} ${base64url(networkDefinition(network, networkKey).hash)}`
}

function transportOf(
  { connect, parts }: ResolvedOptions,
  definition: NetworkDefinition,
  { keyPair, logger }: { readonly keyPair: KeyPair; readonly logger: Logger },
): Transport | undefined {
  if (parts.transport !== undefined || connect === undefined) return parts.transport
  const { bootstrap, listenHost } = connect
  return createHyperswarmTransport({
    keyPair,
    topic: networkTopic(definition.hash),
    bootstrap,
    logger,
    ...(listenHost === undefined ? {} : { listenHost }),
  })
}
