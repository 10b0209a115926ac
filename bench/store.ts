/**
 * The block store against its yardsticks, and against its limits of disk, memory and time.
 * `npm run bench:store -- [speed] [costs] [quota] [large] [upkeep] [--store MiB] [--rounds N]
 * [--minutes N] [--slots N]`; without a name, all parts. Ends with exit code 1 where the store was over
 * its quota.
 * @module
 */
import { parseArgs } from 'node:util'

import { measureCosts } from './store-costs.ts'
import { printTable } from './store-kit.ts'
import type { Row } from './store-kit.ts'
import { measureLarge } from './store-large.ts'
import { measureQuota } from './store-quota.ts'
import { measureSpeed } from './store-speed.ts'
import { measureUpkeep } from './store-upkeep.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '5' },
    minutes: { type: 'string', default: '0.5' },
    slots: { type: 'string', default: '3300000' },
  },
})
const storeMiB = Number(values.store)

const PARTS: Readonly<Record<string, () => Promise<Row[]>>> = {
  speed: () => measureSpeed({ storeMiB, rounds: Number(values.rounds) }),
  costs: () => measureCosts({ storeMiB }),
  quota: () => measureQuota({ storeMiB, minutes: Number(values.minutes) }),
  large: () => measureLarge({ slots: Number(values.slots) }),
  upkeep: () => measureUpkeep({ storeMiB }),
}

const unknown = positionals.find((name) => !(name in PARTS))
if (unknown !== undefined)
  throw new Error(`${unknown}: not one of ${Object.keys(PARTS).join(', ')}`)
const rows: Row[] = []
for (const [name, measure] of Object.entries(PARTS)) {
  if (positionals.length === 0 || positionals.includes(name)) rows.push(...(await measure()))
}
printTable(rows)
