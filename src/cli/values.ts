/**
 * Values of options: text in, checked value out. Every error names the option, what was given and
 * what it may be.
 * @module
 */
import { isIP, isIPv4 } from 'node:net'
import { UsageError } from './failures.ts'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** More entry points than this are a mistake: three are enough to find a network. */
const MAX_BOOTSTRAP_NODES = 16

function refuse(option: string, text: string, expected: string): never {
  throw new UsageError(`${option}: ${expected}, not ${JSON.stringify(text)}`)
}

/** `10GiB`, `500MB`, `64M` (binary), `67108864`: bytes. @throws UsageError outside [least, most]. */
export function parseSize(option: string, text: string, least: number, most: number): number {
  const [, digits, unit] = /^(\d{1,15}(?:\.\d{1,3})?) ?([a-z]{0,3})$/i.exec(text) ?? []
  const scale = UNITS[unit?.toUpperCase() ?? '?']
  const bytes = scale === undefined ? Number.NaN : Math.floor(Number(digits) * scale)
  if (bytes >= least && bytes <= most) return bytes
  const range = `${formatBytes(least)} to ${formatBytes(most)}`
  return refuse(option, text, `a size from ${range}, such as 10GiB or 500MB`)
}

/** A whole number in [least, most]. @throws UsageError. */
export function parseWhole(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  return refuse(option, text, `a whole number from ${least} to ${most}`)
}

/** A port to listen on; 0: any free one. @throws UsageError. */
export function parsePort(option: string, text: string): number {
  return parseWhole(option, text, 0, 65_535)
}

/** An address to listen on. @throws UsageError. */
export function parseListenAddress(option: string, text: string): string {
  if (isIP(text) !== 0 || text === 'localhost') return text
  return refuse(option, text, 'an IP address of this machine, such as 127.0.0.1')
}

/** An address for the DHT, which speaks IPv4 only. @throws UsageError. */
export function parseIPv4(option: string, text: string): string {
  if (isIPv4(text)) return text
  return refuse(option, text, 'an IPv4 address of this machine, such as 127.0.0.1')
}

/** `host:port,host:port`, at most 16, or `none` for no DHT at all. @throws UsageError. */
export function parseBootstrap(option: string, text: string): readonly HostPort[] | 'none' {
  if (text === 'none') return 'none'
  const expected = `host:port[,host:port…] (at most ${MAX_BOOTSTRAP_NODES}), or none`
  const parts = text.split(',')
  if (parts.length > MAX_BOOTSTRAP_NODES) refuse(option, text, expected)
  return parts.map((part) => {
    const [, host, port] = /^([a-z0-9][a-z0-9.-]{0,252}):(\d{1,5})$/i.exec(part.trim()) ?? []
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
      return refuse(option, text, expected)
    }
    return { host, port: Number(port) }
  })
}

/** `http://host:port/` or `https://…`, the scheme may be left out. @throws UsageError. */
export function parseGatewayUrl(option: string, text: string): URL {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`
  // Nothing but scheme, host and port: the URL equals its own origin.
  if (URL.canParse(full)) {
    const url = new URL(full)
    if (/^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url
  }
  return refuse(option, text, 'an address such as http://127.0.0.1:8888/')
}

/** 0 to 1023 `B`, then `KiB`, `MiB`, … with at most one decimal. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let scaled = bytes
  let at = 0
  while (scaled >= 1024 && at < units.length - 1) {
    scaled /= 1024
    at++
  }
  return `${Number(scaled.toFixed(1))} ${units[at]}`
}
