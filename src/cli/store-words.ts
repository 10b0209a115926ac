/**
 * How a store is, in words: what `status` and `store` share.
 * @module
 */
import type { StoreCondition, StoreStatus } from '../node.ts'
import { formatBytes } from './values.ts'

const CONDITIONS: Readonly<Record<StoreCondition, string>> = {
  ok: 'ok',
  rebuilding: 'reading its index again after a crash: serves what it has, takes new blocks soon',
  'disk-full':
    'the disk is full: serves what it has; make room there, or give it less ("shoal store resize")',
  'disk-failing':
    'the disk fails: serves what it can; the log of the node and of the system say more',
}

/** A condition, and what to do about it. */
export function conditionText({
  condition,
  filledShare,
}: Pick<StoreStatus, 'condition' | 'filledShare'>): string {
  // a newer node may know a condition that this command does not
  const words = CONDITIONS[condition] ?? condition
  if (condition !== 'ok' || !(filledShare < 1)) return words
  return `ok, ${percentText(filledShare)} of the slab filled so far`
}

/** `42 %`: never 100 before it is all, never 0 once something is there. */
export function percentText(share: number): string {
  const percent = Math.floor(share * 100)
  return `${percent === 0 && share > 0 ? '<1' : percent} %`
}

export function countText(count: number): string {
  return count.toLocaleString('en')
}

/** `3 slots`, `1 slot`. */
export function countedText(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `1.2 GiB of 10 GiB`. */
export function bytesOfText(bytes: number, of: number): string {
  return `${formatBytes(bytes)} of ${formatBytes(of)}`
}
