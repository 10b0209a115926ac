/**
 * Messages of the channel on which a node passes bytes on between two of its links (spec §7.7).
 * @module
 */
import { copyOf } from '../keys/bytes.ts'
import { malformed } from './tlv.ts'

/** Most bytes in one BYTES. */
export const MAX_PAYLOAD_BYTES = 16 * 1024
/** Sent and not acknowledged, at most: for each circuit and direction, from end to end. */
export const WINDOW_BYTES = 128 * 1024
/** What a BYTES takes of the window besides its payload, so that empty words fill it too. */
const BYTES_COST = 64

const HEADER_BYTES = 5
const PUBLIC_KEY_BYTES = 32
const COUNT_BYTES = 4
const TYPES = { open: 1, invite: 2, accept: 3, close: 4, bytes: 5, ack: 6 } as const
const NAMES = new Map(Object.entries(TYPES).map(([name, number]) => [number as number, name]))

/** `circuit`: u32, odd where the link's dialer began it, on that link alone. */
export type CircuitMessage =
  /** To a relay: the key to be reached. */
  | { readonly type: 'open'; readonly circuit: number; readonly publicKey: Uint8Array }
  /** From a relay: the key that wants to reach you. */
  | { readonly type: 'invite'; readonly circuit: number; readonly publicKey: Uint8Array }
  | { readonly type: 'accept'; readonly circuit: number }
  | { readonly type: 'close'; readonly circuit: number }
  /** `payload`: 1 to MAX_PAYLOAD_BYTES bytes. */
  | { readonly type: 'bytes'; readonly circuit: number; readonly payload: Uint8Array }
  /** `bytes`: of the window, 1 to WINDOW_BYTES. */
  | { readonly type: 'ack'; readonly circuit: number; readonly bytes: number }

/** How much of the window a BYTES with so long a payload takes, bytes. */
export function costOf(payloadBytes: number): number {
  return payloadBytes + BYTES_COST
}

/** What comes before the payload of a BYTES; of any other message, all of it. */
export function encodeCircuitHeader(message: CircuitMessage): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES + restBytes(message.type))
  const view = new DataView(header.buffer)
  view.setUint8(0, TYPES[message.type])
  view.setUint32(1, message.circuit, true)
  if (message.type === 'ack') view.setUint32(HEADER_BYTES, message.bytes, true)
  if ('publicKey' in message) header.set(message.publicKey, HEADER_BYTES)
  return header
}

/**
 * The message in `bytes`, or undefined for a type that this version does not know. A payload is a view,
 * all else is copied. @throws ShoalError E_MESSAGE_CODEC
 */
export function decodeCircuitMessage(bytes: Uint8Array): CircuitMessage | undefined {
  const type = NAMES.get(bytes[0] ?? 0) as CircuitMessage['type'] | undefined
  if (bytes.length < HEADER_BYTES) throw malformed('is too short')
  if (type === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const circuit = view.getUint32(1, true)
  if (type === 'bytes') return { type, circuit, payload: payloadOf(bytes) }
  if (bytes.length !== HEADER_BYTES + restBytes(type)) throw malformed('has the wrong length')
  switch (type) {
    case 'open':
    case 'invite':
      return { type, circuit, publicKey: copyOf(bytes, HEADER_BYTES) }
    case 'ack':
      return { type, circuit, bytes: countOf(view.getUint32(HEADER_BYTES, true)) }
    case 'accept':
    case 'close':
      return { type, circuit }
  }
}

function restBytes(type: CircuitMessage['type']): number {
  if (type === 'open' || type === 'invite') return PUBLIC_KEY_BYTES
  return type === 'ack' ? COUNT_BYTES : 0
}

function payloadOf(bytes: Uint8Array): Uint8Array {
  const length = bytes.length - HEADER_BYTES
  if (length < 1 || length > MAX_PAYLOAD_BYTES) throw malformed('has the wrong length')
  return bytes.subarray(HEADER_BYTES)
}

function countOf(bytes: number): number {
  if (bytes < 1 || bytes > WINDOW_BYTES) throw malformed('acknowledges what cannot be')
  return bytes
}
