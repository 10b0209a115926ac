/**
 * Peers kept across restarts, so that a node comes back without the DHT (spec §7.1): how they are
 * written. Where is up to whoever opens the node.
 * @module
 */
import { base64url, fromBase64url, utf8, utf8Text } from '../../keys/bytes.ts'
import { MAX_RECORD_PROOF_BYTES } from '../exchange.ts'
import type { PeerRecord } from '../exchange.ts'

export const MAX_CACHED_PEERS = 256
/** A file with as many records has half of this. */
export const MAX_CACHE_BYTES = 64 * 1024
const VERSION = 1
const PUBLIC_KEY_BYTES = 32

/** A place for the peers of a node. */
export interface PeerCache {
  /** What was saved last; none where nothing was, or where it cannot be read. Never rejects. */
  load(): Promise<readonly PeerRecord[]>
  /** Takes the place of what was saved before. Never rejects. */
  save(peers: readonly PeerRecord[]): Promise<void>
}

/** JSON: `{"version":1,"peers":[{"key":…,"proof":…},…]}`, both base64url; at most 256. */
export function encodePeers(peers: readonly PeerRecord[]): Uint8Array {
  const records = peers.slice(0, MAX_CACHED_PEERS).map(({ publicKey, proof }) => ({
    key: base64url(publicKey),
    proof: base64url(proof),
  }))
  return utf8(`${JSON.stringify({ version: VERSION, peers: records }, null, 1)}\n`)
}

/** Undefined for anything that `encodePeers` would not have written. Never throws. */
export function decodePeers(bytes: Uint8Array): readonly PeerRecord[] | undefined {
  const parsed = parse(bytes)
  if (!isObject(parsed) || parsed['version'] !== VERSION) return undefined
  const { peers } = parsed
  if (!Array.isArray(peers) || peers.length > MAX_CACHED_PEERS) return undefined
  const records = peers.map(recordOf)
  return records.every((record) => record !== undefined) ? records : undefined
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.length > MAX_CACHE_BYTES) return undefined
  try {
    return JSON.parse(utf8Text(bytes) ?? '')
  } catch {
    return undefined
  }
}

function recordOf(value: unknown): PeerRecord | undefined {
  if (!isObject(value)) return undefined
  const { key, proof } = value
  if (typeof key !== 'string' || typeof proof !== 'string') return undefined
  const [keyBytes, proofBytes] = [fromBase64url(key), fromBase64url(proof)]
  const isProof =
    proofBytes !== undefined &&
    proofBytes.length >= 1 &&
    proofBytes.length <= MAX_RECORD_PROOF_BYTES
  if (keyBytes?.length !== PUBLIC_KEY_BYTES || !isProof) return undefined
  return { publicKey: keyBytes, proof: proofBytes }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
