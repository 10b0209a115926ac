/**
 * The gateway's HTTP API as `put`, `get`, `status` and `demo` use it. On node:http and not `fetch`:
 * an upload may last for hours before its answer begins, and `fetch` would give up on the header.
 * @module
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Readable } from 'node:stream'
import type { Arguments, OptionSpec } from './command.ts'
import { CommandError, systemCode } from './failures.ts'
import { oneLine } from './io.ts'
import { parseGatewayUrl } from './values.ts'

export const DEFAULT_GATEWAY_HOST = '127.0.0.1'
/** Freenet's port, so that old habits work. */
export const DEFAULT_GATEWAY_PORT = 8888
/** Longest JSON answer that is read, bytes; ours are below one KiB. */
const MAX_JSON_BYTES = 65_536
/** A canonical spelling takes one redirect, an edition another. */
const MAX_REDIRECTS = 5

export const GATEWAY_OPTION: OptionSpec = {
  type: 'string',
  value: 'URL',
  help: `the node to talk to (default: http://${DEFAULT_GATEWAY_HOST}:${DEFAULT_GATEWAY_PORT}/)`,
}

/** Where `--gateway` points. @throws UsageError. */
export function gatewayOf(given: Arguments): URL {
  const fallback = `http://${DEFAULT_GATEWAY_HOST}:${DEFAULT_GATEWAY_PORT}/`
  return parseGatewayUrl('--gateway', given.text('gateway') ?? fallback)
}

interface Exchange {
  readonly gateway: URL
  readonly method: 'GET' | 'POST'
  /** Path and query as they go over the wire. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | number>>
  readonly signal: AbortSignal
}

function open(exchange: Exchange): ClientRequest {
  const { gateway, method, path, signal } = exchange
  const headers = { accept: 'application/problem+json, */*', ...exchange.headers }
  const hostname = gateway.hostname.replace(/^\[|\]$/g, '') // node:http wants IPv6 without brackets
  const port = Number(gateway.port) || 80
  return httpRequest({ hostname, port, method, path, headers, signal, agent: false })
}

function answerTo(request: ClientRequest, exchange: Exchange): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    request.on('error', (error) => {
      reject(connectionError(error, exchange))
    })
  })
}

function connectionError(error: Error, { gateway, signal }: Exchange): unknown {
  if (signal.aborted) return signal.reason
  const code = systemCode(error)
  const words =
    code === 'ECONNREFUSED'
      ? `no node answers at ${gateway.href}: start one with "shoal start" (or name it with --gateway URL)`
      : `the connection to ${gateway.href} broke (${code ?? oneLine(error.message)})`
  return new CommandError(words, { cause: error })
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > MAX_JSON_BYTES) break
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** The gateway's own sentence about what went wrong, as the one line a person reads. */
async function problemOf(response: IncomingMessage): Promise<CommandError> {
  const { detail, title } = parseJson(await readText(response))
  const words = typeof detail === 'string' ? detail : title
  const status = `HTTP ${response.statusCode} ${response.statusMessage ?? ''}`.trim()
  return new CommandError(typeof words === 'string' ? words : `the gateway answered ${status}`)
}

async function finish(exchange: Exchange, work: () => Promise<string>): Promise<string> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CommandError || !(error instanceof Error)) throw error
    throw connectionError(error, exchange)
  }
}

/** GET of a JSON resource; undefined where it is not there (404). @throws CommandError. */
export async function getJson(
  gateway: URL,
  path: string,
  signal: AbortSignal,
): Promise<
  { readonly text: string; readonly value: Readonly<Record<string, unknown>> } | undefined
> {
  const exchange: Exchange = { gateway, method: 'GET', path, signal }
  const request = open(exchange)
  const answer = answerTo(request, exchange)
  request.end()
  const response = await answer
  if (response.statusCode === 404) {
    response.destroy()
    return undefined
  }
  if (response.statusCode !== 200) throw await problemOf(response)
  const text = await finish(exchange, () => readText(response))
  return { text, value: parseJson(text) }
}

/** GET of content: resolves when the answer begins, redirects within the gateway followed. */
export async function getContent(
  gateway: URL,
  path: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let next = path
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const exchange: Exchange = { gateway, method: 'GET', path: next, signal }
    const request = open(exchange)
    const answer = answerTo(request, exchange)
    request.end()
    const response = await answer
    if (response.statusCode === 200) return response
    const location = response.headers.location
    if (location?.startsWith('/') !== true) throw await problemOf(response)
    response.destroy()
    next = location
  }
  throw new CommandError('the gateway redirects without end')
}

export interface InsertRequest {
  readonly gateway: URL
  readonly source: Readable
  /** Exact size where it is known: sent as Content-Length. */
  readonly sizeBytes?: number
  /** `name`, `convergent`, `urn`. */
  readonly query: URLSearchParams
  readonly onSent: (sentBytes: number) => void
  readonly signal: AbortSignal
}

export interface Inserted {
  readonly uri: string
  readonly type: string
  /** Where the spread can be asked for; undefined where the gateway names no such place. */
  readonly statusPath: string | undefined
}

/**
 * Sends `source` to its end, never holding more than a few pieces, and resolves with the gateway's
 * 201. An answer that comes early (full, not allowed) ends the upload. @throws CommandError.
 */
export async function insert(request: InsertRequest): Promise<Inserted> {
  const { gateway, source, sizeBytes, query, signal } = request
  const path = `/api/v1/insert?${query.toString()}`
  const headers = {
    'content-type': 'application/octet-stream',
    ...(sizeBytes === undefined ? {} : { 'content-length': sizeBytes }),
  }
  const exchange: Exchange = { gateway, method: 'POST', path, headers, signal }
  const upload = open(exchange)
  const answer = answerTo(upload, exchange)
  const faultOf = watchFaults(source, upload)
  const sending = pipeline(source, (parts) => counted(parts, request), upload).catch(faultOf)
  try {
    const response = await answer
    if (response.statusCode !== 201) throw await problemOf(response)
    return parseInserted(response, await finish(exchange, () => readText(response)))
  } catch (error) {
    upload.destroy()
    const fault = await sending
    throw signal.aborted ? signal.reason : (fault ?? error)
  }
}

/** A pipeline hands one error to all its streams: the first to speak is the one at fault. */
function watchFaults(source: Readable, upload: ClientRequest): (error: unknown) => unknown {
  let first: Readable | ClientRequest | undefined
  const speak = (stream: Readable | ClientRequest): void => {
    first ??= stream
  }
  source.once('error', () => speak(source))
  upload.once('error', () => speak(upload))
  upload.once('response', () => speak(upload)) // an early answer, and then we hang up
  return (error) => (error instanceof CommandError || first === source ? error : undefined)
}

async function* counted(parts: AsyncIterable<Buffer>, request: InsertRequest) {
  let sentBytes = 0
  for await (const part of parts) {
    sentBytes += part.length
    request.onSent(sentBytes)
    yield part
  }
  // Without this the gateway would wait for ever for what Content-Length promised.
  if (request.sizeBytes !== undefined && sentBytes !== request.sizeBytes) {
    throw new CommandError('the file changed while it was read: nothing was inserted')
  }
}

function parseInserted(response: IncomingMessage, text: string): Inserted {
  const { uri, type } = parseJson(text)
  if (typeof uri !== 'string') throw new CommandError('that is not the gateway of a shoal node')
  const link = [response.headers['link'] ?? ''].flat().join(',')
  const statusPath = /<(\/[^>]*)>\s*;\s*rel="?status"?/i.exec(link)?.[1]
  return { uri, type: typeof type === 'string' ? type : '', statusPath }
}
