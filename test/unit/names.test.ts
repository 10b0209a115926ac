/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BlockResult, BlockSource } from '../../src/content/blocks.ts'
import { MissingBlock } from '../../src/content/blocks.ts'
import { encodeDocument } from '../../src/content/document.ts'
import { Keywords } from '../../src/content/keyword.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { NameTable } from '../../src/content/names.ts'
import { ErisEncoder } from '../../src/keys/eris.ts'
import { BLOCK_BYTES, toAddress, toBlock } from '../../src/keys/block.ts'
import type { Address, Block, Home } from '../../src/keys/block.ts'
import { equals, mapKey, utf8Text } from '../../src/keys/bytes.ts'
import {
  IMMUTABLE_SEQUENCE,
  documentAddress,
  headSequence,
  publisherFromSeed,
} from '../../src/keys/signed.ts'
import type { DocumentKey } from '../../src/keys/signed.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createFakeNetwork, editionBlock, headBlock, textBody } from '../helpers/name-world.ts'

const publisher = publisherFromSeed(new Uint8Array(32).fill(9))
const key = publisher.documentKey('site')
const HEAD = documentAddress(key, { kind: 'head', edition: 0 })
const NORMAL = { from: 0, isExhaustive: false, maxAgeMs: 0 }

function world() {
  const clock = createSimulatedClock()
  const fake = createFakeNetwork()
  const names = new NameTable({ clock, keywords: new Keywords() })
  const asked: { address: Address; isHead: boolean; signal: AbortSignal }[] = []
  const homesOfNewest: (readonly Home[])[] = []
  const state = { failure: undefined as 'timed-out' | 'no-peers' | undefined, delayMs: 10 }
  const ask = async (address: Address, signal: AbortSignal): Promise<BlockResult> => {
    asked.push({ address, isHead: equals(address, HEAD), signal })
    await new Promise<void>((resolve, reject) => {
      clock.after(state.delayMs, resolve)
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error)
      })
    })
    if (state.failure !== undefined) return { type: state.failure }
    const block = fake.newest(address)
    return block === undefined ? { type: 'not-found' } : { type: 'found', block }
  }
  const source: BlockSource = {
    getBlock: (address, { signal }) => ask(address, signal),
    getNewest: (address, { homes, signal }) => {
      homesOfNewest.push(homes)
      return ask(address, signal)
    },
  }
  const context = { source, signal: new AbortController().signal }
  const putEditions = (...editions: number[]): void => {
    for (const edition of editions) {
      const { address, block } = editionBlock(publisher, key, edition)
      fake.put(address, block)
    }
  }
  const putHead = (edition: number, claimed = edition): void => {
    const { address, block } = headBlock(publisher, key, edition, claimed)
    fake.homes.forEach((home) => home.set(mapKey(address), block))
  }
  const lookUp = (request: Partial<typeof NORMAL> = {}) =>
    clock.runUntilSettled(names.lookUp(key, { ...NORMAL, ...request }, context))
  const editionOf = async (request: Partial<typeof NORMAL> = {}): Promise<number | string> => {
    const outcome = await lookUp(request)
    return outcome.type === 'found' ? outcome.edition : outcome.type
  }
  const open = (edition: UskUri['edition']): Promise<string | undefined> =>
    clock.runUntilSettled(names.open(uskOf(edition), context).then(textOf))
  /** Editions asked for so far; -1: the head. */
  const probes = (): number[] =>
    asked.map(({ address }) => {
      for (let edition = 0; edition < 200; edition++) {
        if (equals(address, documentAddress(key, { kind: 'edition', edition }))) return edition
      }
      return -1
    })
  return {
    clock,
    fake,
    names,
    asked,
    homesOfNewest,
    state,
    source,
    context,
    putEditions,
    putHead,
    lookUp,
    editionOf,
    open,
    probes,
  }
}

function uskOf(edition: UskUri['edition']): UskUri {
  const { publicKey, readKey, name } = key
  return { type: 'usk', publicKey, readKey, document: name, edition, path: [] }
}

function textOf({ body }: Manifest): string | undefined {
  return body.type === 'inline' ? utf8Text(body.bytes) : undefined
}

describe('looking up the newest edition', () => {
  test('the head gives it in one request', async () => {
    const { asked, putHead, editionOf } = world()
    putHead(7)
    assert.equal(await editionOf(), 7)
    assert.deepEqual(
      asked.map(({ isHead }) => isHead),
      [true],
    )
  })

  test('the head is asked for at all its homes', async () => {
    const { homesOfNewest, putHead, lookUp } = world()
    putHead(7)
    await lookUp()
    assert.deepEqual(homesOfNewest, [[0, 1, 2]])
  })

  test('an answer is used again while it is young enough, and its age is told', async () => {
    const { clock, asked, putHead, lookUp } = world()
    putHead(2)
    await lookUp()
    await clock.runFor(5000)
    const again = await lookUp({ maxAgeMs: 60_000 })
    assert.ok(again.type === 'found' && again.ageMs >= 5000 && again.ageMs < 6000)
    assert.equal(asked.length, 1)
    await lookUp({ maxAgeMs: 1000 })
    assert.equal(asked.length, 2)
  })

  test('a lower head does not take back an edition already seen', async () => {
    const { fake, names, putHead, editionOf } = world()
    putHead(5)
    assert.equal(await editionOf(), 5)
    fake.homes.forEach((home) => {
      home.clear()
    })
    putHead(3)
    assert.equal(await editionOf(), 5)
    assert.equal(names.head(key)?.edition, 5)
  })

  test('a head whose sequence is not that of its edition is as good as none', async () => {
    const { putHead, putEditions, editionOf } = world()
    putHead(9, 4)
    assert.equal(await editionOf(), 'not-found')
    putEditions(0, 1)
    assert.equal(await editionOf(), 1)
  })

  test('a head that does not open is as good as none', async () => {
    const { fake, editionOf } = world()
    const stranger: DocumentKey = { ...key, readKey: new Uint8Array(32).fill(1) }
    const { block } = headBlock(publisher, stranger, 9)
    fake.homes[0]?.set(mapKey(HEAD), block)
    assert.equal(await editionOf(), 'not-found')
  })

  test('without a head editions are probed five at a time, until five in a row are absent', async () => {
    const { putEditions, editionOf, probes } = world()
    putEditions(0, 1, 4, 8, 14)
    assert.equal(await editionOf(), 8)
    assert.deepEqual(probes(), [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
  })

  test('probing begins at the edition that is named, or at a later one already seen', async () => {
    const { putEditions, editionOf, probes } = world()
    putEditions(20, 22)
    assert.equal(await editionOf({ from: 20 }), 22)
    assert.deepEqual(probes().slice(1, 6), [20, 21, 22, 23, 24])
    assert.equal(await editionOf({ from: 0 }), 22)
    assert.ok(!probes().includes(0))
  })

  test('a gap of five hides what is behind it from a plain look-up', async () => {
    const { putEditions, editionOf } = world()
    putEditions(0, 6)
    assert.equal(await editionOf(), 0)
    assert.equal(await editionOf({ from: 6 }), 6)
  })

  test('a negative edition probes beyond what the head says', async () => {
    const { putHead, putEditions, editionOf } = world()
    putHead(3)
    putEditions(3, 5)
    assert.equal(await editionOf(), 3)
    assert.equal(await editionOf({ isExhaustive: true, maxAgeMs: 60_000 }), 5)
    assert.equal(await editionOf(), 5)
  })

  test('a negative edition begins at its magnitude, and from the beginning where that finds nothing', async () => {
    const { putEditions, editionOf, probes } = world()
    putEditions(0, 1, 2)
    assert.equal(await editionOf({ from: 40, isExhaustive: true }), 2)
    assert.deepEqual(probes().slice(1, 7), [40, 41, 42, 43, 44, 0])
  })

  test('a name that nobody published is not found', async () => {
    const { editionOf } = world()
    assert.equal(await editionOf(), 'not-found')
    assert.equal(await editionOf({ from: 3, isExhaustive: true }), 'not-found')
  })

  test('a network that does not answer is told as such, and forgets nothing', async () => {
    const { state, putHead, lookUp, editionOf, names } = world()
    putHead(4)
    await lookUp()
    for (const failure of ['timed-out', 'no-peers'] as const) {
      state.failure = failure
      assert.equal(await editionOf(), failure)
      assert.equal(await editionOf({ isExhaustive: true }), failure)
    }
    assert.equal(names.newest(key), 4)
    assert.equal(await editionOf({ maxAgeMs: 60_000 }), 4)
  })

  test('look-ups of one name at one time share the requests, and end with the last that waits', async () => {
    const { clock, asked, names, source, putHead } = world()
    putHead(1)
    const stops = [new AbortController(), new AbortController()]
    const both = stops.map(({ signal }) => names.lookUp(key, NORMAL, { source, signal }))
    await clock.runFor(1)
    assert.equal(asked.length, 1)
    stops[0]?.abort(new Error('gone'))
    await assert.rejects(both[0] as Promise<unknown>, /gone/)
    assert.equal(asked[0]?.signal.aborted, false)
    stops[1]?.abort(new Error('gone too'))
    await assert.rejects(both[1] as Promise<unknown>, /gone too/)
    assert.equal(asked[0]?.signal.aborted, true)
  })

  test('so many names can be looked up at once, and one more is refused', async () => {
    const { clock, names, context } = world()
    const all = Array.from({ length: 257 }, (_, i) =>
      names.lookUp(publisher.documentKey(`name ${i}`), NORMAL, context).then(
        () => 'answered',
        (error: { code: string }) => error.code,
      ),
    )
    const outcomes = await clock.runUntilSettled(Promise.all(all))
    assert.equal(outcomes.filter((outcome) => outcome === 'E_BUSY').length, 1)
  })

  test('a thousand names are remembered, the longest unused goes', async () => {
    const { names, clock, context } = world()
    const { block } = headBlock(publisher, key, 3)
    names.noteOwn(key, 3, block)
    const at = async () =>
      clock.runUntilSettled(names.lookUp(key, { ...NORMAL, maxAgeMs: 1e9 }, context))
    for (let i = 0; i < 999; i++) names.noteOwn(publisher.documentKey(`n${i}`), 0, block)
    assert.equal((await at()).type, 'found')
    names.noteOwn(publisher.documentKey('one more'), 0, block)
    assert.equal((await at()).type, 'not-found')
  })

  test('names that are looked up in vain take no place, and give none a longer life', async () => {
    const { names, state, clock, context, putHead, putEditions, editionOf } = world()
    putHead(9)
    assert.equal(await editionOf(), 9)
    const other = publisher.documentKey('other')
    names.noteOwn(other, 4, headBlock(publisher, other, 4).block)
    state.delayMs = 1
    for (let i = 0; i < 2000; i += 200) {
      const vain = Array.from({ length: 200 }, (_, j) =>
        names.lookUp(publisher.documentKey(`none ${i + j}`), NORMAL, context),
      )
      const found = await clock.runUntilSettled(Promise.all(vain))
      assert.ok(found.every(({ type }) => type === 'not-found'))
    }
    assert.equal(names.newest(key), 9)
    putEditions(0)
    state.failure = 'timed-out'
    assert.equal(await editionOf(), 'timed-out')
    state.failure = undefined
    for (let i = 0; i < 999; i++) {
      names.noteOwn(publisher.documentKey(`own ${i}`), 0, headBlock(publisher, key, 0).block)
    }
    assert.deepEqual([names.newest(key), names.newest(other)], [-1, 4])
  })
})

describe('opening documents', () => {
  test('the edition of a head just seen is read from the head, others from their blocks', async () => {
    const { asked, putHead, putEditions, lookUp, open } = world()
    putHead(2)
    putEditions(1, 2)
    await lookUp()
    assert.equal(await open(2), 'head 2')
    assert.equal(asked.length, 1)
    assert.equal(await open(1), 'edition 1')
  })

  test('an edition whose head is known is that head’s, however old; `latest` is the same', async () => {
    const { clock, fake, asked, putHead, putEditions, lookUp, open } = world()
    putHead(2)
    putEditions(2)
    await lookUp()
    await clock.runFor(600_000)
    asked.length = 0
    assert.equal(await open(2), 'head 2')
    assert.equal(asked.length, 0)
    assert.equal(await open('latest'), 'head 2')
    fake.homes.forEach((home) => {
      home.clear()
    })
    assert.equal(await open(2), 'head 2')
  })

  test('a head fetched anew takes the place of one of the same edition', async () => {
    const { fake, putHead, lookUp, open } = world()
    putHead(2)
    await lookUp()
    const head = { edition: 2, editionHash: new Uint8Array(32) }
    const plaintext = encodeDocument({ body: textBody('another head 2'), head })
    const place = { kind: 'head', edition: 0 } as const
    const block = publisher.seal(key, place, { sequence: headSequence(key, 2), plaintext })
    fake.homes.forEach((home) => home.set(mapKey(HEAD), block))
    assert.equal(await open(2), 'head 2')
    await lookUp()
    assert.equal(await open(2), 'another head 2')
  })

  test('a head that comes while its edition is fetched counts if that is another edition than it names', async () => {
    const { clock, names, state, context, putEditions } = world()
    putEditions(1)
    const openLater = async (block: Block): Promise<string | undefined> => {
      const opening = names.open(uskOf(1), context).then(textOf)
      await clock.runFor(1)
      names.noteOwn(key, 1, block)
      return clock.runUntilSettled(opening)
    }
    state.delayMs = 100
    assert.equal(await openLater(headBlock(publisher, key, 1).block), 'head 1')
  })

  test('latest and negative editions are looked up first', async () => {
    const { putHead, putEditions, open } = world()
    putHead(1)
    assert.equal(await open('latest'), 'head 1')
    putEditions(4)
    assert.equal(await open(-1), 'edition 4')
  })

  test('what is missing or cannot be asked for is told apart', async () => {
    const { state, open } = world()
    const isMissing = (type: string) => (error: unknown) =>
      error instanceof MissingBlock && error.result.type === type
    await assert.rejects(open(3), isMissing('not-found'))
    await assert.rejects(open('latest'), isMissing('not-found'))
    state.failure = 'no-peers'
    await assert.rejects(open(3), isMissing('no-peers'))
  })

  test('a document of another place, or one that poses as a head, does not open', async () => {
    const { fake, open } = world()
    const place = { kind: 'edition', edition: 6 } as const
    const head = { edition: 6, editionHash: new Uint8Array(32) }
    const plaintext = encodeDocument({ body: textBody('x'), head })
    const block = publisher.seal(key, place, { sequence: IMMUTABLE_SEQUENCE, plaintext })
    fake.put(documentAddress(key, place), block)
    await assert.rejects(open(6), { code: 'E_DECODE' })
    const other = editionBlock(publisher, key, 7)
    const at8 = documentAddress(key, { kind: 'edition', edition: 8 })
    fake.homes[0]?.set(mapKey(at8), other.block)
    await assert.rejects(open(8), { code: 'E_DECODE' })
  })

  test('a pointer leads to the manifest in a content block, and no further', async () => {
    const { fake, open } = world()
    const body = textBody('far away')
    const manifest = body.type === 'manifest' ? body.manifest : new Uint8Array()
    const put = (content: Uint8Array) => {
      const encoder = new ErisEncoder(new Uint8Array(32), BLOCK_BYTES)
      const blocks = [...encoder.update(content)]
      const last = encoder.finish()
      let step = last.next()
      for (; step.done !== true; step = last.next()) blocks.push(step.value)
      for (const { reference, block } of blocks) fake.put(toAddress(reference), toBlock(block))
      return { type: 'pointer', ...step.value } as const
    }
    const pointer = put(manifest)
    const { address, block } = editionBlock(publisher, key, 0, pointer)
    fake.put(address, block)
    assert.equal(await open(0), 'far away')
    const toPointer = put(encodeDocument({ body: pointer, head: undefined }))
    const second = editionBlock(publisher, key, 1, toPointer)
    fake.put(second.address, second.block)
    await assert.rejects(open(1), { code: 'E_DECODE' })
  })

  test('an SSK and a word open, each in its own place', async () => {
    const { clock, fake, names, context } = world()
    const ssk = { kind: 'ssk', edition: 0 } as const
    const plaintext = encodeDocument({ body: textBody('for ever'), head: undefined })
    const sealed = publisher.seal(key, ssk, { sequence: IMMUTABLE_SEQUENCE, plaintext })
    fake.put(documentAddress(key, ssk), sealed)
    const { publicKey, readKey, name: document } = key
    const uri = { type: 'ssk', publicKey, readKey, document, path: [] } as const
    const manifest = await clock.runUntilSettled(names.open(uri, context))
    assert.equal(textOf(manifest), 'for ever')
    const word = await new Keywords().of('sardines')
    const ksk = { kind: 'ksk', edition: 0 } as const
    const block = word.publisher.seal(word.key, ksk, { sequence: IMMUTABLE_SEQUENCE, plaintext })
    fake.put(documentAddress(word.key, ksk), block)
    const opened = names.open({ type: 'ksk', word: 'sardines', path: [] }, context)
    assert.equal(textOf(await clock.runUntilSettled(opened)), 'for ever')
  })
})
