/**
 * A process that makes keys until it is killed: `node keyring-writer.js <dataDir> <prefix>`. Prints a
 * line for each key that it was told is safe.
 * @module
 */
import { openKeyring } from '../../src/keyring.ts'

const [, , dataDir, prefix] = process.argv
const keyring = await openKeyring({ dataDir })
for (let i = 0; ; i++) {
  const { name, uri } = await keyring.create(`${prefix} ${i}`)
  await keyring.setEdition(name, 'site', i)
  process.stdout.write(`${name}\t${uri}\t${i}\n`)
}
