/**
 * Memory of nodes while a large file streams through insert, spread and fetch.
 * `npm run bench:memory -- [MiB]`
 * @module
 */
import {
  awaitPeers,
  awaitSpread,
  download,
  freshBytes,
  put,
  report,
  startNetwork,
} from './processes.ts'

const MIB = 1024 * 1024
const bytes = Number(process.argv[2] ?? 4096) * MIB
const storeSize = `${Math.ceil((bytes / MIB) * 2.5)}MiB`

const network = await startNetwork()
try {
  const [inserter, holder, reader] = [
    await network.add(storeSize),
    await network.add(storeSize),
    await network.add('256MiB'),
  ]
  for (const node of [inserter, holder, reader]) await awaitPeers(node, 2)
  const startMs = performance.now()
  const { path, status } = await put(inserter, freshBytes(bytes))
  const putMs = performance.now() - startMs
  await awaitSpread(inserter, status)
  const spreadMs = performance.now() - startMs
  const fetched = await download(reader, path)
  report({
    bench: 'memory',
    bytes,
    putMBps: bytes / 1e3 / putMs,
    spreadMBps: bytes / 1e3 / spreadMs,
    fetchMBps: fetched.bytes / 1e3 / fetched.ms,
    isWhole: fetched.bytes === bytes,
    inserterPeakRssMB: (await inserter.peakRssBytes()) / 1e6,
    holderPeakRssMB: (await holder.peakRssBytes()) / 1e6,
    readerPeakRssMB: (await reader.peakRssBytes()) / 1e6,
    target: 300,
  })
} finally {
  await network.stop()
}
