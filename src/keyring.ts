/**
 * The publisher keys of a node (spec §11.8): named seeds, the newest edition of each of their documents,
 * and what helps the next publication. In the data directory, sealed; in memory without one.
 * @module
 */
import { join } from 'node:path'

import { mapKey } from './keys/bytes.ts'
import { Claims } from './keyring/claims.ts'
import { KeyFile } from './keyring/key-file.ts'
import type { Keyring } from './keyring/keyring.ts'
import { NodeKeyring, openKey } from './keyring/node-keyring.ts'
import { SpreadRecords } from './keyring/records.ts'
import { SideFiles } from './keyring/side-files.ts'
import { createMemoryFiles, openDiskFiles } from './keyring/small-files.ts'
import type { PublisherKeys } from './node-types.ts'

export type { Claim } from './keyring/keyring-codec.ts'
export type { ClaimPlace } from './keyring/claims.ts'
export type { KeyInfo, Keyring } from './keyring/keyring.ts'

/** What records and claims may take by default, bytes: it fits the reserve of any quota (spec §11.4). */
export const DEFAULT_RECORD_BYTES = 768 * 1024
const SIDE_FOLDER = 'keyring.d'

export interface KeyringOptions {
  /** undefined: in memory only. */
  readonly dataDir: string | undefined
  /** What spread records and claims may take of the data directory; default DEFAULT_RECORD_BYTES. */
  readonly maxRecordBytes?: number
}

/** Opens the keyring, or makes an empty one. @throws ShoalError E_STORE_IO naming the file at fault. */
export async function openKeyring(options: KeyringOptions): Promise<Keyring> {
  const { dataDir, maxRecordBytes = DEFAULT_RECORD_BYTES } = options
  const inMemory = dataDir === undefined
  const { file, keys } = await KeyFile.open(
    inMemory ? createMemoryFiles() : await openDiskFiles(dataDir, ''),
  )
  const sideFolder = inMemory
    ? createMemoryFiles()
    : await openDiskFiles(join(dataDir, SIDE_FOLDER), `${SIDE_FOLDER}/`)
  const openKeys = new Map(keys.map((key) => [key.name, openKey(key)]))
  const keyNames = new Map(
    [...openKeys.values()].map(({ name, publisher }) => [mapKey(publisher.publicKey), name]),
  )
  const side = await SideFiles.open(sideFolder, file.seal, maxRecordBytes)
  const claims = await Claims.open(side, file.seal, keyNames)
  await side.dropUntil(maxRecordBytes, Number.POSITIVE_INFINITY)
  return new NodeKeyring(openKeys, { file, claims, records: new SpreadRecords(side, file.seal) })
}

/** The keyring as the gateway and library users see it. */
export function publisherKeysOf(keyring: Keyring): PublisherKeys {
  return {
    list: () => keyring.list(),
    create: (name) => keyring.create(name),
    get: (name) => keyring.info(name),
    documentUri: (name, document) => keyring.documentUri(name, document),
    export: (name) => keyring.exportText(name),
    import: (text, name) => keyring.importText(text, name),
    remove: (name) => keyring.remove(name),
  }
}
