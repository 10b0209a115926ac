/**
 * The keyring's two files of the data directory (spec §11.8): `keyring.key`, and `keyring` sealed under
 * it. What cannot be opened is never written over: it may hold the only copy of somebody's name.
 * @module
 */
import { ShoalError } from '../errors.ts'
import {
  KEYRING_KEY_BYTES,
  createKeyringKey,
  createKeyringSeal,
  sealedBytes,
} from './keyring-seal.ts'
import type { KeyringSeal } from './keyring-seal.ts'
import { decodeKeys, encodeKeys } from './keyring-codec.ts'
import type { StoredKey } from './keyring-codec.ts'
import type { SmallFiles } from './small-files.ts'

const SECRET_FILE = 'keyring.key'
const KEYS_FILE = 'keyring'
const LABEL = 'shoal/keyring/keys/1'
/** Largest `keyring`, bytes; while it is rewritten it is there twice. */
export const MAX_KEYRING_BYTES = 512 * 1024

export class KeyFile {
  readonly #files: SmallFiles
  readonly seal: KeyringSeal

  private constructor(files: SmallFiles, seal: KeyringSeal) {
    this.#files = files
    this.seal = seal
  }

  /**
   * Opens both files, or makes them: a node that never publishes has them too. @throws ShoalError
   * E_STORE_IO naming the file that is missing, damaged or of another keyring; both stay as they are.
   */
  static async open(files: SmallFiles): Promise<{ file: KeyFile; keys: readonly StoredKey[] }> {
    const sealed = await files.read(KEYS_FILE, MAX_KEYRING_BYTES)
    const secret = await files.read(SECRET_FILE, KEYRING_KEY_BYTES)
    if (secret === undefined && sealed !== undefined) throw damaged(`${SECRET_FILE} is missing`)
    if (secret !== undefined && secret.length !== KEYRING_KEY_BYTES) {
      throw damaged(`${SECRET_FILE} is damaged`)
    }
    const keyringKey = secret ?? createKeyringKey()
    if (secret === undefined) await files.write(SECRET_FILE, keyringKey)
    const file = new KeyFile(files, createKeyringSeal(keyringKey))
    keyringKey.fill(0)
    if (sealed !== undefined) return { file, keys: file.#decode(sealed) }
    await file.write([])
    return { file, keys: [] }
  }

  /** @throws ShoalError E_STORE_FULL where the keys need more room than the keyring has, E_STORE_IO. */
  async write(keys: Iterable<StoredKey>): Promise<void> {
    const plaintext = encodeKeys(keys)
    if (sealedBytes(plaintext.length) > MAX_KEYRING_BYTES) {
      throw new ShoalError('E_STORE_FULL', 'The keyring is full: its keys have too many documents.')
    }
    const sealed = this.seal.seal(LABEL, plaintext)
    plaintext.fill(0)
    await this.#files.write(KEYS_FILE, sealed)
  }

  #decode(sealed: Uint8Array): readonly StoredKey[] {
    const plaintext = this.seal.open(LABEL, sealed)
    if (plaintext === undefined)
      throw damaged(`${KEYS_FILE} is damaged or of another ${SECRET_FILE}`)
    const keys = decodeKeys(plaintext)
    plaintext.fill(0)
    return keys
  }
}

function damaged(what: string): ShoalError {
  const advice =
    'nothing was changed: put back a copy of both files, or move them away to start anew'
  return new ShoalError('E_STORE_IO', `${what} in the data directory; ${advice}.`)
}
