/**
 * One measured point: blocks are inserted while all is well, something goes wrong, blocks are fetched;
 * what that took becomes one line of output.
 * @module
 */
import type { Home } from '../../src/keys/block.ts'
import type { Fault } from './faults.ts'
import type { SimNetwork } from './network.ts'
import { UsageError } from './options.ts'
import type { SimNode } from './sim-node.ts'
import { createTrial, messagesOf } from './trial.ts'
import type { Trial } from './trial.ts'

/** Inserts begin so often, ms. */
const INSERT_EVERY_MS = 2
/** Each node starts so many requests a second, and all together at most MOST_A_SECOND. */
const REQUESTS_A_NODE_A_SECOND = 0.01
const MOST_A_SECOND = 200

/** All dimensions; every line carries them. */
export interface Dimensions {
  readonly preset: string
  readonly seed: number
  readonly nodes: number
  readonly degree: number
  /** Fractions of the nodes. */
  readonly removed: number
  readonly droppers: number
  readonly liars: number
  /** Homes a block has copies at: 1, 2 or 3. */
  readonly homes: number
}

export interface Figures {
  readonly success: number
  readonly meanHops: number | null
  readonly p50Hops: number | null
  readonly p75Hops: number | null
  readonly p95Hops: number | null
  readonly meanMessages: number
  readonly maxMessages: number
  /** Of those that one request cost at one of its homes. */
  readonly maxMessagesPerHome: number
}

export type Line = Dimensions & Figures & { readonly [extra: string]: unknown }

/** Homes 0 to `count` - 1. */
export function homesOf(count: number): Home[] {
  return ([0, 1, 2] as const).slice(0, count)
}

/** Inserts one block a trial, each from a random node, and lets that come to rest. */
export function insertTrials(network: SimNetwork, count: number, homes: readonly Home[]): Trial[] {
  const trials = Array.from({ length: count }, () => createTrial(network.rng, homes))
  trials.forEach((trial, index) => {
    network.addTrial(trial)
    const node = anyNode(network, () => true)
    network.after(index * INSERT_EVERY_MS, () => {
      for (const home of homes) network.insert(node, trial, home)
    })
  })
  network.run()
  return trials
}

/** Fetches each trial's block from a node that does not hold it, and lets that come to rest. */
export function fetchTrials(
  network: SimNetwork,
  trials: readonly Trial[],
  requesters?: readonly SimNode[],
): void {
  scheduleFetches(network, trials, requesters)
  network.run()
  network.invariants.atRest(trials)
}

function scheduleFetches(
  network: SimNetwork,
  trials: readonly Trial[],
  requesters: readonly SimNode[] | undefined,
): void {
  const { nodes, rng } = network
  const perSecond = Math.min(MOST_A_SECOND, Math.max(1, nodes.length * REQUESTS_A_NODE_A_SECOND))
  trials.forEach((trial, index) => {
    const node =
      requesters === undefined
        ? anyNode(network, ({ index: number }) => !trial.holders.has(number))
        : (requesters[rng.below(requesters.length)] as SimNode)
    network.after((index * 1000) / perSecond, () => {
      network.fetch(node, trial)
    })
  })
}

/** A random node that is up, does as it should, and `isWanted`. @throws UsageError there is none */
export function anyNode(network: SimNetwork, isWanted: (node: SimNode) => boolean): SimNode {
  const { nodes, rng } = network
  for (let tries = 0; tries < 100_000; tries++) {
    const node = nodes[rng.below(nodes.length)] as SimNode
    if (!node.isDown && node.fault === undefined && isWanted(node)) return node
  }
  throw new UsageError('no node is left that could ask: more nodes, fewer faults or fewer requests')
}

/** Removes exactly that share of the nodes at once. */
export function removeShare(network: SimNetwork, share: number): void {
  for (const node of drawShare(network, share)) network.remove(node)
}

/** Gives exactly that share of the nodes the fault; who has one already keeps it. */
export function spoilShare(network: SimNetwork, share: number, fault: Fault): void {
  for (const node of drawShare(network, share)) node.fault = fault
}

function drawShare({ nodes, rng }: SimNetwork, share: number): SimNode[] {
  const left = nodes.filter((node) => !node.isDown && node.fault === undefined)
  const count = Math.min(left.length, Math.round(nodes.length * share))
  for (let at = 0; at < count; at++) {
    const other = at + rng.below(left.length - at)
    ;[left[at], left[other]] = [left[other] as SimNode, left[at] as SimNode]
  }
  return left.slice(0, count)
}

/** What the trials took. `withinMs`: an answer that came later is no success. */
export function figuresOf(trials: readonly Trial[], withinMs = Infinity): Figures {
  const isGood = (trial: Trial): boolean =>
    trial.result === 'found' && trial.endMs - trial.startMs <= withinMs
  const hops = trials
    .filter(isGood)
    .map((trial) => trial.hops)
    .toSorted((a, b) => a - b)
  const messages = trials.map(messagesOf)
  const atOneHome = trials.flatMap((trial) => trial.messages)
  return {
    success: rounded(hops.length / trials.length),
    meanHops: mean(hops),
    p50Hops: quantile(hops, 0.5),
    p75Hops: quantile(hops, 0.75),
    p95Hops: quantile(hops, 0.95),
    meanMessages: mean(messages) ?? 0,
    maxMessages: largest(messages),
    maxMessagesPerHome: largest(atOneHome),
  }
}

function largest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0)
}

/** Share of the blocks of which a copy is left at a node that is up and does as it should. */
export function ceilingOf(network: SimNetwork, trials: readonly Trial[]): number {
  const isGood = (index: number): boolean => {
    const node = network.nodes[index]
    return node !== undefined && !node.isDown && node.fault === undefined
  }
  return rounded(trials.filter(({ holders }) => [...holders].some(isGood)).length / trials.length)
}

/** The median of whole numbers as if each were spread over its unit: it grows smoothly. */
export function groupedMedian(values: readonly number[]): number | null {
  const median = quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
  if (median === null) return null
  const below = values.filter((value) => value < median).length
  const equal = values.filter((value) => value === median).length
  return rounded(median - 0.5 + (values.length / 2 - below) / equal)
}

/** Nearest rank, of sorted values. */
export function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}

export function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null
  return rounded(values.reduce((a, b) => a + b, 0) / values.length)
}

/** Four digits after the point: what is printed claims no more. */
export function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4
}
