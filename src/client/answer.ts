/**
 * Answers of a gateway as values: JSON, problems as errors, server-sent events. Nothing of an answer is
 * held beyond a bound, whoever sends it.
 * @module
 */
import type { TransportResponse } from './transport.ts'

/** Longest JSON answer that is read, bytes: a list of 1,000 downloads with long paths has 10 MiB. */
const MAX_JSON_BYTES = 16 * 1_048_576
/** Longest event that is read, characters; ours have some hundred. */
const MAX_EVENT_LENGTH = 65_536

/** The gateway refused: its own sentence about what went wrong. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  /** `E_NO_KEY`, … (specification §10); undefined for an answer that is not ours. */
  readonly code: string | undefined
  /** Status of the answer; undefined where it is in an event. */
  readonly status: number | undefined

  constructor(message: string, { code, status }: { code?: string; status?: number } = {}) {
    super(message)
    this.code = code
    this.status = status
  }
}

/** The error for what no gateway says. */
export function notOurs(): GatewayError {
  return new GatewayError('that is not the gateway of a shoal node')
}

type JsonObject = Readonly<Record<string, unknown>>

/** The object in the body of a 2xx. @throws GatewayError for any other answer. */
export async function readJson(response: TransportResponse): Promise<JsonObject> {
  if (response.status < 200 || response.status > 299) throw await refusalOf(response)
  const text = await readText(response)
  if (response.status === 204) return {}
  const value = parseObject(text)
  if (value === undefined) throw notOurs()
  return value
}

/** What an answer that is no 2xx says. */
export async function refusalOf(response: TransportResponse): Promise<GatewayError> {
  const { status, statusText } = response
  const problem = parseObject(await readText(response)) ?? {}
  const fallback = `the gateway answered HTTP ${status} ${statusText}`.trim()
  return errorOf(problem, fallback, status)
}

/** A problem (RFC 9457) as an error. */
export function errorOf(problem: JsonObject, fallback: string, status?: number): GatewayError {
  const { detail, title, code } = problem
  const words = typeof detail === 'string' ? detail : title
  return new GatewayError(typeof words === 'string' ? words : fallback, {
    ...(typeof code === 'string' && { code }),
    ...(status !== undefined && { status }),
  })
}

export interface ServerEvent {
  readonly name: string
  readonly value: JsonObject
}

/** The events of an answer, to its end (HTML Living Standard §9.2, as far as ours go). @throws GatewayError. */
export async function* readEvents(response: TransportResponse): AsyncGenerator<ServerEvent, void> {
  if (response.status !== 200) throw await refusalOf(response)
  const decoder = new TextDecoder()
  let text = ''
  for await (const part of response.body) {
    text += decoder.decode(part, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    if (text.length > MAX_EVENT_LENGTH) throw notOurs()
    for (const block of blocks) {
      const event = parseEvent(block)
      if (event !== undefined) yield event
    }
  }
}

/** Undefined for what is no event: a comment that keeps the connection alive, a retry time. */
function parseEvent(block: string): ServerEvent | undefined {
  const fields = new Map(block.split('\n').map((line) => splitField(line)))
  const name = fields.get('event')
  const data = fields.get('data')
  if (name === undefined || data === undefined) return undefined
  const value = parseObject(data)
  if (value === undefined) throw notOurs()
  return { name, value }
}

function splitField(line: string): [name: string, value: string] {
  const colon = line.indexOf(': ')
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 2)]
}

/** Undefined for what is no JSON object, as what is cut off at the bound. */
function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}

async function readText(response: TransportResponse): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const part of response.body) {
    bytes += part.length
    if (bytes > MAX_JSON_BYTES) break
    text += decoder.decode(part, { stream: true })
  }
  return text + decoder.decode()
}
