/**
 * What a preset cannot measure is refused before it runs, so that each line tells of what was there.
 * @module
 */
import { SHARES, UsageError } from './options.ts'
import type { Lists } from './options.ts'
import type { Preset } from './preset.ts'

/** Some good nodes must be left, and no line may name what its network had not. @throws UsageError */
export function checkLists(name: string, preset: Preset, lists: Lists): void {
  const { faults = SHARES } = preset
  const alien = SHARES.find((share) => !faults.includes(share) && Math.max(...lists[share]) > 0)
  if (alien !== undefined)
    throw new UsageError(`${name} measures without such nodes: no --${alien}`)
  if (preset.isHomeZeroAlone === true && Math.max(...lists.homes) > 1) {
    throw new UsageError(`${name} measures home 0 alone: no --homes 2 or 3`)
  }
  const worst = SHARES.reduce((sum, share) => sum + Math.max(...lists[share]), 0)
  const least = Math.min(...lists.nodes)
  if (least * (1 - worst) < Math.max(...lists.degree)) {
    throw new UsageError('fewer good nodes are left than a node has links')
  }
  for (const share of SHARES) {
    const nobody = lists[share].find((value) => value > 0 && Math.round(least * value) === 0)
    if (nobody === undefined) continue
    throw new UsageError(`--${share} ${nobody}: that is nobody of ${least} nodes`)
  }
}
