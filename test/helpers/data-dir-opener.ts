/**
 * A process that opens a data directory, says "open" or the code of the error, and keeps it open until
 * its standard input ends: `node data-dir-opener.js FOLDER BYTES`.
 * @module
 */
import { openDataDir } from '../../src/datastore/data-dir.ts'
import { isShoalError } from '../../src/errors.ts'
import { silentLogger } from '../../src/runtime.ts'

const [, , folder = '', bytes = ''] = process.argv
const storeBytes = Number(bytes)
try {
  const options = { storeBytes, defaultBytes: storeBytes, passphrase: undefined }
  const dir = await openDataDir(folder, { ...options, logger: silentLogger })
  console.log('open')
  for await (const piece of process.stdin) void piece
  await dir.slab.close()
  await dir.index.close()
} catch (error) {
  console.log(isShoalError(error) ? error.code : String(error))
}
