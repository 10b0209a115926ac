/**
 * A transport without a network: the test says who comes, and sees who is dialed.
 * @module
 */
import { concat } from '../../src/keys/bytes.ts'
import { createHandshake, NO_PROOF } from '../../src/routing/handshake.ts'
import { decodeMessage, encodeMessage } from '../../src/routing/messages.ts'
import type { Message } from '../../src/routing/messages.ts'
import type { LinkHandlers, Transport, TransportHandlers } from '../../src/routing/net/transport.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'

export interface FakePeer {
  readonly publicKey: Uint8Array
  readonly heard: Message[]
  /** `true`: banned, `false`: closed, undefined: open. */
  readonly ended: () => boolean | undefined
  readonly isTaken: boolean
  say(message: Message): void
  sayBytes(frame: Uint8Array): void
  leave(): void
}

export interface FakeTransport {
  readonly transport: Transport
  readonly dialed: { readonly publicKey: Uint8Array; readonly through: Uint8Array | undefined }[]
  readonly topics: readonly Uint8Array[]
  handlers(): TransportHandlers
  /** Somebody connects; `handshake` in place of a good one. */
  connect(
    publicKey: Uint8Array,
    options?: {
      isInitiator?: boolean
      isRelayed?: boolean
      handshake?: Uint8Array
      proof?: Uint8Array
    },
  ): FakePeer
}

/** For a node with `ownKey` in the network of `definition`. */
export function createFakeTransport(
  definition: NetworkDefinition,
  ownKey: Uint8Array,
): FakeTransport {
  let handlers: TransportHandlers | undefined
  const dialed: FakeTransport['dialed'] = []
  const links = new Map<string, () => void>()
  const fake = {
    dialed,
    topics: [] as readonly Uint8Array[],
    handlers: () => handlers as TransportHandlers,
    transport: {
      open: (given: TransportHandlers) => {
        handlers = given
        return Promise.resolve()
      },
      dial: (publicKey: Uint8Array, { through }: { through?: Uint8Array } = {}) => {
        dialed.push({ publicKey, through })
      },
      drop: (publicKey: Uint8Array) => links.get(publicKey.join())?.(),
      seek: (topics: readonly Uint8Array[]) => {
        fake.topics = topics
      },
      close: () => Promise.resolve(),
    },
    connect: (
      publicKey: Uint8Array,
      options: Parameters<FakeTransport['connect']>[1] = {},
    ): FakePeer => {
      const { isInitiator = false, isRelayed = false, proof = NO_PROOF } = options
      const channelBinding = new Uint8Array(32).fill(9)
      const theirs = { definition, publicKey, proof }
      const ends = { remotePublicKey: ownKey, channelBinding, isInitiator: !isInitiator }
      const heard: Message[] = []
      let ended: boolean | undefined
      let taken: LinkHandlers | undefined
      const end = (isBan: boolean): void => {
        if (ended !== undefined) return
        ended = isBan
        queueMicrotask(() => taken?.onclose())
      }
      links.set(publicKey.join(), () => end(false))
      taken = handlers?.onlink({
        remotePublicKey: publicKey,
        channelBinding,
        isInitiator,
        remoteHandshake: options.handshake ?? createHandshake(theirs, ends),
        remoteHost: undefined,
        isRelayed,
        rttMs: 40,
        send: (frame, rest = new Uint8Array(0)) => {
          heard.push(decodeMessage(concat(frame, rest)) as Message)
          return true
        },
        close: ({ ban = false } = {}) => end(ban),
      })
      return {
        publicKey,
        heard,
        ended: () => ended,
        isTaken: taken !== undefined,
        say: (message) => taken?.onframe(encodeMessage(message)),
        sayBytes: (frame) => taken?.onframe(frame),
        leave: () => end(false),
      }
    },
  }
  return fake
}
