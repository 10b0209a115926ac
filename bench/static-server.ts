/**
 * express.static on a folder: what the gateway is measured against. Says where it listens, and serves
 * until its input ends.
 * @module
 */
import type { AddressInfo } from 'node:net'

import express from 'express'

const app = express()
app.disable('x-powered-by')
app.use(express.static(process.argv[2] as string, { etag: false }))
const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(`http://127.0.0.1:${port}/`)
})
process.stdin.on('end', () => process.exit(0)).resume()
