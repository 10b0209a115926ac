/**
 * The vectors of §3.1: trees of the reference, and trees that no honest encoder makes.
 * @module
 */
import { hash } from '../reference/blake2b.ts'
import {
  capabilityBytes,
  decodeContent,
  encodeContent,
  encryptLeaf,
  encryptNode,
  joinPairs,
  pad,
} from '../reference/eris.ts'
import type { Blocks, Capability, Pair } from '../reference/eris.ts'
import { hex, join, ofHex, toBase32, toBase64url } from '../reference/text.ts'
import { bytesOfRule, seedOf } from './vector.ts'
import type { Rule, Vector } from './vector.ts'

const KIB = 1024
const NULL_SECRET = new Uint8Array(32)
const SECRET = hash(seedOf('a convergence secret'))

export function makeErisVectors(): Vector[] {
  return [...positives(), ...negatives()]
}

function positives(): Vector[] {
  const large = [0, 1, 32_767, 32_768, 32_769].map((length) => encoded(length, 32 * KIB))
  // one leaf, one full node and one more, full nodes below a full node and one more: each is where a
  // node that is full must wait for what comes
  const edges = [1, 2, 16, 17].map((leaves) => leaves * KIB - 1)
  const multiples = [0, 1, 2, 15, 16, 31, 32, 255, 256, 271, 272].map((leaves) => leaves * KIB)
  const sizes = [...edges, ...multiples, 1].sort((a, b) => a - b)
  const small = sizes.map((length) => encoded(length, KIB))
  return [...large, ...small, ...specialContents()]
}

function specialContents(): Vector[] {
  const zeros = (length: number): Rule => ({ repeat: '00', length })
  return [
    encodedRule('equal pieces give equal blocks', zeros(40 * KIB), KIB),
    encodedRule(
      'content that is all zeros ends in the mark, not in zeros',
      zeros(32_768),
      32 * KIB,
    ),
    encodedRule('content that ends like padding', { hex: '01800000' }, KIB),
    encodedRule('a leaf full of 0x80 before the padding', { repeat: '80', length: 2 * KIB }, KIB),
    encodedRule('a secret changes leaves and so all', zeros(KIB), KIB, SECRET),
    encodedRule('a secret at 32 KiB', { keyStream: 'film', length: 100_000 }, 32 * KIB, SECRET),
  ]
}

function encoded(length: number, blockBytes: number): Vector {
  const leaves = Math.floor(length / blockBytes) + 1
  const name = `${length} bytes, ${leaves} ${leaves === 1 ? 'leaf' : 'leaves'} of ${blockBytes}`
  return encodedRule(name, { keyStream: 'content', length }, blockBytes)
}

function encodedRule(
  name: string,
  content: Rule,
  blockBytes: number,
  secret: Uint8Array = NULL_SECRET,
): Vector {
  const bytes = bytesOfRule(content)
  const { capability, blocks } = encodeContent(bytes, secret, blockBytes)
  if (hex(decodeContent(capability, blocks)) !== hex(bytes)) throw new Error(`${name}: no way back`)
  return {
    name,
    spec: '§3.1',
    input: { encode: { content, secret: hex(secret), blockBytes } },
    expect: 'ok',
    output: {
      level: capability.level,
      urn: `urn:eris:${toBase32(capabilityBytes(capability))}`,
      blocks: blocks.size,
      references: hex(hash(ofHex([...blocks.keys()].sort().join('')))),
    },
    comment: 'references: H of the distinct references, sorted and joined',
  }
}

/** A tree under construction: blocks and the helpers that add to them. */
function builder() {
  const blocks: Blocks = new Map()
  return {
    blocks,
    leaf: (bytes: Uint8Array) => encryptLeaf(bytes, NULL_SECRET, blocks),
    node: (level: number, ...pairs: Pair[]) =>
      encryptNode(joinPairs(pairs, KIB)[0] as Uint8Array, level, blocks),
    raw: (level: number, bytes: Uint8Array) => encryptNode(bytes, level, blocks),
  }
}

const FULL = bytesOfRule({ keyStream: 'leaf', length: KIB })
const LAST = pad(bytesOfRule({ text: 'the end' }), KIB)

function negatives(): Vector[] {
  return [...wrongCapabilities(), ...wrongNodes(), ...wrongPadding()]
}

function wrongCapabilities(): Vector[] {
  const { blocks, leaf, node } = builder()
  const root = node(1, leaf(FULL), leaf(LAST))
  const single = builder()
  const only = single.leaf(LAST)
  const flipped = { ...root, readKey: bytesOfRule({ flipBit: 9, of: { hex: hex(root.readKey) } }) }
  return [
    refused('the level of the capability is one too great', single.blocks, { level: 1, ...only }),
    refused('the level of a capability with nodes is one too great', blocks, { level: 2, ...root }),
    refused('the level of the capability is one too small', blocks, { level: 0, ...root }),
    refused('one bit of a node key is flipped', blocks, { level: 1, ...flipped }),
  ]
}

function wrongNodes(): Vector[] {
  const pair = ({ reference, readKey }: Pair): Uint8Array => join(reference, readKey)
  const filled = (...parts: Uint8Array[]): Uint8Array => {
    const node = new Uint8Array(KIB)
    node.set(join(...parts))
    return node
  }
  const gap = builder()
  const gapBytes = filled(pair(gap.leaf(FULL)), new Uint8Array(64), pair(gap.leaf(LAST)))
  const tail = builder()
  const tailBytes = filled(pair(tail.leaf(FULL)), pair(tail.leaf(LAST)))
  tailBytes[KIB - 1] = 1
  const empty = builder()
  const deep = builder()
  const hollow = builder()
  const left = hollow.node(1, hollow.leaf(FULL), hollow.leaf(FULL))
  const late = builder()
  const full = late.node(1, ...Array.from({ length: 16 }, () => late.leaf(FULL)))
  const short = late.node(1, ...Array.from({ length: 15 }, () => late.leaf(FULL)))
  return [
    refused('a node has a pair of zeros between pairs', gap.blocks, {
      level: 1,
      ...gap.raw(1, gapBytes),
    }),
    refused('the zeros that fill a node end in a one', tail.blocks, {
      level: 1,
      ...tail.raw(1, tailBytes),
    }),
    refused('a node has no pairs', empty.blocks, {
      level: 1,
      ...empty.raw(1, new Uint8Array(KIB)),
    }),
    refused('a node has one pair: the tree is deeper than its content', deep.blocks, {
      level: 1,
      ...deep.node(1, deep.leaf(LAST)),
    }),
    refused('the first node of a level is not full', hollow.blocks, {
      level: 2,
      ...hollow.node(2, left, hollow.node(1, hollow.leaf(LAST))),
    }),
    refused('a node in the middle of a level is not full', late.blocks, {
      level: 2,
      ...late.node(2, full, short, late.node(1, late.leaf(LAST))),
    }),
  ]
}

function wrongPadding(): Vector[] {
  const ends: [string, Rule][] = [
    ['the last leaf is all zeros', { repeat: '00', length: KIB }],
    ['the last leaf ends without the mark', { keyStream: 'leaf', length: KIB }],
    [
      'the mark has another bit set',
      { join: [{ text: 'the end' }, { hex: '81' }, { repeat: '00', length: KIB - 8 }] },
    ],
    [
      'something other than zeros follows the mark',
      {
        join: [
          { text: 'the end' },
          { hex: '80' },
          { repeat: '00', length: KIB - 9 },
          { hex: '01' },
        ],
      },
    ],
  ]
  return ends.map(([name, end]) => {
    const { blocks, leaf, node } = builder()
    return refused(name, blocks, { level: 1, ...node(1, leaf(FULL), leaf(bytesOfRule(end))) })
  })
}

function refused(name: string, blocks: Blocks, root: Omit<Capability, 'blockBytes'>): Vector {
  const capability = { ...root, blockBytes: KIB }
  let why = ''
  try {
    decodeContent(capability, blocks)
  } catch (error) {
    why = (error as Error).message
  }
  if (why === '' || why.includes('missing')) throw new Error(`${name}: not refused, but ${why}`)
  return {
    name,
    spec: '§3.1',
    input: {
      decode: {
        capability: hex(capabilityBytes(capability)),
        blocks: [...blocks.values()].map((block) => ({ base64url: toBase64url(block) })),
      },
    },
    expect: 'E_DECODE',
    comment: why,
  }
}
