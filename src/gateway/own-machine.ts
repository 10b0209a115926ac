/**
 * Who has a node write files: somebody at its own machine. A reverse proxy there connects from loopback,
 * too, for anybody in the world; so a request that shows one counts as one of another machine.
 * @module
 */
import type { Request } from 'express'

import { hostNameIn, LOCAL_NAMES } from './access.ts'
import { isFromLoopback } from './client-table.ts'

/** What proxies add; a program of this machine has no reason to. */
const PROXY_FIELD = /^(?:forwarded|via|x-real-ip|x-forwarded(?:-.*)?)$/

/**
 * True for a request over loopback, to this machine by its own name, with no trace of a proxy.
 * @throws ShoalError E_ACCESS where its connection is gone already, so that nobody can say whose it was
 */
export function isOfOwnMachine(request: Pick<Request, 'socket' | 'headers'>): boolean {
  const { headers } = request
  const isNamed = LOCAL_NAMES.includes(hostNameIn(headers.host) ?? '')
  const isPassedOn = Object.keys(headers).some((field) => PROXY_FIELD.test(field))
  return isFromLoopback(request) && isNamed && !isPassedOn
}
