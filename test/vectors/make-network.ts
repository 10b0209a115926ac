/**
 * The vectors of networks, positions, handshakes and of what nodes tell unasked (§6, §7.6, §8.5, §8.7),
 * put together byte by byte.
 * @module
 */
import { blake2b, hash } from '../reference/blake2b.ts'
import { bytesOf, hex, join, ofHex } from '../reference/text.ts'
import type { NetworkName, Rule, Vector } from './vector.ts'

const KEY = Uint8Array.from({ length: 32 }, (_, at) => at)
const PUBLIC_KEY = new Uint8Array(32).fill(1)
const BINDING = new Uint8Array(64).fill(2)
const NO_PROOF = Uint8Array.of(0)
const FRAME_BYTES = 256
/** What Argon2id gives for the nonces 432 and 0 of PUBLIC_KEY in `shoal`, from libsodium. */
const PUZZLES = [
  ['b001000000000000', '0075e89021639e03cadd1c97051723b84fa166473b7b43ee8c658afb5155cc30'],
  ['0000000000000000', '881eeb33a234f57ae6d34ca94e4c4789cdfd6efeb03f47c95cb50e7fa91c20a2'],
] as const

interface Network {
  readonly name: string
  readonly key?: Uint8Array
}

const NETWORKS: Readonly<Record<string, Network>> = {
  'the public network': { name: 'shoal' },
  'a network with a name of its own': { name: 'crowd' },
  'a private network': { name: 'crowd', key: KEY },
  'a private network that is called as the public one': { name: 'shoal', key: KEY },
}

export function makeNetworkVectors(): Vector[] {
  return [...names(), ...regions(), ...positions(), ...puzzles(), ...handshakes(), ...messages()]
}

function hashOf({ name, key }: Network): Uint8Array {
  return blake2b(join(bytesOf('shoal/network/1'), bytesOf(name)), 32, key)
}

function nameOf({ name, key }: Network): NetworkName {
  return key === undefined ? { name } : { name, key: hex(key) }
}

function names(): Vector[] {
  return Object.entries(NETWORKS).map(([name, network]) => ({
    name,
    spec: '§6.1',
    input: { network: nameOf(network) },
    expect: 'ok',
    output: {
      hash: hex(hashOf(network)),
      topic: hex(hash(join(bytesOf('shoal/topic/1'), hashOf(network)))),
    },
  }))
}

function regions(): Vector[] {
  const places = [
    [0, 0xffff_ffff_ffff, 0],
    [1, 0x8000_0000_0000, 1],
    [12, 0x1234_5678_9abc, 0x123],
    [32, 0x1234_5678_9abc, 0x1234_5678],
  ] as const
  const network = hashOf({ name: 'crowd' })
  return places.map(([bits, position, region]) => {
    const number = [0, 8, 16, 24].map((shift) => (region >>> shift) & 255)
    const place = Uint8Array.of(bits, ...number)
    return {
      name: `a region of ${bits} bits`,
      spec: '§7.1',
      input: { region: { network: hex(network), bits, position } },
      expect: 'ok',
      output: { region, topic: hex(hash(join(bytesOf('shoal/topic/2'), network, place))) },
    }
  })
}

function positions(): Vector[] {
  const puzzle = ofHex(proofOf(PUZZLES[0]))
  const cases: [string, Network, Uint8Array][] = [
    ['without a proof', { name: 'crowd' }, NO_PROOF],
    ['in a private network', { name: 'crowd', key: KEY }, NO_PROOF],
    ['with a puzzle', { name: 'shoal' }, puzzle],
  ]
  return cases.map(([name, network, proof]) => {
    const bytes = join(bytesOf('shoal/position/1'), hashOf(network), PUBLIC_KEY, proof)
    return {
      name: `the position of a node ${name}`,
      spec: '§6.1',
      input: {
        position: { network: hex(hashOf(network)), publicKey: hex(PUBLIC_KEY), proof: hex(proof) },
      },
      expect: 'ok',
      output: { position: Number(`0x${hex(hash(bytes).slice(0, 6))}`) },
    }
  })
}

/** Kind, nonce, and the end of the hash. */
function proofOf([nonce, argon2id]: (typeof PUZZLES)[number]): string {
  return `01${nonce}${argon2id.slice(-12)}`
}

function puzzles(): Vector[] {
  const vectors = PUZZLES.map((puzzle) => {
    const isGood = parseInt(puzzle[1].slice(0, 4), 16) < 2 ** (16 - 9)
    return puzzleVector(`nonce ${puzzle[0]}`, proofOf(puzzle), { hash: puzzle[1], isGood })
  })
  const [solved] = PUZZLES
  const other = `${proofOf(solved).slice(0, -1)}f`
  return [
    ...vectors,
    puzzleVector('solved, but with another end', other, { hash: solved[1], isGood: false }),
  ]
}

function puzzleVector(name: string, proof: string, output: Record<string, unknown>): Vector {
  return {
    name: `the puzzle of the public network: ${name}`,
    spec: '§6.4',
    input: { puzzle: { name: 'shoal', publicKey: hex(PUBLIC_KEY), proof } },
    expect: 'ok',
    output,
  }
}

function handshakes(): Vector[] {
  return Object.entries(NETWORKS).map(([name, network]) => {
    const { key } = network
    const proof = key === undefined && network.name === 'shoal' ? proofOf(PUZZLES[0]) : '00'
    const linkHash = hash(join(bytesOf('shoal/network-link/1'), hashOf(network), BINDING))
    const mac = join(bytesOf('shoal/network-mac/1'), BINDING, PUBLIC_KEY)
    const bytes = [
      ...['01', '01', '00000000'],
      hex(key === undefined ? hashOf(network) : linkHash),
      ...[byteHex(proof.length / 2), '00', proof],
      ...(key === undefined ? ['00'] : ['20', hex(blake2b(mac, 32, key))]),
      '0000',
    ]
    const sender = { publicKey: hex(PUBLIC_KEY), proof, binding: hex(BINDING) }
    return {
      name: `the handshake of ${name}`,
      spec: '§7.6',
      input: { handshake: { ...nameOf(network), ...sender } },
      expect: 'ok',
      output: { handshake: bytes.join('') },
    }
  })
}

interface MessageCase {
  readonly name: string
  /** From the type on; zeros follow. */
  readonly bytes: string
  /** What it says; undefined: it is malformed. */
  readonly says?: Record<string, unknown>
}

function messages(): Vector[] {
  return [
    ...vectorsOf('§8.5', [...peers(), ...seeks(), ...neighbors()]),
    ...vectorsOf('§8.7', hints()),
  ]
}

function vectorsOf(spec: string, cases: readonly MessageCase[]): Vector[] {
  return cases.map(({ name, bytes, says }) => ({
    name,
    spec,
    input: { message: frameOf(bytes) },
    expect: says === undefined ? 'E_MESSAGE_CODEC' : 'ok',
    ...(says !== undefined && { output: says }),
  }))
}

function peers(): MessageCase[] {
  const publicKey = hex(PUBLIC_KEY)
  const puzzle = '010102030405060708090a0b0c0d0e'
  const record = `${publicKey}010000`
  const puzzled = `${publicKey}0f${puzzle}00`
  const greatest = `${publicKey}10${'02'.repeat(16)}00`
  const said = (id: number, ...proofs: string[]): Record<string, unknown> => {
    return { type: 'peers', id, records: proofs.map((proof) => ({ publicKey, proof })) }
  }
  const head = '0f07000000'
  return [
    { name: 'PEERS unasked, of nobody', bytes: '0f0000000000', says: said(0) },
    { name: 'PEERS of one', bytes: `${head}01${record}`, says: said(7, '00') },
    {
      name: 'PEERS of five with puzzles',
      bytes: `${head}05${puzzled.repeat(5)}`,
      says: said(7, ...Array.from({ length: 5 }, () => puzzle)),
    },
    {
      name: 'PEERS of four with the longest proofs',
      bytes: `${head}04${greatest.repeat(4)}`,
      says: said(7, ...Array.from({ length: 4 }, () => '02'.repeat(16))),
    },
    { name: 'PEERS of five that do not fit', bytes: `${head}05${greatest.repeat(4)}` },
    { name: 'PEERS of six', bytes: `${head}06${record.repeat(6)}` },
    { name: 'PEERS with an empty proof', bytes: `${head}01${publicKey}0000` },
    { name: 'PEERS with a proof of 17', bytes: `${head}01${publicKey}11${'02'.repeat(17)}00` },
    { name: 'PEERS with more than it counts', bytes: `${head}01${record}${record}` },
    {
      name: 'PEERS with a record that must be understood',
      bytes: `${head}01${publicKey}010002 0100`,
    },
    { name: 'PEERS with a cut-off field in a record', bytes: `${head}01${publicKey}010002 0001` },
  ]
}

function seeks(): MessageCase[] {
  const target = 0x0102_0304_0506
  return [
    { name: 'SEEK', bytes: '1007000000010203040506', says: { type: 'seek', id: 7, target } },
    {
      name: 'SEEK of the last position',
      bytes: '10ffffffffffffffffffff',
      says: { type: 'seek', id: 2 ** 32 - 1, target: 2 ** 48 - 1 },
    },
    { name: 'SEEK without an id', bytes: '1000000000010203040506' },
    { name: 'SEEK with a byte too many', bytes: '1007000000010203040506 0000 01' },
    { name: 'SEEK with a tail that must be understood', bytes: '1007000000010203040506 0200 0100' },
  ]
}

function neighbors(): MessageCase[] {
  const said = (...of: number[]): Record<string, unknown> => ({ type: 'neighbors', positions: of })
  return [
    { name: 'NEIGHBORS of nobody', bytes: '1100', says: said() },
    {
      name: 'NEIGHBORS of two',
      bytes: '1102010203040506ffffffffffff',
      says: said(0x0102_0304_0506, 2 ** 48 - 1),
    },
    {
      name: 'NEIGHBORS of 32',
      bytes: `1120${'000000000001'.repeat(32)}`,
      says: said(...Array.from({ length: 32 }, () => 1)),
    },
    { name: 'NEIGHBORS of 33', bytes: `1121${'000000000001'.repeat(33)}` },
    { name: 'NEIGHBORS with more than it counts', bytes: `1101${'000000000001'.repeat(2)}` },
  ]
}

function hints(): MessageCase[] {
  const address = hex(KEY)
  return [
    { name: 'HAS', bytes: `0d${address}`, says: { type: 'has', address } },
    { name: 'HAS with a tail that must be understood', bytes: `0d${address} 0200 0100` },
    { name: 'HAS with a byte after its tail', bytes: `0d${address} 0000 01` },
  ]
}

function frameOf(spaced: string): Rule {
  const bytes = spaced.replaceAll(' ', '')
  return { join: [{ hex: bytes }, { repeat: '00', length: FRAME_BYTES - bytes.length / 2 }] }
}

function byteHex(value: number): string {
  return hex(Uint8Array.of(value))
}
