/**
 * What a node has promised to go on with after a restart: uploads that are not whole, downloads to disk.
 * Small records in the data directory, sealed under a key of their own, which `shoal panic` destroys
 * (spec §11.12); in memory for a node without a directory.
 * @module
 */
import { join } from 'node:path'

import { ShoalError } from './errors.ts'
import { JOURNAL_FOLDER, JOURNAL_KEY } from './journal-files.ts'
import { createKeyringKey, createKeyringSeal, KEYRING_KEY_BYTES } from './keyring/keyring-seal.ts'
import type { KeyringSeal } from './keyring/keyring-seal.ts'
import { createMemoryFiles, openDiskFiles } from './keyring/small-files.ts'
import type { SmallFiles } from './keyring/small-files.ts'

/** Largest record, bytes: 1,000 downloads with long paths. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024

/** Records by name. All methods throw ShoalError E_STORE_IO, E_STORE_FULL. */
export interface Journal {
  names(): Promise<readonly string[]>
  /** The record with zeros after it; undefined where it is absent, damaged or of another journal. */
  read(name: string): Promise<Uint8Array | undefined>
  /** Resolves when the record would be found after a power cut; until then the old one would be. */
  write(name: string, record: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
}

/**
 * Opens the journal, or makes an empty one. A key that is damaged is replaced: what it sealed is lost, and
 * only uploads and downloads begin anew. @throws ShoalError E_STORE_IO
 */
export async function openJournal(dataDir: string | undefined): Promise<Journal> {
  if (dataDir === undefined) return createMemoryJournal()
  const keys = await openDiskFiles(dataDir, '')
  const old = await keys.read(JOURNAL_KEY, KEYRING_KEY_BYTES)
  const key = old?.length === KEYRING_KEY_BYTES ? old : createKeyringKey()
  if (key !== old) await keys.write(JOURNAL_KEY, key)
  const seal = createKeyringSeal(key)
  key.fill(0)
  const folder = join(dataDir, JOURNAL_FOLDER)
  return journalOf(await openDiskFiles(folder, `${JOURNAL_FOLDER}/`), seal)
}

export function createMemoryJournal(): Journal {
  return journalOf(createMemoryFiles(), createKeyringSeal(createKeyringKey()))
}

function journalOf(files: SmallFiles, seal: KeyringSeal): Journal {
  return {
    names: async () => (await files.list()).map(({ name }) => name),
    async read(name) {
      const sealed = await files.read(name, MAX_RECORD_BYTES)
      return sealed === undefined ? undefined : seal.open(name, sealed)
    },
    async write(name, record) {
      const sealed = seal.seal(name, record)
      if (sealed.length > MAX_RECORD_BYTES) {
        throw new ShoalError('E_STORE_FULL', 'The journal has no room for that.')
      }
      await files.write(name, sealed)
    },
    remove: (name) => files.remove(name),
  }
}
