/**
 * What went wrong with peers since the start, for the operator: numbers only, never who.
 * @module
 */

export interface DriverCounters {
  /** Handshakes refused, by reason. */
  readonly refused: Record<
    'version' | 'network' | 'mac' | 'proof' | 'malformed' | 'full' | 'self',
    number
  >
  malformedFrames: number
  invalidBlocks: number
  unknownTypes: number
  /** What peers said of others too often, or without having been asked. */
  ignoredExchanges: number
}

export function createCounters(): DriverCounters {
  return {
    refused: { version: 0, network: 0, mac: 0, proof: 0, malformed: 0, full: 0, self: 0 },
    malformedFrames: 0,
    invalidBlocks: 0,
    unknownTypes: 0,
    ignoredExchanges: 0,
  }
}
