/**
 * Links for circuits without a network: peers whose words the test speaks, and nodes joined by wires that
 * the test can clog or cut.
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'
import { concat, mapKey } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { CircuitEnds } from '../../src/routing/net/circuit-ends.ts'
import { RelayLink } from '../../src/routing/net/relay-link.ts'
import { Relay } from '../../src/routing/net/relay.ts'
import { decodeCircuitMessage, encodeCircuitHeader } from '../../src/routing/relay-messages.ts'
import type { CircuitMessage } from '../../src/routing/relay-messages.ts'
import type { Clock } from '../../src/runtime.ts'

/** One message of the channel, as bytes. */
export function bytesOf(message: CircuitMessage): Uint8Array {
  const header = encodeCircuitHeader(message)
  return message.type === 'bytes' ? concat(header, message.payload) : header
}

/** A node as far as circuits go: a relay for others, and ends of its own. */
export interface CircuitNode {
  readonly keyPair: NoiseKeyPair
  readonly relay: Relay
  readonly ends: CircuitEnds
  /** Whose keys Noise has proven, of those who came. */
  readonly arrived: NoiseStream[]
  readonly links: Map<string, RelayLink>
  /** Links that it ended because their peer broke the protocol. */
  breaches: number
}

export function createCircuitNode(
  clock: Clock,
  mayKnock: (publicKey: Uint8Array) => boolean = () => true,
  keyPair: NoiseKeyPair = keyPairFromSeed(randomBytes(32)),
): CircuitNode {
  const arrived: NoiseStream[] = []
  const onstream = (stream: NoiseStream): void => void arrived.push(stream)
  const ends = new CircuitEnds({ keyPair, clock, mayKnock, onstream })
  return { keyPair, relay: new Relay(clock), ends, arrived, links: new Map(), breaches: 0 }
}

/** A link of `node`, which dialed it or not; a breach ends it. */
export function addLink(
  node: CircuitNode,
  options: {
    readonly clock: Clock
    readonly remotePublicKey: Uint8Array
    readonly isInitiator?: boolean
    readonly send: (bytes: Uint8Array) => boolean
  },
): RelayLink {
  const { clock, remotePublicKey, isInitiator = false, send } = options
  const link: RelayLink = new RelayLink({
    remotePublicKey,
    isInitiator,
    clock,
    send: (header, payload = new Uint8Array(0)) => send(concat(header, payload)),
    onopen: (circuit, target) => node.relay.open(link, circuit, node.links.get(mapKey(target))),
    oninvite: (circuit, from) => node.ends.invited(link, circuit, from),
    onbreach: () => {
      node.breaches++
      node.links.delete(mapKey(remotePublicKey))
      link.end()
    },
  })
  node.links.set(mapKey(remotePublicKey), link)
  return link
}

/** A peer that says what the test says. It has dialed: its circuits have odd numbers. */
export interface BarePeer {
  readonly publicKey: Uint8Array
  readonly link: RelayLink
  /** What it was told, oldest first. */
  readonly heard: CircuitMessage[]
  /** What the link says to whoever sends: false: wait. */
  isOpen: boolean
  say(message: CircuitMessage): void
  /** What it was told of this type, and the oldest of it first. */
  of<T extends CircuitMessage['type']>(type: T): Extract<CircuitMessage, { type: T }>[]
}

export function addBarePeer(node: CircuitNode, clock: Clock): BarePeer {
  const publicKey = Uint8Array.from(randomBytes(32))
  const heard: CircuitMessage[] = []
  const send = (bytes: Uint8Array): boolean => {
    heard.push(decodeCircuitMessage(bytes) as CircuitMessage)
    return peer.isOpen
  }
  const peer: BarePeer = {
    publicKey,
    link: addLink(node, { clock, remotePublicKey: publicKey, send }),
    heard,
    isOpen: true,
    say: (message) => peer.link.receive(bytesOf(message)),
    of: <T extends CircuitMessage['type']>(type: T) =>
      heard.filter((one): one is Extract<CircuitMessage, { type: T }> => one.type === type),
  }
  return peer
}

export interface Wire {
  /** Both ends learn at once that it is gone. */
  cut(): void
  /** Nothing arrives any more, and nobody is told. */
  silence(): void
}

/** Joins two nodes; `dialer` has dialed. Messages arrive a turn later, in order. */
export function joinNodes(dialer: CircuitNode, dialed: CircuitNode, clock: Clock): Wire {
  let isSilent = false
  const carry = (to: () => RelayLink) => (bytes: Uint8Array) => {
    setImmediate(() => {
      if (!isSilent) to().receive(bytes)
    })
    return true
  }
  const here: RelayLink = addLink(dialer, {
    clock,
    remotePublicKey: Uint8Array.from(dialed.keyPair.publicKey),
    isInitiator: true,
    send: carry(() => there),
  })
  const there: RelayLink = addLink(dialed, {
    clock,
    remotePublicKey: Uint8Array.from(dialer.keyPair.publicKey),
    send: carry(() => here),
  })
  return {
    cut: () => {
      dialer.links.delete(mapKey(dialed.keyPair.publicKey))
      dialed.links.delete(mapKey(dialer.keyPair.publicKey))
      here.end()
      there.end()
    },
    silence: () => {
      isSilent = true
    },
  }
}

/** A stream from one node to another by way of a third that both are joined with. */
export function connectThrough(
  from: CircuitNode,
  relay: CircuitNode,
  to: Uint8Array,
): NoiseStream | undefined {
  const link = from.links.get(mapKey(relay.keyPair.publicKey))
  return link && from.ends.connect(link, to)
}
