/**
 * Transports that reach each other through a third one only, on a private DHT on loopback.
 * @module
 */
import { randomBytes } from 'node:crypto'
import { equals } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'
import { bindDht } from '../../src/routing/net/dht.ts'
import type { Transport } from '../../src/routing/net/transport.ts'
import { makeTransport } from './transport.ts'
import type { Made } from './transport.ts'

const RETRY_MS = 100
const NOBODY = Buffer.from(keyPairFromSeed(new Uint8Array(32)).publicKey)
const IGNORED = { onframe: () => {}, ondrain: () => {}, onclose: () => {} }

/** Binds a DHT node on which every dial to anybody else finds nobody. */
export function reachOnly(publicKeys: readonly Uint8Array[]): typeof bindDht {
  return async (options) => {
    const dht = await bindDht(options)
    const connect = dht.connect.bind(dht)
    dht.connect = (publicKey, how) => {
      const isReachable = publicKeys.some((key) => equals(key, publicKey))
      return connect(isReachable ? publicKey : NOBODY, how)
    }
    return dht
  }
}

export interface Relayed {
  readonly relay: Made
  readonly a: Made
  readonly b: Made
}

/** A relay that is open and links with everybody, and two that can reach nobody but it. */
export async function createRelayed(bootstrap: Bootstrap): Promise<Relayed> {
  const topic = randomBytes(32)
  const relay = makeTransport(bootstrap, { topic })
  await relay.open({
    handshake: () => Uint8Array.of(0),
    onlink: () => IGNORED,
    onfound: () => {},
    onfailed: () => {},
  })
  const bind = reachOnly([relay.keyPair.publicKey])
  const hidden = (): Made => {
    const transport = makeTransport(bootstrap, { topic, bind })
    return { ...transport, ...throughOnly(transport, relay.keyPair.publicKey) }
  }
  return { relay, a: hidden(), b: hidden() }
}

/** Keeps a link with `through` to itself; dials all others by way of it, until they are linked. */
function throughOnly(made: Made, through: Uint8Array): Pick<Transport, 'open' | 'dial' | 'close'> {
  let isLinked = false
  let isClosed = false
  const dial = (publicKey: Uint8Array): void => {
    if (isLinked) made.dial(publicKey, { through })
    else dialLater(publicKey)
  }
  const dialLater = (publicKey: Uint8Array): void => {
    if (!isClosed) setTimeout(() => dial(publicKey), RETRY_MS).unref()
  }
  return {
    dial,
    open: (handlers) =>
      made.open({
        ...handlers,
        onlink: (link) => {
          if (!equals(link.remotePublicKey, through)) return handlers.onlink(link)
          isLinked = true
          return IGNORED
        },
        onfound: (publicKey, topic) => {
          if (equals(publicKey, through)) made.dial(publicKey)
          else handlers.onfound(publicKey, topic)
        },
        onfailed: (publicKey, wasRefused) => {
          const isFinal = wasRefused || equals(publicKey, made.keyPair.publicKey)
          if (isFinal) handlers.onfailed(publicKey, wasRefused)
          else dialLater(publicKey) // the relay may not have had the other link yet
        },
      }),
    close: () => {
      isClosed = true
      return made.close()
    },
  }
}
