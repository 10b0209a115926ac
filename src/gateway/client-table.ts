/**
 * Something small for each client of a remote gateway, by its network address. Bounded: the client heard of
 * longest ago goes, and begins anew.
 * @module
 */
import type { Request } from 'express'
import { isIPv6 } from 'node:net'

import { ShoalError } from '../errors.ts'

/** Clients remembered; each takes some hundred bytes. */
const MAX_CLIENTS = 4096

export class ClientTable<T> {
  readonly #entries = new Map<string, T>()

  get(client: string): T | undefined {
    return this.#entries.get(client)
  }

  set(client: string, value: T): void {
    this.#entries.delete(client)
    this.#entries.set(client, value)
    if (this.#entries.size <= MAX_CLIENTS) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }
}

/**
 * Who asks: an IPv4 address, or the /64 of an IPv6 address, all of which one client may have.
 * @throws ShoalError E_ACCESS as `addressOf`
 */
export function clientOf(request: Pick<Request, 'socket'>): string {
  return prefixOf(addressOf(request), 4)
}

/** Where it is: the same IPv4 address, or the /48 of the IPv6 address. @throws ShoalError E_ACCESS likewise */
export function networkOf(request: Pick<Request, 'socket'>): string {
  return prefixOf(addressOf(request), 3)
}

/** `groups`: those of 16 bits that are kept of an IPv6 address. */
function prefixOf(address: string, groups: number): string {
  if (!isIPv6(address)) return address
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? []
  const [before, after] = [head, tail].map((half) => half.split(':').filter(Boolean))
  const missing = 8 - (before?.length ?? 0) - (after?.length ?? 0)
  const all = [...(before ?? []), ...Array.from({ length: missing }, () => '0'), ...(after ?? [])]
  return `${all.slice(0, groups).join(':')}::/${groups * 16}`
}

/** True for a request of this machine itself. @throws ShoalError E_ACCESS as `addressOf` */
export function isFromLoopback(request: Pick<Request, 'socket'>): boolean {
  return isLoopback(addressOf(request))
}

/** @throws ShoalError E_ACCESS where a reset came right behind the request: it may be from anywhere. */
function addressOf({ socket: { remoteAddress } }: Pick<Request, 'socket'>): string {
  if (remoteAddress === undefined || remoteAddress === '') {
    throw new ShoalError('E_ACCESS', 'The connection of this request is gone.')
  }
  return remoteAddress.replace(/^::ffff:/, '')
}

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIPv6(host) ? host === '::1' : host.startsWith('127.'))
}
