/**
 * What must hold in every run, whatever the faults: a run in which one of these fails ends at once.
 * @module
 */
import type { Block } from '../../src/keys/block.ts'
import type { RequestMessage } from '../../src/routing/messages.ts'
import type { FetchResult } from '../../src/routing/ports.ts'
import { distance } from '../../src/routing/position.ts'
import type { SimNode } from './sim-node.ts'
import type { Trial } from './trial.ts'

export class Invariants {
  readonly #nodes: readonly SimNode[]
  /** Blocks accepted that were not the ones asked for: 0, or the run has ended. */
  wrongBlocks = 0

  constructor(nodes: readonly SimNode[]) {
    this.#nodes = nodes
  }

  /** Every greedy step is strictly nearer to the home. */
  asked(from: SimNode, to: SimNode, of: { request: RequestMessage; trial: Trial }): void {
    const { request, trial } = of
    if (request.phase !== 'greedy') return
    const target = trial.positions[request.home] as number
    if (distance(to.position, target) < distance(from.position, target)) return
    throw new Error(`node ${from.index} sends a ${request.type} no nearer to its home`)
  }

  /** Who was sent a wrong block passes it on to nobody. */
  sentPoison(by: SimNode): void {
    if (by.fault !== 'poisoner') this.#wrong('passed on')
  }

  /** No block is kept that was not verified. */
  kept(trial: Trial, block: Block): void {
    if (block !== trial.block) this.#wrong('kept')
  }

  /** No wrong byte reaches who asked, and each request ends once. */
  fetched(trial: Trial, result: FetchResult): void {
    if (trial.result !== undefined) throw new Error('a request ended twice')
    if (result.type === 'found' && result.block !== trial.block) this.#wrong('fetched')
  }

  /** Only who is at fault is banned. */
  banned(by: SimNode, peer: SimNode): void {
    if (peer.fault === undefined) throw new Error(`node ${by.index} bans an honest node`)
  }

  /** When nothing is left to happen, nothing is open, and every request has its answer. */
  atRest(trials: readonly Trial[]): void {
    const unanswered = trials.filter(({ result }) => result === undefined).length
    if (unanswered > 0) throw new Error(`${unanswered} requests never ended`)
    for (const { index, router, isDown } of this.#nodes) {
      const { fetches, inserts, asked, timers } = router.load
      if (isDown || fetches + inserts + asked + timers === 0) continue
      throw new Error(`node ${index} is left with ${JSON.stringify(router.load)}`)
    }
  }

  #wrong(how: string): never {
    this.wrongBlocks++
    throw new Error(`a wrong block was ${how}`)
  }
}
