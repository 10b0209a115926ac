/**
 * A process of its own that extends a slab, so that a test can set a limit to the size of its files:
 * `node slab-extender.js PATH SLOTS` prints the error's code and how many slots there are then.
 * @module
 */
import { openSlab } from '../../src/datastore/slab.ts'

const [path, count] = process.argv.slice(2) as [string, string]
const slab = await openSlab(path, Number(count))
const code = await slab.extend(Number(count)).then(
  () => 'none',
  (error: unknown) => (error instanceof Error && 'code' in error ? error.code : 'unknown'),
)
console.log(JSON.stringify({ code, slots: slab.slots }))
await slab.close()
