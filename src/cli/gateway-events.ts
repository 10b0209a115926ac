/**
 * Server-sent events of the gateway (HTML Living Standard §9.2), as far as ours go: an event is its name
 * and one line of JSON.
 * @module
 */
import { StringDecoder } from 'node:string_decoder'
import { CommandError } from './failures.ts'
import { requestParts, type JsonRequest } from './gateway-client.ts'

/** Longest event that is read, characters; ours have some hundred. */
const MAX_EVENT_LENGTH = 65_536

export interface GatewayEvent {
  readonly name: string
  readonly value: Readonly<Record<string, unknown>>
}

/** The events of one request, to the end of the answer. @throws CommandError. */
export async function* requestEvents(request: JsonRequest): AsyncGenerator<GatewayEvent> {
  const decoder = new StringDecoder('utf8')
  let text = ''
  for await (const part of requestParts(request)) {
    text += decoder.write(part)
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
function parseEvent(block: string): GatewayEvent | undefined {
  const fields = new Map(block.split('\n').map((line) => splitField(line)))
  const name = fields.get('event')
  const data = fields.get('data')
  if (name === undefined || data === undefined) return undefined
  try {
    const value: unknown = JSON.parse(data)
    if (typeof value === 'object' && value !== null) {
      return { name, value: value as Record<string, unknown> }
    }
  } catch {
    // told below
  }
  throw notOurs()
}

function splitField(line: string): [name: string, value: string] {
  const colon = line.indexOf(': ')
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 2)]
}

function notOurs(): CommandError {
  return new CommandError('that is not the gateway of a shoal node')
}
