/** The few signatures of the Holepunch network packages that we use: the list is our real surface. */
declare module 'hyperdht' {
  import type { EventEmitter } from 'node:events'

  export interface DhtAddress {
    readonly host: string
    readonly port: number
  }
  export interface NoiseKeyPair {
    readonly publicKey: Uint8Array
    readonly secretKey: Uint8Array
  }
  /** A Noise stream over one UDX stream. */
  export interface NoiseStream extends EventEmitter {
    readonly remotePublicKey: Uint8Array
    readonly isInitiator: boolean
    /** 64 bytes, the same on both sides, once it is open. */
    readonly handshakeHash: Uint8Array
    readonly rawStream: {
      write(bytes: Uint8Array): boolean
      /** Smoothed round trip, ms; 0: not measured yet; absent where it is no socket's. */
      readonly rtt?: number
      readonly remoteHost?: string | null
    }
    readonly destroying: boolean
    alloc(length: number): Uint8Array
    write(bytes: Uint8Array): boolean
    pause(): void
    resume(): void
    end(): void
    destroy(error?: Error): void
    /** Whether the peer has acknowledged all that was written before; never settles on a stream that ends. */
    flush(): Promise<boolean>
    setTimeout(ms: number): void
    setKeepAlive(ms: number): void
    /** Private: announced length of the message that is arriving, 0 between two. */
    _len: number
    /** Private: told of an announced length before room for it is made. */
    _utp: { setContentSize(missingBytes: number): void } | null
    /** Private: what `alloc` gave out last, and the buffer around it in which it is encrypted. */
    _outgoingPlain: Uint8Array | null
    _outgoingWrapped: Uint8Array | null
  }
  export interface DhtReply {
    readonly peers: readonly { readonly publicKey: Uint8Array }[]
  }
  export interface DhtQuery extends AsyncIterable<DhtReply> {
    finished(): Promise<void>
    destroy(): void
  }
  export default class DHT extends EventEmitter {
    constructor(options: {
      bootstrap?: readonly DhtAddress[]
      host?: string
      /** The first port and one past the last to try. */
      port?: readonly [number, number]
      anyPort?: boolean
      ephemeral?: boolean
      firewalled?: boolean
      connectionKeepAlive?: number
      keyPair?: NoiseKeyPair
    })
    readonly io: { readonly networkInterfaces: { destroy(): void } }
    bind(): Promise<void>
    fullyBootstrapped(): Promise<void>
    address(): DhtAddress
    announce(
      topic: Uint8Array,
      keyPair: NoiseKeyPair,
      relayAddresses: readonly DhtAddress[],
    ): DhtQuery
    lookup(topic: Uint8Array): DhtQuery
    unannounce(topic: Uint8Array, keyPair: NoiseKeyPair): Promise<void>
    connect(
      publicKey: Uint8Array,
      /** Absent: hyperdht itself connects to a relay. */
      options?: {
        keyPair: NoiseKeyPair
        relayThrough?: Uint8Array | null
        /** False: not by way of addresses of a common local network. */
        localConnection?: boolean
        fastOpen?: boolean
      },
    ): NoiseStream
    createServer(
      options: {
        shareLocalAddress?: boolean
        holepunch?: () => boolean
        firewall?: (publicKey: Uint8Array) => boolean | Promise<boolean>
        relayThrough?: Uint8Array
      },
      onconnection: (stream: NoiseStream) => void,
    ): { listen(keyPair: NoiseKeyPair): Promise<unknown>; close(): Promise<void> }
    destroy(options?: { force?: boolean }): Promise<void>
  }
}

declare module '@hyperswarm/secret-stream' {
  import type { NoiseKeyPair, NoiseStream } from 'hyperdht'
  import type { Duplex } from 'streamx'

  const SecretStream: new (
    isInitiator: boolean,
    rawStream: Duplex,
    options: {
      pattern: 'IK'
      keyPair: NoiseKeyPair
      /** Of the initiator: whom it wants to talk with. */
      remotePublicKey?: Uint8Array
    },
  ) => NoiseStream
  export default SecretStream
}

declare module 'hyperswarm' {
  import type { EventEmitter } from 'node:events'
  import type DHT from 'hyperdht'
  import type { DhtAddress, NoiseKeyPair, NoiseStream } from 'hyperdht'

  export default class Hyperswarm extends EventEmitter {
    readonly server: EventEmitter & {
      readonly relayAddresses: readonly DhtAddress[]
      refresh(): void
      /** Whether a caller is turned away; its first words say whether it wants to come through a relay. */
      firewall: (publicKey: Uint8Array, caller: { readonly relayThrough?: unknown }) => boolean
    }
    constructor(options: { dht: DHT; keyPair: NoiseKeyPair })
    listen(): Promise<unknown>
    destroy(options?: { force?: boolean }): Promise<void>
  }
}

declare module 'protomux' {
  import type { EventEmitter } from 'node:events'
  import type { Encoder } from 'compact-encoding'

  export interface MuxStream extends EventEmitter {
    readonly destroyed: boolean
    alloc(length: number): Uint8Array
    write(bytes: Uint8Array): boolean
    pause(): void
    resume(): void
    end(): void
    destroy(error?: Error): void
  }
  export interface MuxMessage<T> {
    /** False: the stream has taken it, and wants no more until `ondrain`; or the channel is closed. */
    send(message: T): boolean
  }
  export interface MuxChannel {
    open(handshake: Uint8Array): void
    addMessage<T>(options: { encoding: Encoder<T>; onmessage: (message: T) => void }): MuxMessage<T>
    cork(): void
    uncork(): void
    readonly drained: boolean
  }
  export default class Protomux {
    constructor(stream: MuxStream)
    createChannel(options: {
      protocol: string
      handshake: Encoder<Uint8Array>
      onopen: (handshake: Uint8Array) => void
      onclose: () => void
      ondrain: () => void
    }): MuxChannel | null
  }
}
