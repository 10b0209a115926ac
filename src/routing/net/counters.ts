/**
 * What peers asked for and what went wrong with them since the start, for the operator: numbers only,
 * never who, and nothing that this node wanted for itself.
 * @module
 */

export interface DriverCounters {
  /** Handshakes refused, by reason. */
  readonly refused: Record<
    'version' | 'network' | 'mac' | 'proof' | 'malformed' | 'full' | 'self',
    number
  >
  /** Requests that came from peers. */
  readonly received: Record<'fetch' | 'insert', number>
  /** Links that ended since the peer broke the rules. */
  bans: number
  malformedFrames: number
  invalidBlocks: number
  unknownTypes: number
  /** What peers said of others too often, or without having been asked. */
  ignoredExchanges: number
}

export function createCounters(): DriverCounters {
  return {
    refused: { version: 0, network: 0, mac: 0, proof: 0, malformed: 0, full: 0, self: 0 },
    received: { fetch: 0, insert: 0 },
    bans: 0,
    malformedFrames: 0,
    invalidBlocks: 0,
    unknownTypes: 0,
    ignoredExchanges: 0,
  }
}
