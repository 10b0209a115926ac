/**
 * Every preset by its name.
 * @module
 */
import type { Preset } from './preset.ts'
import { droppers, latency, liars, lookAheadLiars, nat, poison } from './presets-hostile.ts'
import { joinLeave } from './presets-churn.ts'
import { joining, joiningLiars } from './presets-join.ts'
import { clarkeConvergence, natLive } from './presets-live.ts'
import { clarkeFailure, clarkeScaling, ringTable } from './presets-published.ts'
import { simulator } from './presets-simulator.ts'

export const PRESETS: Readonly<Record<string, Preset>> = {
  'clarke2001-convergence': clarkeConvergence,
  'clarke2001-scaling': clarkeScaling,
  'clarke2001-failure': clarkeFailure,
  'ring-table': ringTable,
  droppers,
  liars,
  'look-ahead-liars': lookAheadLiars,
  'poison-30': poison,
  latency,
  nat,
  'nat-live': natLive,
  joining,
  'joining-liars': joiningLiars,
  'join-leave': joinLeave,
  simulator,
}
