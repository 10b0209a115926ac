/**
 * A network that is three maps of blocks, one for each home, and machines that publish and read there:
 * everything above routing is real, time is simulated, every message takes a random while.
 * @module
 */
import { publisherFromSeed } from '../../src/keys/signed.ts'
import type { DocumentKey, DocumentPlace, Publisher } from '../../src/keys/signed.ts'
import { documentAddress, headSequence, IMMUTABLE_SEQUENCE } from '../../src/keys/signed.ts'
import { supersedes, verify } from '../../src/keys/block.ts'
import type { Address, Block, Home } from '../../src/keys/block.ts'
import { mapKey, utf8 } from '../../src/keys/bytes.ts'
import { blake2b256 } from '../../src/keys/primitives.ts'
import type { BlockResult, BlockSource } from '../../src/content/blocks.ts'
import { encodeDocument } from '../../src/content/document.ts'
import type { DocumentBody } from '../../src/content/document.ts'
import { Keywords } from '../../src/content/keyword.ts'
import { encodeManifest } from '../../src/content/manifest.ts'
import { NameTable } from '../../src/content/names.ts'
import type { Network } from '../../src/content/network.ts'
import { Publications } from '../../src/content/publish.ts'
import type { PublishKeyring } from '../../src/content/publish.ts'
import { Spreader } from '../../src/content/spread.ts'
import { WatchList } from '../../src/content/watch.ts'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import type { Outbox } from '../../src/datastore/store.ts'
import { openKeyring } from '../../src/keyring.ts'
import type { Rng } from '../../src/runtime.ts'
import { createSimulatedClock } from './clock.ts'
import type { SimulatedClock } from './clock.ts'
import { createSeededRng } from './rng.ts'

/** Blocks by home, and what was asked of them. */
export interface FakeNetwork {
  readonly homes: readonly Map<string, Block>[]
  readonly fetches: Address[]
  put(address: Address, block: Block, homes?: readonly Home[]): void
  newest(address: Address): Block | undefined
}

export interface Machine {
  readonly network: Network
  readonly source: BlockSource
  readonly outbox: Outbox
  readonly keyring: PublishKeyring
  readonly names: NameTable
  readonly keywords: Keywords
  readonly watches: WatchList
  readonly publications: Publications
  readonly spreader: Spreader
  /** What a fetch gives in place of an answer. */
  fails: 'timed-out' | undefined
  /** Addresses, by `mapKey`, that nobody answers for. */
  readonly silent: Set<string>
  /** Blocks sent to the network, by address. */
  readonly sent: Address[]
  peers: number
  today: number
  /** Peers have come. */
  connect(): void
  close(): Promise<void>
}

export interface NameWorld {
  readonly clock: SimulatedClock
  readonly rng: Rng
  readonly fake: FakeNetwork
  /** With the same publisher in its keyring as every other, under the name `me`. */
  machine(options?: {
    peers?: number
    keyring?: PublishKeyring
    outbox?: Outbox
    networkName?: string
  }): Promise<Machine>
}

const SEED_TEXT = publisherText()

export function createFakeNetwork(): FakeNetwork {
  const homes = [0, 1, 2].map(() => new Map<string, Block>())
  return {
    homes,
    fetches: [],
    put(address, block, where = [0, 1, 2]) {
      if (verify(address, block) === 'invalid') throw new Error('an invalid block')
      for (const home of where) {
        const held = homes[home]?.get(mapKey(address))
        const isSigned = verify(address, block) === 'signed'
        if (held === undefined || (isSigned && supersedes(block, held))) {
          homes[home]?.set(mapKey(address), block)
        }
      }
    },
    newest(address) {
      return best(homes.map((home) => home.get(mapKey(address))))
    },
  }
}

/** `latencyMs`: the most that a request and its answer take together. */
export function createNameWorld(seed: number, latencyMs = 200): NameWorld {
  const clock = createSimulatedClock()
  const rng = createSeededRng(seed)
  const fake = createFakeNetwork()
  return {
    clock,
    rng,
    fake,
    async machine({ peers = 3, keyring, outbox, networkName = 'test' } = {}) {
      const given = { peers, keyring, outbox, networkName }
      return createMachine({ clock, rng, fake, latencyMs }, given)
    },
  }
}

async function createMachine(
  {
    clock,
    rng,
    fake,
    latencyMs,
  }: { clock: SimulatedClock; rng: Rng; fake: FakeNetwork; latencyMs: number },
  given: {
    peers: number
    keyring: PublishKeyring | undefined
    outbox: Outbox | undefined
    networkName: string
  },
): Promise<Machine> {
  const outbox =
    given.outbox ??
    createMemoryStore({ quotaBytes: 64 * 1024 * 1024, rng: createSeededRng(1) }).outbox
  const keyring = given.keyring ?? (await memoryKeyring())
  const latency = (): Promise<void> => delay(clock, 5 + rng.below(latencyMs))
  const sent: Address[] = []
  const state = { peers: given.peers, fails: undefined as 'timed-out' | undefined, today: 20_000 }
  const silent = new Set<string>()
  const ask = async (address: Address, homes: readonly Home[], signal: AbortSignal) => {
    fake.fetches.push(address)
    signal.throwIfAborted()
    if (state.peers === 0) return { type: 'no-peers' } as const
    const answers = homes.map(async (home) => {
      await latency()
      return fake.homes[home]?.get(mapKey(address))
    })
    const block = best(await Promise.all(answers))
    signal.throwIfAborted()
    if (state.fails !== undefined || silent.has(mapKey(address))) {
      return { type: 'timed-out' } as const
    }
    return answer(block)
  }
  const network: Network = {
    peers: () => state.peers,
    async insertBlock(address, block, { home, signal }) {
      sent.push(address)
      await latency()
      signal.throwIfAborted()
      if (state.peers === 0 || state.fails !== undefined) return 0
      fake.put(address, block, [home])
      return home === 0 ? 2 : 1
    },
    fetchNewest: (address, { homes, signal }) => ask(address, homes, signal),
  }
  const source: BlockSource = {
    async getBlock(address, { signal }) {
      const own = await outbox.get(address)
      return own === undefined ? ask(address, [0, 1, 2], signal) : answer(own)
    },
    async getNewest(address, { homes, signal }) {
      const own = await outbox.get(address)
      const shown = await ask(address, homes, signal)
      return own === undefined
        ? shown
        : answer(best([own, shown.type === 'found' ? shown.block : undefined]))
    },
  }
  const keywords = new Keywords(fakeKeyword)
  const names = new NameTable({ clock, keywords })
  const spreader: Spreader = new Spreader({
    outbox,
    clock,
    peers: network.peers,
    insertBlock: network.insertBlock,
    isHeld: (address) => publications.isHeld(address),
  })
  const publications = new Publications({
    outbox,
    clock,
    network,
    source,
    names,
    keywords,
    keyring,
    today: () => state.today,
    networkName: given.networkName,
    rng,
    askOthers: async (address, signal) => (await ask(address, [0, 1], signal)).type,
    added: () => {
      spreader.wake()
    },
  })
  const machine: Machine = Object.assign(state, {
    network,
    source,
    outbox,
    keyring,
    names,
    keywords,
    watches: new WatchList({ names, clock }),
    publications,
    spreader,
    sent,
    silent,
    connect() {
      machine.peers = 3
      spreader.retryNow()
      publications.wake()
    },
    async close() {
      await publications.close()
      await spreader.close()
    },
  })
  return machine
}

/** A keyring in memory with the publisher of all machines. */
export async function memoryKeyring(): Promise<PublishKeyring> {
  const keyring = await openKeyring({ dataDir: undefined })
  await keyring.importText(await SEED_TEXT, 'me')
  return keyring
}

/** A body with `text` in its manifest. */
export function textBody(text: string): DocumentBody {
  const bytes = utf8(text)
  const body = { type: 'inline', bytes } as const
  const manifest = encodeManifest({ size: bytes.length, contentType: undefined, body })
  return { type: 'manifest', manifest }
}

/** The block of one edition, as its publisher makes it. */
export function editionBlock(
  publisher: Publisher,
  key: DocumentKey,
  edition: number,
  body: DocumentBody = textBody(`edition ${edition}`),
): { address: Address; block: Block } {
  const place: DocumentPlace = { kind: 'edition', edition }
  const plaintext = encodeDocument({ body, head: undefined })
  const block = publisher.seal(key, place, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  return { address: documentAddress(key, place), block }
}

/** The block of a head; `claimed`: the edition inside, which may be a lie. */
export function headBlock(
  publisher: Publisher,
  key: DocumentKey,
  edition: number,
  claimed = edition,
): { address: Address; block: Block } {
  const place: DocumentPlace = { kind: 'head', edition: 0 }
  const head = { edition: claimed, editionHash: new Uint8Array(32) }
  const plaintext = encodeDocument({ body: textBody(`head ${edition}`), head })
  const block = publisher.seal(key, place, { sequence: headSequence(key, edition), plaintext })
  return { address: documentAddress(key, place), block }
}

function answer(block: Block | undefined): BlockResult {
  return block === undefined ? { type: 'not-found' } : { type: 'found', block }
}

function best(blocks: readonly (Block | undefined)[]): Block | undefined {
  return blocks.reduce((held, next) => {
    if (held === undefined || next === undefined) return held ?? next
    return supersedes(next, held) ? next : held
  }, undefined)
}

function delay(clock: SimulatedClock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve)
  })
}

async function publisherText(): Promise<string> {
  const keyring = await openKeyring({ dataDir: undefined })
  await keyring.create('me')
  return keyring.exportText('me')
}

function fakeKeyword(word: string): Promise<{ publisher: Publisher; key: DocumentKey }> {
  const publisher = publisherFromSeed(blake2b256(utf8(word)))
  return Promise.resolve({ publisher, key: publisher.documentKey(word) })
}
