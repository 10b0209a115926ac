/**
 * Uploads over a store and a journal in memory, which can be started again as after a crash.
 * @module
 */
import { insertContent } from '../../src/content/insert.ts'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { createMemoryJournal } from '../../src/journal.ts'
import { linkAbort } from '../../src/signals.ts'
import { readUploads, Uploads } from '../../src/uploads/uploads.ts'
import { createSimulatedClock } from './clock.ts'
import { createSeededRng } from './rng.ts'

/** Blocks between two checkpoints: three, and a part of one. */
export const BENCH_CHECKPOINT_BYTES = 100_000

export function createUploadBench(journal = createMemoryJournal()) {
  const clock = createSimulatedClock()
  const store = createMemoryStore({ quotaBytes: 2 ** 29, rng: createSeededRng(1) })
  const words = createWords()
  const network = { peers: 0 }
  const opened: number[] = []
  const begin = store.outbox.begin.bind(store.outbox)
  store.outbox.begin = async () => {
    const insertId = await begin()
    opened.push(insertId)
    return insertId
  }
  const sink = {
    outbox: store.outbox,
    clock,
    signal: linkAbort([]).signal,
    peers: () => network.peers,
    added: () => {},
    words,
  }
  const options = { journal, sink, checkpointBytes: BENCH_CHECKPOINT_BYTES }
  return {
    clock,
    store,
    journal,
    words,
    network,
    uploads: new Uploads(options, []),
    /** What a crash leaves: no insert that was not committed, and the journal. */
    async restart(): Promise<Uploads> {
      for (const insertId of opened) await store.outbox.discard(insertId)
      return new Uploads(options, await readUploads(journal))
    },
  }
}

/** Lets the outbox take so many blocks more, then has it full, with a peer that takes none of them. */
export function fillOutbox(
  { store, network }: Pick<ReturnType<typeof createUploadBench>, 'store' | 'network'>,
  blocks: number,
) {
  network.peers = 1
  const { outbox } = store
  const add = outbox.add.bind(outbox)
  const room = { blocks }
  outbox.add = (request) => (room.blocks-- > 0 ? add(request) : Promise.resolve('full'))
  outbox.room = async (options) => {
    while (room.blocks <= 0) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      options?.signal?.throwIfAborted()
    }
  }
  return { empty: () => (room.blocks = Number.MAX_SAFE_INTEGER) }
}

/** Takes any word once, without a network. */
function createWords() {
  const words = {
    /** Manifests by word. */
    published: new Map<string, Uint8Array>(),
    /** What the next publication throws. */
    fault: undefined as Error | undefined,
    beginWord: (word: string, isConvergent: boolean): Promise<Uint8Array> =>
      Promise.resolve(new Uint8Array(32).fill(isConvergent ? 0 : word.length)),
    publishWord(word: string, manifest: Uint8Array): Promise<string> {
      const { fault } = words
      words.fault = undefined
      if (fault !== undefined) return Promise.reject(fault)
      words.published.set(word, manifest)
      return Promise.resolve(`KSK@${word}`)
    },
  }
  return words
}

/** Bytes of which no two blocks are equal. */
export function bytesOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24)
}

export async function* pieces(
  bytes: Uint8Array,
  { size = 10_000, error }: { size?: number; error?: Error } = {},
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve()
    yield bytes.subarray(at, at + size)
  }
  if (error !== undefined) throw error
}

/** Sends what is not there yet of `bytes`, as the last part. */
export function rest(uploads: Uploads, id: string, bytes: Uint8Array) {
  const offset = uploads.status(id)?.offset ?? 0
  return uploads.append(id, { offset, content: pieces(bytes.subarray(offset)), isLast: true })
}

/** The key that the same bytes get from an insert in one go. */
export async function keyInOneGo(bytes: Uint8Array, isBare: boolean): Promise<string> {
  const { store, clock } = createUploadBench()
  const context = { outbox: store.outbox, clock, peers: () => 0, added: () => {}, signals: [] }
  const request = { name: 'a', contentType: undefined, isConvergent: true, isBare }
  return (await insertContent(pieces(bytes), request, context)).uri
}
