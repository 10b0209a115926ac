/**
 * The gateway's HTTP API as the commands use it. On node:http and not `fetch`: an upload may last for
 * hours before its answer begins, and `fetch` would give up on the header.
 * @module
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { Readable } from 'node:stream'
import type { Arguments, OptionSpec } from './command.ts'
import { readJson, refusalOf } from '../client/answer.ts'
import { ShoalClient, statusPathIn } from '../client/client.ts'
import type { Transport, TransportResponse } from '../client/transport.ts'
import { CommandError, systemCode } from './failures.ts'
import { oneLine } from './io.ts'
import type { PastedKey } from './pasted-key.ts'
import { parseGatewayUrl } from './values.ts'

export { GatewayError } from '../client/answer.ts'

export const DEFAULT_GATEWAY_HOST = '127.0.0.1'
/** Freenet's port, so that old habits work. */
export const DEFAULT_GATEWAY_PORT = 8888
/** Holds the token of a gateway that asks for one: a command line can be read by every program. */
const TOKEN_VARIABLE = 'SHOAL_TOKEN'
/** A canonical spelling takes one redirect, an edition another. */
const MAX_REDIRECTS = 5
/** For calls that nobody gives up. */
const NEVER = new AbortController().signal

export const GATEWAY_OPTION: OptionSpec = {
  type: 'string',
  value: 'URL',
  help: `the node to talk to (default: http://${DEFAULT_GATEWAY_HOST}:${DEFAULT_GATEWAY_PORT}/); its token: ${TOKEN_VARIABLE}`,
}

/** Where `--gateway` points. @throws UsageError. */
export function gatewayOf(given: Arguments): URL {
  const fallback = `http://${DEFAULT_GATEWAY_HOST}:${DEFAULT_GATEWAY_PORT}/`
  return parseGatewayUrl('--gateway', given.text('gateway') ?? fallback)
}

/** A gateway that somebody else may have named: it is not shown the token. */
class PastedGateway extends URL {}

/** Where a pasted key is asked for: at `--gateway`, else where its address says, else as usual. @throws UsageError. */
export function gatewayFor(given: Arguments, { gateway: named }: PastedKey): URL {
  const usual = gatewayOf(given)
  const isNamed = given.text('gateway') === undefined && named !== undefined
  return isNamed && named.href !== usual.href ? new PastedGateway(named) : usual
}

interface Exchange {
  readonly gateway: URL
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Path and query as they go over the wire. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | number>> | undefined
  readonly signal: AbortSignal
}

function open(exchange: Exchange): ClientRequest {
  const { gateway, method, path, signal } = exchange
  const token = gateway instanceof PastedGateway ? undefined : process.env[TOKEN_VARIABLE]
  const headers = {
    accept: 'application/problem+json, */*',
    ...(token !== undefined && token !== '' && { authorization: `Bearer ${token}` }),
    ...exchange.headers,
  }
  const hostname = gateway.hostname.replace(/^\[|\]$/g, '') // node:http wants IPv6 without brackets
  const isTls = gateway.protocol === 'https:'
  const port = Number(gateway.port) || (isTls ? 443 : 80)
  return (isTls ? httpsRequest : httpRequest)({
    hostname,
    port,
    method,
    path,
    headers,
    signal,
    agent: false,
  })
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
  return new ConnectionError(words, { cause: error })
}

/** No answer, or none to its end: the same request may succeed later. */
export class ConnectionError extends CommandError {}

/** An answer as the client reads it. */
function responseOf(response: IncomingMessage, exchange: Exchange): TransportResponse {
  return {
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? '',
    header: (name) => [response.headers[name.toLowerCase()] ?? []].flat().join(',') || undefined,
    body: partsOf(response, exchange),
  }
}

async function* partsOf(response: IncomingMessage, exchange: Exchange): AsyncGenerator<Buffer> {
  try {
    yield* response as AsyncIterable<Buffer>
  } catch (error) {
    throw error instanceof Error ? connectionError(error, exchange) : error
  } finally {
    response.destroy()
  }
}

/** What the gateway says in JSON. */
export interface JsonAnswer {
  readonly value: Readonly<Record<string, unknown>>
  /** Where the spread can be asked for; undefined where the gateway names no such place. */
  readonly statusPath: string | undefined
}

async function jsonAnswer(response: IncomingMessage, exchange: Exchange): Promise<JsonAnswer> {
  const read = responseOf(response, exchange)
  const value = await readJson(read)
  return { value, statusPath: statusPathIn(read.header('link')) }
}

/** The API of a gateway. Calls throw GatewayError where it refuses, CommandError where it does not answer. */
export function clientOf(gateway: URL): ShoalClient {
  return new ShoalClient({
    gateway,
    transport: (request) => transport({ ...request, gateway }), // the client has a copy of the URL
  })
}

const transport: Transport = async (request) => {
  const { body, signal = NEVER, ...rest } = request
  const exchange: Exchange = { ...rest, signal }
  const sent = open(exchange)
  const answer = answerTo(sent, exchange)
  const isStream = body !== undefined && typeof body !== 'string' && Symbol.asyncIterator in body
  if (isStream) return responseOf(await Promise.race([answer, sendAll(body, sent)]), exchange)
  sent.end(body)
  return responseOf(await answer, exchange)
}

/** Rejects where the body itself fails; what else goes wrong is told by the answer, which may come early. */
function sendAll(body: AsyncIterable<Uint8Array>, sent: ClientRequest): Promise<never> {
  return new Promise((_, reject) => {
    async function* watched() {
      try {
        yield* body
      } catch (error) {
        reject(error instanceof Error ? error : new CommandError(String(error)))
        throw error
      }
    }
    pipeline(watched, sent).catch(() => sent.destroy())
  })
}

export interface Content {
  /** The answer as it begins: its body is the caller's. */
  readonly response: IncomingMessage
  /** Where the redirects ended, as it went over the wire. */
  readonly path: string
}

/** True for the path of a folder: the only one that ends with a slash. */
export function isFolderPath(path: string): boolean {
  return (path.split('?')[0] ?? '').endsWith('/')
}

/**
 * GET of content: resolves when the answer begins, redirects within the gateway followed. A folder
 * answers with its listing as JSON, whether it has an index.html or not.
 */
export async function getContent(
  gateway: URL,
  path: string,
  signal: AbortSignal,
): Promise<Content> {
  let next = path
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const headers = isFolderPath(next) ? { accept: 'application/json' } : {}
    const exchange: Exchange = { gateway, method: 'GET', path: next, headers, signal }
    const request = open(exchange)
    const answer = answerTo(request, exchange)
    request.end()
    const response = await answer
    if (response.statusCode === 200) return { response, path: next }
    const location = response.headers.location
    if (location?.startsWith('/') !== true) throw await refusalOf(responseOf(response, exchange))
    response.destroy()
    next = location
  }
  throw new CommandError('the gateway redirects without end')
}

export interface UploadRequest {
  readonly gateway: URL
  /** Path and query as they go over the wire. */
  readonly path: string
  readonly source: Readable
  /** Default: POST. */
  readonly method?: 'POST' | 'PATCH'
  /** `application/x-tar` for a folder. */
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string | number>> | undefined
  /** Exact size where it is known: sent as Content-Length. */
  readonly sizeBytes?: number
  readonly onSent: (sentBytes: number) => void
  readonly signal: AbortSignal
}

/**
 * Sends `source` to its end, never holding more than a few pieces, and resolves with the gateway's
 * 201. An answer that comes early (full, not allowed) ends the upload. @throws CommandError.
 */
export async function upload(request: UploadRequest): Promise<JsonAnswer> {
  const { gateway, path, source, contentType, sizeBytes, signal } = request
  const headers = {
    ...request.headers,
    'content-type': contentType,
    // After "close" the gateway would hang up with its answer, and an early one be lost in the reset.
    connection: 'keep-alive',
    ...(sizeBytes === undefined ? {} : { 'content-length': sizeBytes }),
  }
  const { method = 'POST' } = request
  const exchange: Exchange = { gateway, method, path, headers, signal }
  const sent = open(exchange)
  const answer = answerTo(sent, exchange)
  const faultOf = watchFaults(source, sent)
  const sending = pipeline(source, (parts) => counted(parts, request), sent).catch(faultOf)
  try {
    return await jsonAnswer(await answer, exchange)
  } catch (error) {
    sent.destroy()
    const fault = await sending
    throw signal.aborted ? signal.reason : (fault ?? error)
  } finally {
    sent.destroy()
  }
}

/** A pipeline hands one error to all its streams: the first to speak is the one at fault. */
function watchFaults(source: Readable, sent: ClientRequest): (error: unknown) => unknown {
  let first: Readable | ClientRequest | undefined
  const speak = (stream: Readable | ClientRequest): void => {
    first ??= stream
  }
  source.once('error', () => speak(source))
  sent.once('error', () => speak(sent))
  sent.once('response', () => speak(sent)) // an early answer, and then we hang up
  return (error) => (error instanceof CommandError || first === source ? error : undefined)
}

async function* counted(parts: AsyncIterable<Buffer>, request: UploadRequest) {
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

/** The `uri` of an answer. @throws CommandError where it has none. */
export function uriOf(answer: JsonAnswer): string {
  const { uri } = answer.value
  if (typeof uri !== 'string') throw new CommandError('that is not the gateway of a shoal node')
  return oneLine(uri)
}
