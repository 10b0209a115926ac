/**
 * Makes the vector files from the reference. Run it from the test build: without an argument it says
 * which files would change, `--write` rewrites them. A changed vector is a changed format: it comes
 * with a change of docs/spec.md, so an automatic build may look but not write.
 * @module
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

import { makeBlockVectors, makeHomeVectors } from './make-blocks.ts'
import { makeErisVectors } from './make-eris.ts'
import { makeNetworkVectors } from './make-network.ts'
import { makeSignedVectors } from './make-signed.ts'
import { makeUriVectors } from './make-uris.ts'
import { vectorPath } from './vector.ts'
import type { FILES, Vector } from './vector.ts'

const MAKERS: Record<(typeof FILES)[number], () => Vector[]> = {
  eris: makeErisVectors,
  blocks: makeBlockVectors,
  signed: makeSignedVectors,
  uris: makeUriVectors,
  homes: makeHomeVectors,
  network: makeNetworkVectors,
}

/** The text of each vector file as the reference has it now. */
export function generateFiles(): Map<string, string> {
  const files = Object.entries(MAKERS).map(([file, make]): [string, string] => {
    return [file, `${JSON.stringify(make(), null, 1)}\n`]
  })
  return new Map(files)
}

function main(): void {
  const writes = process.argv.includes('--write')
  if (writes && process.env['CI'] === 'true') throw new Error('vectors are not rewritten under CI')
  for (const [file, text] of generateFiles()) {
    const path = vectorPath(file)
    if (writes) writeFileSync(path, text)
    else if (readFileSync(path, 'utf8') !== text) console.log(`${path} would change`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
