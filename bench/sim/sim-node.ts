/**
 * A node of the simulator.
 * @module
 */
import type { PeerId } from '../../src/routing/ports.ts'
import type { Router } from '../../src/routing/router.ts'
import type { Fault } from './faults.ts'

export interface SimNode {
  readonly index: number
  readonly position: number
  readonly router: Router
  /** By index of the other node: the number its router knows the link by. */
  readonly links: Map<number, PeerId>
  fault: Fault | undefined
  isDown: boolean
}
