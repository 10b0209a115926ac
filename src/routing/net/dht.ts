/**
 * Starting a node of the DHT, and what is to be done when it cannot start.
 * @module
 */
import DHT from 'hyperdht'

import { ShoalError } from '../../errors.ts'
import type { NoiseStream } from 'hyperdht'

type DhtOptions = ConstructorParameters<typeof DHT>[0]

/**
 * Connects with a key pair only. hyperdht itself, without one, connects to whatever relay the other side of
 * a dial names, and lets it talk Protomux that nobody guards: such a connection ends before it begins.
 */
class OwnDht extends DHT {
  override connect(...[publicKey, options]: Parameters<DHT['connect']>): NoiseStream {
    const stream = super.connect(publicKey, options)
    if (options === undefined) stream.destroy()
    return stream
  }
}

/** A DHT node whose sockets are bound. @throws ShoalError E_LISTEN where they cannot be. */
export async function bindDht(options: DhtOptions): Promise<DHT> {
  const dht = new OwnDht(options)
  try {
    await dht.bind()
  } catch (cause) {
    await dht.destroy({ force: true }).catch(() => {}) // throws the same again
    dht.io.networkInterfaces.destroy() // it stops before this, and the process would never end
    throw new ShoalError('E_LISTEN', listenMessage(options, cause), { cause })
  }
  return dht
}

function listenMessage({ host = 'this machine', port }: DhtOptions, cause: unknown): string {
  const where = port === undefined || port[0] === 0 ? `A UDP port` : `UDP port ${port[0]}`
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return code === 'EADDRINUSE'
    ? `${where} of ${host} is in use by another program`
    : `${where} of ${host} cannot be listened on`
}
