/**
 * One-hop fetch through two nodes and the gateway, against the raw stream between two processes, in
 * turn; and the time to the first byte of a large and a small file. `npm run bench:fetch -- [MiB] [rounds]`
 * @module
 */
import { measureRawStream } from './raw-stream.ts'
import {
  awaitPeers,
  awaitSpread,
  download,
  freshBytes,
  median,
  put,
  report,
  startNetwork,
} from './processes.ts'

const MIB = 1024 * 1024
const largeBytes = Number(process.argv[2] ?? 512) * MIB
const rounds = Number(process.argv[3] ?? 3)
const SMALL_BYTES = 100 * 1024
const SMALL_FILES = 10

const network = await startNetwork()
try {
  const holder = await network.add('4GiB')
  const other = await network.add('4GiB')
  await awaitPeers(holder, 1)
  const small = []
  for (let file = 0; file < SMALL_FILES; file++) {
    small.push(await put(holder, freshBytes(SMALL_BYTES)))
  }
  const large = await put(holder, freshBytes(largeBytes))
  for (const { status } of [...small, large]) await awaitSpread(holder, status)
  await other.stop() // the holder has everything now, and the readers below nothing
  const ratios = []
  for (let round = 1; round <= rounds; round++) {
    const rawSpeed = await measureRawStream(largeBytes)
    const reader = await network.add('256MiB')
    await awaitPeers(reader, 1)
    const smallFirstBytes = []
    for (const { path } of small) smallFirstBytes.push((await download(reader, path)).firstByteMs)
    const [readerCpu, holderCpu] = [await reader.cpuSeconds(), await holder.cpuSeconds()]
    const ownCpu = process.cpuUsage()
    const { bytes, ms, firstByteMs } = await download(reader, large.path)
    const { user, system } = process.cpuUsage(ownCpu)
    const perBlock = (seconds: number): number => (seconds * 1e6) / (bytes / 32_768)
    const speed = bytes / 1e3 / ms
    ratios.push(speed / rawSpeed)
    report({
      bench: 'fetch',
      round,
      bytes,
      rawMBps: rawSpeed,
      fetchMBps: speed,
      ratio: speed / rawSpeed,
      firstByteMs,
      smallFirstByteMs: median(smallFirstBytes),
      readerCpuUsPerBlock: perBlock((await reader.cpuSeconds()) - readerCpu),
      holderCpuUsPerBlock: perBlock((await holder.cpuSeconds()) - holderCpu),
      clientCpuUsPerBlock: perBlock((user + system) / 1e6),
      readerPeakRssMB: (await reader.peakRssBytes()) / 1e6,
      holderPeakRssMB: (await holder.peakRssBytes()) / 1e6,
    })
    await reader.stop()
  }
  report({ bench: 'fetch', medianRatio: median(ratios), target: 0.6 })
} finally {
  await network.stop()
}
