/**
 * Few links to one place of the internet: addresses of one provider are cheap to have by the hundred,
 * and must not add up to a node's whole neighborhood (spec §7.4).
 * @module
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** Links to one IPv4 /24 or IPv6 /48. */
const MAX_PER_SITE = 2
/** Links to one IPv4 /16 or IPv6 /32. */
const MAX_PER_PROVIDER = 4
const MAPPED_PREFIX = '::ffff:'
const GROUPS = 8
/** Loopback, private and link-local networks: whoever is there shares more than an address. */
const EXEMPT = new BlockList()
for (const [network, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
] as const) {
  EXEMPT.addSubnet(network, bits, 'ipv4')
}
for (const [network, bits] of [
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  EXEMPT.addSubnet(network, bits, 'ipv6')
}

interface Groups {
  readonly site: string
  readonly provider: string
}

/** Links counted by the prefixes of their addresses; private and unknown addresses are not. */
export class AddressLimits {
  readonly #counts = new Map<string, number>()

  /** Whether one more link to `host` would be too many. */
  isFull(host: string | undefined): boolean {
    const groups = groupsOf(host)
    if (groups === undefined) return false
    const { site, provider } = groups
    return this.#count(site) >= MAX_PER_SITE || this.#count(provider) >= MAX_PER_PROVIDER
  }

  opened(host: string | undefined): void {
    this.#add(host, 1)
  }

  /** Once for each `opened`. */
  closed(host: string | undefined): void {
    this.#add(host, -1)
  }

  #count(prefix: string): number {
    return this.#counts.get(prefix) ?? 0
  }

  #add(host: string | undefined, by: number): void {
    const groups = groupsOf(host)
    if (groups === undefined) return
    for (const prefix of [groups.site, groups.provider]) {
      const count = this.#count(prefix) + by
      if (count > 0) this.#counts.set(prefix, count)
      else this.#counts.delete(prefix)
    }
  }
}

/** Undefined: exempt, or no address at all. */
function groupsOf(host: string | undefined): Groups | undefined {
  if (host === undefined) return undefined
  const plain = (host.split('%')[0] as string).toLowerCase()
  const mapped = plain.startsWith(MAPPED_PREFIX) ? plain.slice(MAPPED_PREFIX.length) : plain
  if (isIPv4(mapped)) return EXEMPT.check(mapped, 'ipv4') ? undefined : groupsOfIPv4(mapped)
  if (!isIPv6(plain) || EXEMPT.check(plain, 'ipv6')) return undefined
  return groupsOfIPv6(plain)
}

function groupsOfIPv4(host: string): Groups {
  const [a, b, c] = host.split('.')
  return { site: `${a}.${b}.${c}`, provider: `${a}.${b}` }
}

function groupsOfIPv6(host: string): Groups {
  const [first, second, third] = expanded(host)
  return { site: `${first}:${second}:${third}:`, provider: `${first}:${second}:` }
}

/** The eight 16-bit groups. A dotted end is left out of account: only the first three matter. */
function expanded(host: string): number[] {
  const [head = '', tail] = host.split('::')
  const numbers = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((part) => Number.parseInt(part, 16))
  const before = numbers(head)
  if (tail === undefined) return before
  const after = numbers(tail)
  const gap = Array.from({ length: Math.max(0, GROUPS - before.length - after.length) }, () => 0)
  return [...before, ...gap, ...after]
}
