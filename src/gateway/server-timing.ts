/**
 * `Server-Timing` (W3C): where the time until the first byte went, for who looks into the network tab.
 * @module
 */
import type { FetchTiming } from '../node.ts'

/** The header of a fetch, or none where the node does not tell. Times in ms. */
export function serverTiming(timing: FetchTiming | undefined): { 'Server-Timing'?: string } {
  if (timing === undefined) return {}
  const { documentMs, manifestMs, firstMs, isLocal } = timing
  const entries = [
    ...(documentMs === undefined ? [] : [duration('document', documentMs)]),
    duration('manifest', manifestMs),
    duration('first', firstMs),
    `cache;desc=${isLocal ? 'local' : 'network'}`,
  ]
  return { 'Server-Timing': entries.join(', ') }
}

function duration(name: string, ms: number): string {
  return `${name};dur=${ms.toFixed(1)}`
}
