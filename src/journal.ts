/**
 * What a node has promised to go on with after a restart: uploads that are not whole, downloads to disk.
 * Small records in the data directory, sealed under a key that goes with the store key (spec §11.12); in
 * memory for a node without a directory.
 * @module
 */
import { join } from 'node:path'

import { ShoalError } from './errors.ts'
import { JOURNAL_FOLDER } from './journal-files.ts'
import { createKeyringKey, createKeyringSeal } from './keyring/keyring-seal.ts'
import type { KeyringSeal } from './keyring/keyring-seal.ts'
import { createMemoryFiles, openDiskFiles } from './keyring/small-files.ts'
import type { SmallFiles } from './keyring/small-files.ts'

/** Largest record, bytes: an upload of 1 TiB. */
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

export interface JournalOptions {
  /** undefined: in memory only. */
  readonly dataDir: string | undefined
  /** What seals it; undefined: in memory only. */
  readonly journalKey: Uint8Array | undefined
}

/** Opens the journal, or makes an empty one; overwrites the key. @throws ShoalError E_STORE_IO */
export async function openJournal({ dataDir, journalKey }: JournalOptions): Promise<Journal> {
  if (dataDir === undefined || journalKey === undefined) return createMemoryJournal()
  const seal = createKeyringSeal(journalKey)
  journalKey.fill(0)
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
