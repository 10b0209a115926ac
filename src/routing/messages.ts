/**
 * The wire (spec §8): every message as one row of a table, encoded to a frame of fixed length. Small
 * frames have 256 bytes, frames with a block 256 + 32,768, so that lengths tell nothing else.
 * Decoding trusts nothing: it throws E_MESSAGE_CODEC and nothing else, and allocates at most a frame.
 * @module
 */
import c from 'compact-encoding'
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { concat, copyOf, readUint48, readUint64, uint64 } from '../keys/bytes.ts'
import {
  decodePositions,
  decodeRecords,
  encodePosition,
  encodePositions,
  encodeRecords,
} from './exchange.ts'
import type { NeighborsMessage, PeersMessage, SeekMessage } from './exchange.ts'
import { decodeTail, encodeFields, malformed } from './tlv.ts'
import type { Field } from './tlv.ts'

export type { NeighborsMessage, PeerRecord, PeersMessage, SeekMessage } from './exchange.ts'
export type { Field } from './tlv.ts'

/** Every message starts with (and the small ones are) this many bytes. */
export const HEADER_BYTES = 256
export const BLOCK_FRAME_BYTES = HEADER_BYTES + BLOCK_BYTES
/** Most credit a request may carry (spec §9.2). */
export const MAX_CREDIT = 16
const MAX_UINT32 = 2 ** 32 - 1
/** Tail fields of the INSERT of a signed block (spec §8.3). */
const SEQUENCE_TAG = 2
const HASH_TAG = 4
const SEQUENCE_BYTES = 8
const HASH_BYTES = 32
const TARGET_BYTES = 6

const TYPES = {
  fetch: 1,
  insert: 2,
  found: 3,
  'not-found': 4,
  overload: 5,
  timeout: 6,
  accept: 7,
  have: 8,
  data: 9,
  receipt: 10,
  cancel: 11,
  has: 13,
  peers: 15,
  seek: 16,
  neighbors: 17,
} as const

/** Numbers that later versions give a meaning to; skipped and counted until then (spec §8.6). */
export const RESERVED_TYPES = { pad: 12, onion: 14 } as const

const PHASES = ['greedy', 'stem', 'copy'] as const
const CLASSES = ['realtime', 'bulk'] as const
const NAMES = new Map(Object.entries(TYPES).map(([name, number]) => [number as number, name]))

export type Phase = (typeof PHASES)[number]
export type TrafficClass = (typeof CLASSES)[number]
/** 0: any copy; 1: cached at most 60 s ago; 2: responsible nodes only. */
export type Freshness = 0 | 1 | 2

export interface RequestMessage {
  readonly type: 'fetch' | 'insert'
  /** Chosen by the sender, unique among its open requests on the link. */
  readonly id: number
  readonly phase: Phase
  readonly trafficClass: TrafficClass
  readonly freshness: Freshness
  readonly home: Home
  /** 0 to MAX_CREDIT; 0 only on the stem: not chosen yet. */
  readonly credit: number
  readonly address: Address
  readonly tail?: readonly Field[]
}

/** What the INSERT of a signed block says of it: enough for a holder to say which of two wins. */
export interface Offer {
  /** In [0, 2^53 - 1]. */
  readonly sequence: number
  /** BLAKE2b-256 of the whole block. */
  readonly hash: Uint8Array | undefined
}

export interface BlockMessage {
  readonly type: 'found' | 'data'
  readonly id: number
  readonly block: Block
  readonly tail?: readonly Field[]
}

export interface ReceiptMessage {
  readonly type: 'receipt'
  readonly id: number
  /** Copies stored at and beyond the sender, 0 to 255. */
  readonly copies: number
  readonly tail?: readonly Field[]
}

export interface SignalMessage {
  readonly type: 'not-found' | 'overload' | 'timeout' | 'accept' | 'have' | 'cancel'
  readonly id: number
  readonly tail?: readonly Field[]
}

/** The block is here now: who was told not-found does not ask in vain any more. A hint, no promise. */
export interface HasMessage {
  readonly type: 'has'
  readonly address: Address
  readonly tail?: readonly Field[]
}

/** What belongs to one request, under the id that its sender chose. */
export type RequestedMessage = RequestMessage | BlockMessage | ReceiptMessage | SignalMessage
/** What speaks of other nodes. */
export type ExchangeMessage = PeersMessage | SeekMessage | NeighborsMessage
export type Message = RequestedMessage | HasMessage | ExchangeMessage

/** One frame for `message`. Fields out of range are a bug here and throw RangeError. */
export function encodeMessage(message: Message): Uint8Array {
  const header = encodeHeader(message)
  return message.type === 'found' || message.type === 'data'
    ? concat(header, message.block)
    : header
}

/** What comes before the block of a FOUND or DATA; of any other message, all of it. As `encodeMessage`. */
export function encodeHeader(message: Message): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES)
  const state = stateOf(header, 0)
  c.uint8.encode(state, TYPES[message.type])
  encodeBody(state, message)
  encodeTail(state, message.tail ?? [])
  return header
}

function encodeBody(state: State, message: Message): void {
  if (message.type === 'neighbors') return append(state, encodePositions(message.positions))
  if (message.type === 'has') return c.fixed32.encode(state, message.address)
  if (message.id > MAX_UINT32) throw new RangeError('out of range')
  c.uint32.encode(state, message.id)
  switch (message.type) {
    case 'fetch':
    case 'insert':
      return encodeRequest(state, message)
    case 'receipt':
      return c.uint8.encode(state, message.copies)
    case 'peers':
      return append(state, encodeRecords(message.records))
    case 'seek':
      if (message.id === 0) throw new RangeError('out of range')
      return append(state, encodePosition(message.target))
    case 'found':
    case 'data': // the block follows the header
    case 'not-found':
    case 'overload':
    case 'timeout':
    case 'accept':
    case 'have':
    case 'cancel':
  }
}

/**
 * The message in `frame`, or undefined for a type that this version does not know. The block of a
 * FOUND or DATA is a view of the frame, all else is copied. @throws ShoalError E_MESSAGE_CODEC
 */
export function decodeMessage(frame: Uint8Array): Message | undefined {
  if (frame.length === 0) throw malformed('is empty')
  const type = NAMES.get(frame[0] as number) as Message['type'] | undefined
  if (type === undefined) return undefined
  const expected = type === 'found' || type === 'data' ? BLOCK_FRAME_BYTES : HEADER_BYTES
  if (frame.length !== expected) throw malformed('has the wrong length')
  const state = stateOf(frame, 1)
  if (type === 'neighbors') return withTail(state, { type, ...decodeNeighbors(state) })
  if (type === 'has') return withTail(state, { type, address: decodeAddress(state) })
  const id = c.uint32.decode(state)
  switch (type) {
    case 'fetch':
      return withTail(state, { type, id, ...decodeRequest(state) })
    case 'insert': {
      const request = withTail(state, { type, id, ...decodeRequest(state) })
      offerIn(request)
      return request
    }
    case 'found':
    case 'data': {
      const block = frame.subarray(HEADER_BYTES) as Block
      return withTail(state, { type, id, block })
    }
    case 'receipt':
      return withTail(state, { type, id, copies: c.uint8.decode(state) })
    case 'peers':
      return withTail(state, { type, id, ...decodePeers(state) })
    case 'seek':
      return withTail(state, { type, id, target: decodeTarget(state, id) })
    case 'not-found':
    case 'overload':
    case 'timeout':
    case 'accept':
    case 'have':
    case 'cancel':
      return withTail(state, { type, id })
  }
}

/** The tail that carries an offer. */
export function offerFields({ sequence, hash }: Offer): readonly Field[] {
  const fields: Field[] = [{ tag: SEQUENCE_TAG, value: uint64(sequence) }]
  if (hash !== undefined) fields.push({ tag: HASH_TAG, value: hash })
  return fields
}

/**
 * What an INSERT offers; undefined where it names no sequence. Never throws for a message that was
 * decoded. @throws ShoalError E_MESSAGE_CODEC
 */
export function offerIn({ tail }: Pick<RequestMessage, 'tail'>): Offer | undefined {
  const valueOf = (tag: number): Uint8Array | undefined =>
    tail?.find((field) => field.tag === tag)?.value
  const hash = valueOf(HASH_TAG)
  if (hash !== undefined && hash.length !== HASH_BYTES) throw malformed('has a hash of bad length')
  const bytes = valueOf(SEQUENCE_TAG)
  if (bytes === undefined) return undefined
  const sequence = bytes.length === SEQUENCE_BYTES ? readUint64(bytes, 0) : undefined
  if (sequence === undefined) throw malformed('has a bad sequence')
  return { sequence, hash }
}

type State = ReturnType<typeof c.state> & { buffer: Buffer }

function stateOf(frame: Uint8Array, start: number): State {
  return c.state(start, HEADER_BYTES, frame as Buffer) as State
}

function encodeRequest(state: State, message: RequestMessage): void {
  if (message.credit > MAX_CREDIT) throw new RangeError('out of range')
  c.uint8.encode(state, PHASES.indexOf(message.phase))
  c.uint8.encode(state, CLASSES.indexOf(message.trafficClass))
  c.uint8.encode(state, message.freshness)
  c.uint8.encode(state, message.home)
  c.uint8.encode(state, message.credit)
  c.fixed32.encode(state, message.address)
}

function decodeRequest(state: State): Omit<RequestMessage, 'type' | 'id' | 'tail'> {
  const phase = PHASES[c.uint8.decode(state)]
  const trafficClass = CLASSES[c.uint8.decode(state)]
  const freshness = c.uint8.decode(state)
  const home = c.uint8.decode(state)
  const credit = c.uint8.decode(state)
  const address = decodeAddress(state)
  if (phase === undefined) throw malformed('has an unknown phase')
  if (trafficClass === undefined) throw malformed('has an unknown class')
  if (freshness > 2) throw malformed('has an unknown freshness')
  if (home > 2) throw malformed('has an unknown home')
  if (credit > MAX_CREDIT || (credit === 0 && phase !== 'stem')) throw malformed('has a bad credit')
  return {
    phase,
    trafficClass,
    freshness: freshness as Freshness,
    home: home as Home,
    credit,
    address,
  }
}

function decodeAddress(state: State): Address {
  return copyOf(c.fixed32.decode(state)) as Address
}

function decodePeers(state: State): Pick<PeersMessage, 'records'> {
  const { records, end } = decodeRecords(headerOf(state), state.start)
  state.start = end
  return { records }
}

function decodeNeighbors(state: State): Pick<NeighborsMessage, 'positions'> {
  const { positions, end } = decodePositions(headerOf(state), state.start)
  state.start = end
  return { positions }
}

function decodeTarget(state: State, id: number): number {
  if (id === 0) throw malformed('has no id')
  const target = readUint48(headerOf(state).subarray(state.start))
  state.start += TARGET_BYTES
  return target
}

function headerOf(state: State): Uint8Array {
  return state.buffer.subarray(0, HEADER_BYTES)
}

/** Throws RangeError where `bytes` and the length of a tail after them leave the header. */
function append(state: State, bytes: Uint8Array): void {
  if (state.start + bytes.length + 2 > state.end) throw new RangeError('too long for its header')
  state.buffer.set(bytes, state.start)
  state.start += bytes.length
}

function encodeTail(state: State, tail: readonly Field[]): void {
  const fields = encodeFields(tail)
  if (state.start + 2 + fields.length > state.end) throw new RangeError('the tail is too long')
  c.uint16.encode(state, fields.length)
  state.buffer.set(fields, state.start)
}

/** Reads the tail, and checks that nothing but zeros follows it in the header. */
function withTail<T extends object>(state: State, message: T): T & { tail?: Field[] } {
  if (state.end - state.start < 2) throw malformed('is longer than its header')
  const length = c.uint16.decode(state)
  if (length > state.end - state.start) throw malformed('has a tail that is too long')
  const end = state.start + length
  const tail = decodeTail(state.buffer.subarray(0, end), state.start)
  for (let at = end; at < HEADER_BYTES; at++) {
    if (state.buffer[at] !== 0) throw malformed('has padding that is not zero')
  }
  return tail.length === 0 ? message : { ...message, tail }
}
