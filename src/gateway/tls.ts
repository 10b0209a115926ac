/**
 * The certificate of a gateway that speaks TLS, and another one while it runs.
 * @module
 */
import type { ServerOptions } from 'node:http'
import { createServer } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'

import { ShoalError } from '../errors.ts'

/** A certificate, with those that lead to its authority behind it, and its private key: PEM. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
}

/**
 * A server, and a way to give it another pair. A handshake may take as long as the head of a request, in
 * `options`: a place on the server is taken already. Both throw a ShoalError E_OPTION for one that cannot be used.
 */
export function createTlsListener(pair: TlsPair, options: ServerOptions) {
  const { headersTimeout: handshakeTimeout } = options
  const server = createServer({ ...options, ...checked(pair), handshakeTimeout })
  const replaceCertificate = (next: TlsPair): void => {
    server.setSecureContext(checked(next))
  }
  return { server, replaceCertificate }
}

function checked({ cert, key }: TlsPair): SecureContextOptions {
  const options = { cert, key, minVersion: 'TLSv1.2' } as const
  try {
    // empty ones would pass, and then fail every connection
    if (cert.trim() === '' || key.trim() === '') throw new Error('an empty file')
    createSecureContext(options)
    return options
  } catch (cause) {
    throw new ShoalError('E_OPTION', 'tls: this certificate and key cannot be used', { cause })
  }
}
