/**
 * Keys that this node has heard of, with what it needs to place and to dial them. Positions are hearsay
 * until a link stands (spec §6.4): the topology may dial in vain for a lie, and nothing worse.
 * @module
 */
import { mapKey, readUint48 } from '../../keys/bytes.ts'
import { digest } from '../../keys/digest.ts'
import { NO_PROOF } from '../handshake.ts'
import type { PeerRecord } from '../exchange.ts'
import type { NetworkDefinition } from '../network.ts'
import { nodePosition } from '../position.ts'
import type { Candidate, PeerKey } from '../topology-ports.ts'
import type { Region } from './region-topics.ts'

/** Keys that are remembered, some 1 MiB; of those without a link the one heard of longest ago goes first. */
const MAX_KEYS = 4096

interface Entry {
  readonly publicKey: Uint8Array
  /** Undefined: not told yet. */
  readonly proof: Uint8Array | undefined
  readonly position: number
  /** The key told and proved it itself. */
  readonly isProven: boolean
}

/** The public key that `mapKey` made `key` of. */
export function publicKeyOf(key: PeerKey): Uint8Array {
  return Uint8Array.from(key, (unit) => unit.charCodeAt(0))
}

export class PeerBook {
  readonly #definition: NetworkDefinition
  readonly #isLinked: (key: PeerKey) => boolean
  readonly #entries = new Map<PeerKey, Entry>()

  /** `isLinked`: of few keys at a time; they are never forgotten, whoever knocks. */
  constructor(definition: NetworkDefinition, isLinked: (key: PeerKey) => boolean) {
    this.#definition = definition
    this.#isLinked = isLinked
  }

  /** Of a key and its proof, as others tell it; what the key itself has proved stays. */
  told(record: PeerRecord): Candidate {
    const known = this.#entries.get(mapKey(record.publicKey))
    return this.#remember(known?.isProven === true ? known : this.#entryOf(record, false))
  }

  /** Of a key whose proof is good. */
  proven(record: PeerRecord): Candidate {
    return this.#remember(this.#entryOf(record, true))
  }

  /**
   * Of a key alone, as the DHT gives it. Without its proof nobody can say where it is: it is taken to be
   * in the region where it was found, else anywhere, until it tells its proof itself.
   */
  found(publicKey: Uint8Array, region: Region | undefined): Candidate {
    if (this.#definition.proof.kind === 0) return this.told({ publicKey, proof: NO_PROOF })
    const known = this.#entries.get(mapKey(publicKey))
    if (known?.isProven === true) return this.#remember(known)
    // a false proof, told by somebody, must not hide a neighbor that announces itself where it belongs
    const fits = region === undefined || isIn(region, known?.position)
    if (known?.proof !== undefined && fits) return this.#remember(known)
    const drawn = readUint48(digest([publicKey]))
    const position = region === undefined ? drawn : region.from + (drawn % region.length)
    return this.#remember({ publicKey, proof: undefined, position, isProven: false })
  }

  /** What can be passed on to others; undefined where the proof is not known. */
  record(key: PeerKey): PeerRecord | undefined {
    const entry = this.#entries.get(key)
    if (entry?.proof === undefined) return undefined
    return { publicKey: entry.publicKey, proof: entry.proof }
  }

  #forgetOldest(): void {
    for (const key of this.#entries.keys()) {
      if (this.#isLinked(key)) continue
      this.#entries.delete(key)
      return
    }
  }

  #entryOf(told: PeerRecord, isProven: boolean): Entry {
    const { hash, proof: wanted } = this.#definition
    const { publicKey } = told
    const proof = wanted.kind === 0 ? NO_PROOF : told.proof
    return { publicKey, proof, position: nodePosition(hash, publicKey, proof), isProven }
  }

  #remember(entry: Entry): Candidate {
    const key = mapKey(entry.publicKey)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size > MAX_KEYS) this.#forgetOldest()
    return { key, position: entry.position }
  }
}

function isIn({ from, length }: Region, position: number | undefined): boolean {
  return position !== undefined && position >= from && position < from + length
}
