/**
 * What 1,000 signed blocks of 10 publishers tell who has none of their URIs: nothing that groups
 * them. Every classifier is also shown blocks that do give their publisher away, and must find it.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { BLOCK_BYTES, sequenceOf, verify } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import {
  documentAddress,
  headSequence,
  IMMUTABLE_SEQUENCE,
  publisherFromSeed,
} from '../../src/keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../../src/keys/signed.ts'
import { hex } from '../reference/text.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const PUBLISHERS = 10
const DOCUMENTS = 20
const EDITIONS = 3
const SEED = seedFromEnvironment()
const note = `SEED=${SEED}`
/** Standard deviations that chance does not reach in the life of this project. */
const FAR = 8

interface Stored {
  readonly publisher: number
  readonly document: number
  readonly key: DocumentKey
  readonly place: DocumentPlace
  readonly address: Address
  readonly block: Block
}

/** All say the same, under names that all publishers use: only the keys can keep them apart. */
function publishAll(): Stored[] {
  const rng = createSeededRng(SEED)
  const plaintext = new Uint8Array(2000)
  const stored: Stored[] = []
  for (let publisher = 0; publisher < PUBLISHERS; publisher++) {
    const own = publisherFromSeed(Uint8Array.from({ length: 32 }, () => rng.below(256)))
    for (let document = 0; document < DOCUMENTS; document++) {
      const key = own.documentKey(`document ${document}`)
      for (const place of placesOf()) {
        const isHead = place.kind === 'head'
        const sequence = isHead ? headSequence(key, EDITIONS - 1) : IMMUTABLE_SEQUENCE
        const block = own.seal(key, place, { sequence, plaintext })
        stored.push({
          publisher,
          document,
          key,
          place,
          address: documentAddress(key, place),
          block,
        })
      }
    }
  }
  return stored
}

function placesOf(): DocumentPlace[] {
  const editions = Array.from({ length: EDITIONS }, (_, edition): DocumentPlace => {
    return { kind: 'edition', edition }
  })
  return [...editions, { kind: 'head', edition: 0 }, { kind: 'ssk', edition: 0 }]
}

/** How far `same` of `linked` pairs is from what chance gives, in standard deviations. */
function deviation(same: number, linked: number, chance: number): number {
  return (same - linked * chance) / Math.sqrt(linked * chance * (1 - chance))
}

/** Pairs that two of `members` make, and those of one group among them. */
function pairsOf(members: readonly number[]): { linked: number; same: number } {
  const sizes = new Map<number, number>()
  for (const group of members) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  const pairs = (count: number): number => (count * (count - 1)) / 2
  const same = [...sizes.values()].reduce((sum, count) => sum + pairs(count), 0)
  return { linked: pairs(members.length), same }
}

/**
 * Links blocks that share any four bytes, wherever they are: in the header, in the first KiB of the
 * body, in the last one. The sequence has a classifier of its own.
 */
function linkByRuns(blocks: readonly Uint8Array[], groups: readonly number[]): number {
  const runs: number[] = []
  blocks.forEach((block, index) => {
    const view = new DataView(block.buffer, block.byteOffset, block.length)
    for (let at = 0; at + 4 <= BLOCK_BYTES; at++) {
      if (at > 1152 && at < BLOCK_BYTES - 1024) at = BLOCK_BYTES - 1024
      if (at > 92 && at < 104) at = 104
      runs.push(view.getUint32(at, true) * 1024 + index)
    }
  })
  const sorted = Float64Array.from(runs).sort()
  let [linked, same] = [0, 0]
  for (let from = 0, to = 0; from < sorted.length; from = to) {
    const run = Math.floor((sorted[from] as number) / 1024)
    const members = new Set<number>()
    while (to < sorted.length && Math.floor((sorted[to] as number) / 1024) === run) {
      members.add((sorted[to++] as number) % 1024)
    }
    if (members.size < 2) continue
    const pairs = pairsOf([...members].map((index) => groups[index] as number))
    linked += pairs.linked
    same += pairs.same
  }
  assert.ok(linked > 100, `${linked} pairs are too few to judge by`)
  return deviation(same, linked, chanceOf(groups))
}

/** Links each head with the one whose sequence is nearest. */
function linkBySequence(sequences: readonly number[], groups: readonly number[]): number {
  const order = sequences
    .map((sequence, index) => ({ sequence, group: groups[index] as number }))
    .sort((a, b) => a.sequence - b.sequence)
  let same = 0
  order.forEach(({ sequence, group }, index) => {
    const [below, above] = [order[index - 1], order[index + 1]]
    const down = below === undefined ? Infinity : sequence - below.sequence
    const up = above === undefined ? Infinity : above.sequence - sequence
    if ((down < up ? below : above)?.group === group) same++
  })
  return deviation(same, order.length, chanceOf(groups))
}

/** How often a pair taken at random is of one group. */
function chanceOf(groups: readonly number[]): number {
  const { linked, same } = pairsOf(groups)
  return same / linked
}

/** Chi-square of byte counts against all bytes being equally likely: 255 on average. */
function unevenness(...parts: Uint8Array[]): number {
  const counts = new Uint32Array(256)
  let total = 0
  for (const part of parts) {
    for (const byte of part) counts[byte] = (counts[byte] as number) + 1
    total += part.length
  }
  return counts.reduce((sum, count) => sum + (count - total / 256) ** 2, 0) / (total / 256)
}

describe('1,000 signed blocks of 10 publishers, to who has no URI', () => {
  let stored: Stored[]
  let byPublisher: number[]
  let byDocument: number[]

  before(() => {
    stored = publishAll()
    byPublisher = stored.map(({ publisher }) => publisher)
    byDocument = stored.map(({ publisher, document }) => publisher * DOCUMENTS + document)
  })

  it('are all validly signed, under as many addresses and public keys', () => {
    assert.equal(stored.length, 1000)
    for (const { address, block } of stored) assert.equal(verify(address, block), 'signed', note)
    assert.equal(new Set(stored.map(({ address }) => hex(address))).size, 1000, note)
    assert.equal(new Set(stored.map(({ block }) => hex(block.subarray(0, 32)))).size, 1000, note)
  })

  it('have one size', () => {
    assert.deepEqual([...new Set(stored.map(({ block }) => block.length))], [BLOCK_BYTES])
  })

  it('share no run of bytes more often with their own publisher or document than with others', () => {
    const blocks = stored.map(({ block }) => block)
    assert.ok(Math.abs(linkByRuns(blocks, byPublisher)) < FAR, note)
    assert.ok(Math.abs(linkByRuns(blocks, byDocument)) < FAR, note)

    const marked = stored.map(({ block, key }) => {
      const copy = block.slice()
      copy.set(key.publicKey.subarray(0, 4), BLOCK_BYTES - 500)
      return copy
    })
    assert.ok(linkByRuns(marked, byPublisher) > FAR, 'four bytes that give the publisher away')
  })

  it('have sequences that are near to those of their own publisher by chance only', () => {
    const heads = stored.filter(({ place }) => place.kind === 'head')
    const groups = heads.map(({ publisher }) => publisher)
    assert.ok(
      Math.abs(
        linkBySequence(
          heads.map(({ block }) => sequenceOf(block)),
          groups,
        ),
      ) < FAR,
    )

    const rng = createSeededRng(SEED)
    const telling = groups.map((publisher) => publisher * 2 ** 40 + rng.below(2 ** 40))
    assert.ok(linkBySequence(telling, groups) > FAR, 'an offset for each publisher')
    const others = stored.filter(({ place }) => place.kind !== 'head')
    assert.deepEqual(
      [...new Set(others.map(({ block }) => sequenceOf(block)))],
      [IMMUTABLE_SEQUENCE],
    )
  })

  it('have bodies whose bytes are as even as chance', () => {
    const bodies = stored.map(({ block }) => block.subarray(104))
    // mean 255, standard deviation 22.6
    for (const body of bodies) assert.ok(unevenness(body) < 255 + 9 * 22.6, note)
    assert.ok(unevenness(...bodies) < 255 + 8 * 22.6, note)
    assert.ok(unevenness(...bodies.map((body) => Uint8Array.of(...body.subarray(0, 64)))) < 450)
    const telling = bodies.map((body) => Uint8Array.of(...body.subarray(0, 600), 0, 0, 0, 0))
    assert.ok(unevenness(...telling) > 500, 'four zeros in 600 bytes')
  })

  it('contain no master public key, read key or name', () => {
    const masters = new Set(stored.map(({ key }) => hex(key.publicKey)))
    assert.equal(masters.size, PUBLISHERS)
    for (const { block, key } of stored) {
      const bytes = Buffer.from(block.buffer, block.byteOffset, block.length)
      for (const master of masters) {
        assert.equal(bytes.indexOf(Buffer.from(master, 'hex')), -1, note)
      }
      assert.equal(bytes.indexOf(key.readKey), -1, note)
      assert.equal(bytes.indexOf(key.name), -1, note)
    }
  })

  it('stay unknown to who has the URI of another document of the same publisher', () => {
    const addresses = new Map(stored.map(({ address, ...rest }) => [hex(address), rest]))
    for (let publisher = 0; publisher < PUBLISHERS; publisher++) {
      const own = stored.filter((one) => one.publisher === publisher)
      const { key: known } = own[0] as Stored
      const names = [...new Set(own.map(({ key }) => key.name))]
      for (const name of names) {
        for (const place of placesOf()) {
          const found = addresses.get(hex(documentAddress({ ...known, name }, place)))
          assert.equal(found?.document, name === known.name ? 0 : undefined, note)
        }
      }
    }
  })
})
