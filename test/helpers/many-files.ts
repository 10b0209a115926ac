/**
 * A process that writes 100,000 files in one folder and reads them back: `node --expose-gc many-files.js
 * <seed>` prints a report as JSON. A process of its own: the test runner's hooks cost ten times the work.
 * @module
 */
import type { FolderItem } from '../../src/content/folder-item.ts'
import { findPath } from '../../src/content/site.ts'
import { utf8 } from '../../src/keys/bytes.ts'
import { createBlockMap } from './block-map.ts'
import type { BlockMap } from './block-map.ts'
import { createSeededRng } from './rng.ts'

const COUNT = 100_000

export interface ManyFilesReport {
  readonly files: number
  /** Bytes in use after 80,000 to 100,000 files beyond those after 10,000 to 30,000; blocks are not kept. */
  readonly growthBytes: number
  /** Blocks asked for to find a file, for each of some files; -1 where it was not found. */
  readonly lookUps: readonly number[]
  readonly absentFound: number
  /** Lines of the listing up to the first that is wrong. */
  readonly listed: number
}

function nameOf(index: number): string {
  return `a rather long name of a file, number ${String(index).padStart(6, '0')}.html`
}

async function* manyFiles(onFile: (index: number) => void): AsyncGenerator<FolderItem> {
  for (let i = 0; i < COUNT; i++) {
    onFile(i)
    const bytes = utf8(`content of ${nameOf(i)}`)
    yield await Promise.resolve({
      type: 'file',
      path: nameOf(i),
      size: bytes.length,
      content: once(bytes),
    } as const)
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield await Promise.resolve(bytes)
}

function bytesInUse(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function measureGrowth(): Promise<number> {
  const inUse: number[] = []
  await createBlockMap({ keep: false }).add(
    manyFiles((index) => {
      if (index % 10_000 === 9_999) inUse.push(bytesInUse())
    }),
  )
  // what waits for its pack to close differs from moment to moment: medians of three
  return median(inUse.slice(-3)) - median(inUse.slice(0, 3))
}

function median(three: readonly number[]): number {
  return [...three].sort((a, b) => a - b)[1] as number
}

const map: BlockMap = createBlockMap()
const { files, opened } = await map.add(manyFiles(() => {}))

async function lookUp(name: string): Promise<number> {
  map.asked.length = 0
  const found = await findPath(opened, [name], map.fetchContext)
  return found.type === 'file' ? map.asked.length : -1
}

async function countListed(): Promise<number> {
  const folder = await findPath(opened, [''], map.fetchContext)
  let listed = 0
  if (folder.type !== 'folder') return listed
  for await (const { name } of folder.list()) {
    if (name !== nameOf(listed++)) break
  }
  return listed
}

const rng = createSeededRng(Number(process.argv[2]))
const indexes = [0, COUNT - 1, ...Array.from({ length: 20 }, () => rng.below(COUNT))]
const lookUps: number[] = []
for (const index of indexes) lookUps.push(await lookUp(nameOf(index)))
let absentFound = 0
for (const absent of ['A', 'b', `${nameOf(5)}x`]) {
  if ((await lookUp(absent)) >= 0) absentFound++
}
const report: ManyFilesReport = {
  files,
  growthBytes: await measureGrowth(),
  lookUps,
  absentFound,
  listed: await countListed(),
}
process.stdout.write(JSON.stringify(report))
