/**
 * The listening server around the app: limits and timeouts, answers to what is not even HTTP, and an
 * end that leaves no connection behind.
 * @module
 */
import { createServer } from 'node:http'
import type {
  IncomingMessage,
  RequestListener,
  Server,
  ServerOptions,
  ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import { ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import type { Clock, Logger } from '../runtime.ts'
import { bracketed } from './access.ts'
import { createApp } from './app.ts'
import { isLoopback } from './client-table.ts'
import { keepConnections, limitConnections } from './connections.ts'
import { openDenyList, type DenyList } from './deny-list.ts'
import { Refusals, type Refusal } from './refusals.ts'
import type { TlsPair } from './tls.ts'
import { createTlsListener } from './tls.ts'
import { TokenGate } from './token.ts'
import { Turns } from './turns.ts'
import { Waits } from './wait/waits.ts'

export interface GatewayOptions {
  /** More names under which it answers; default: none. */
  readonly hostNames?: readonly string[]
  /** Asked of every request; default: anyone may ask. A secret. */
  readonly token?: string
  /** The gateway speaks TLS. */
  readonly tls?: TlsPair
  /** Keys that are not served, by hash: path of the list. */
  readonly denyListFile?: string
  readonly node: Node
  readonly logger: Logger
  /** Address to listen on; default 127.0.0.1, this machine only. */
  readonly host?: string
  /** 0: any free port. */
  readonly port: number
  /** Folder of the start page; default: the one of this package. */
  readonly staticDir?: string
  /** What the patience of waiting browsers is measured by; default: the real time. */
  readonly clock?: Clock
  /** Longest body of an upload, bytes; default: what the store takes. */
  readonly maxUploadBytes?: number
  /** How long the head of a request may take, ms; default HEAD_TIMEOUT_MS. */
  readonly headTimeoutMs?: number
  /** Counts the gateway's own requests in /metrics, too: for a gateway that many share. */
  readonly countsRequests?: boolean
}

export interface Gateway {
  /** `http://127.0.0.1:8888/`, with the slash. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Asks for another token from now on. @throws ShoalError E_OPTION as at the start, or where it had none. */
  replaceToken(token: string): void
  /** Another pair for new connections; those that are open go on. @throws ShoalError E_OPTION likewise. */
  replaceCertificate(pair: TlsPair): void
  /** Stops listening and ends open connections, in the middle of whatever they carry. Idempotent. */
  close(): Promise<void>
}

/** How long the head of a request may take, ms: who sends a line now and then takes a place from others. */
export const HEAD_TIMEOUT_MS = 10_000

const SERVER_OPTIONS: ServerOptions = {
  // a key with a name of 255 bytes takes 1 KiB, pasted and encoded twice 4 KiB; the rest is cookies of
  // whatever else was served under the name localhost
  maxHeaderSize: 32 * 1024,
  // four pieces of a download on their way to the socket: fewer waits, and little memory
  highWaterMark: 128 * 1024,
  // an upload or a film takes as long as it takes
  requestTimeout: 0,
  // refused in our words: Node's answer has none
  requireHostHeader: false,
}
const BROKEN_REQUESTS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    detail: 'The address and headers of a request have 32 KiB together; these are longer.',
    code: 'E_REQUEST',
  },
  // curl sends a name beyond ASCII as it stands; Node's parser refuses those bytes
  HPE_INVALID_URL: {
    status: 400,
    detail: 'The address has characters that must be percent-encoded.',
    code: 'E_REQUEST',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    detail: 'The request did not come to its end in time.',
    code: 'E_REQUEST',
  },
}
const NOT_HTTP: Refusal = {
  status: 400,
  detail: 'This is not a valid HTTP request.',
  code: 'E_REQUEST',
}

const NOT_ONE_HOST: Refusal = {
  status: 400,
  detail: 'A request names one Host; this one names none or several.',
  code: 'E_REQUEST',
}
const NO_PROXY: Refusal = {
  status: 405,
  detail: 'This gateway is no proxy: it leads to no other address.',
  code: 'E_METHOD',
  headers: ['Allow: GET, HEAD'],
}

/**
 * Listens. @throws ShoalError E_LISTEN where the port or address cannot be had, E_OPTION for a token that is
 * missing or short, a certificate or deny-list that cannot be used.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const {
    host = '127.0.0.1',
    port,
    tls,
    token,
    denyListFile,
    clock,
    headTimeoutMs,
    ...rest
  } = options
  const { node } = rest
  if (!isLoopback(host) && token === undefined) {
    throw new ShoalError('E_OPTION', 'token: a gateway that other machines reach needs one')
  }
  const gate = token === undefined ? undefined : new TokenGate(token)
  const listener = createListener(tls, headTimeoutMs)
  const { server } = listener
  const denyList = denyListFile === undefined ? undefined : await denyListOf(denyListFile, rest)
  const waits = new Waits({ node, ...(clock !== undefined && { clock }) })
  const isTls = tls !== undefined
  const parts = { ...(gate && { gate }), ...(denyList && { denyList }) }
  const refusals = new Refusals()
  limitConnections(server, { isTls, refusals })
  const endConnections = keepConnections(server)
  answer(server, createApp({ ...rest, ...parts, host, isTls, waits }), refusals)
  await listen(server, host, port).catch((error: unknown) => {
    denyList?.close()
    throw error
  })
  const { port: boundPort } = server.address() as AddressInfo
  let closed: Promise<void> | undefined
  return {
    url: `${isTls ? 'https' : 'http'}://${bracketed(host)}:${boundPort}/`,
    host,
    port: boundPort,
    replaceToken: (next) => {
      if (gate === undefined) throw new ShoalError('E_OPTION', 'token: it was started without one')
      gate.replace(next)
    },
    replaceCertificate: listener.replaceCertificate,
    close: () => {
      denyList?.close()
      return (closed ??= closeServer({ server, waits, endConnections }))
    },
  }
}

/** The list, which the downloads to disk that are under way heed, too. */
function denyListOf(
  file: string,
  { node, logger }: Pick<GatewayOptions, 'node' | 'logger'>,
): Promise<DenyList> {
  return openDenyList(file, logger, (has) => {
    node.transfers.deny(has).catch(() => {
      logger.warn('deny-list: what it stops could not be written to the journal')
    })
  })
}

interface Listener {
  readonly server: Server
  readonly replaceCertificate: (pair: TlsPair) => void
}

/** @throws ShoalError E_OPTION for a certificate that cannot be used. */
function createListener(tls: TlsPair | undefined, headTimeoutMs = HEAD_TIMEOUT_MS): Listener {
  const timeouts = {
    headersTimeout: headTimeoutMs,
    connectionsCheckingInterval: headTimeoutMs / 2,
  }
  const options = { ...SERVER_OPTIONS, ...timeouts }
  if (tls !== undefined) return createTlsListener(tls, options)
  const replaceCertificate = (): void => {
    throw new ShoalError('E_OPTION', 'tls: it was started without TLS')
  }
  return { server: createServer(options), replaceCertificate }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(new ShoalError('E_LISTEN', listenMessage(cause.code, host, port), { cause }))
    })
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function listenMessage(code: string | undefined, host: string, port: number): string {
  const place = `${bracketed(host)}:${port}`
  if (code === 'EADDRINUSE') return `Port ${port} on ${host} is in use by another program.`
  if (code === 'EACCES') return `The gateway may not listen on ${place}: no permission.`
  return `The gateway cannot listen on ${place} (${code ?? 'unknown reason'}).`
}

interface Ending {
  readonly server: Server
  readonly waits: Waits
  readonly endConnections: () => void
}

function closeServer({ server, waits, endConnections }: Ending): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
    endConnections()
    waits.close() // after them: a page shall see that nobody answers, not that somebody stopped it
  })
}

/** Requests come one after the other, and what Node's parser refuses gets an answer where none is owed. */
function answer(server: Server, serve: RequestListener, refusals: Refusals): void {
  const turns = new Turns(serve)
  const take: RequestListener = (request, response) => {
    if (refusals.has(request.socket)) return
    if (!hasOneHost(request)) refuse(request.socket, NOT_ONE_HOST)
    else turns.take(request, response)
  }
  const refuse = (socket: Socket, refusal: Refusal): void => {
    if (socket.writable && !turns.owesAnswer(socket)) refusals.refuse(socket, refusal)
    else socket.destroy()
  }
  server.on('request', take)
  server.on('checkContinue', (request, response) => {
    continueWhenRead(request, response)
    take(request, response)
  })
  // Node would answer 417 itself, out of turn; whoever expects what nobody knows may be served (RFC 9110 §10.1.1)
  server.on('checkExpectation', take)
  server.on('connect', ({ socket }) => {
    refuse(socket, NO_PROXY)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (refusals.has(socket)) return // more of the same request: Node 24 reports each piece
    if (error.code === 'ECONNRESET') socket.destroy()
    else refuse(socket, BROKEN_REQUESTS[error.code ?? ''] ?? NOT_HTTP)
  })
}

/**
 * RFC 9112 §3.2: who stands in between may have believed another one than we would. HTTP/1.0 may lack it, and the
 * app says what it thinks of that.
 */
function hasOneHost({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  const hosts = rawHeaders.filter((text, i) => i % 2 === 0 && text.toLowerCase() === 'host').length
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0')
}

/** Asks for the body when somebody begins to read it: who is refused before has not sent it. */
function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  const readIt = (event: string | symbol): void => {
    if (event !== 'data' && event !== 'readable') return
    request.off('newListener', readIt)
    if (!response.headersSent) response.writeContinue()
  }
  request.on('newListener', readIt)
}
