/**
 * What the keyring keeps beside the keys (spec §11.8), in sealed files within one budget: what was
 * spread already, which may be lost at any time, and what waits for a check, which is pinned.
 * @module
 */
import type { KeyringSeal } from './keyring-seal.ts'
import { plaintextBytes, sealedBytes } from './keyring-seal.ts'
import type { SmallFiles } from './small-files.ts'

/** More than one for each document of a busy publisher; bounds the folder itself. */
const MAX_FILES = 1024
/** As the seal makes them. */
const FILE_NAME = /^[0-9a-f]{32}$/

export class SideFiles {
  readonly #files: SmallFiles
  readonly #seal: KeyringSeal
  readonly #maxBytes: number
  /** The one that was written the longest ago first. */
  readonly #sizes = new Map<string, number>()
  readonly #pinned = new Set<string>()
  #usedBytes = 0

  private constructor(files: SmallFiles, seal: KeyringSeal, maxBytes: number) {
    this.#files = files
    this.#seal = seal
    this.#maxBytes = maxBytes
  }

  /** Files under other names than ours are left alone. @throws ShoalError E_STORE_IO */
  static async open(files: SmallFiles, seal: KeyringSeal, maxBytes: number): Promise<SideFiles> {
    const side = new SideFiles(files, seal, maxBytes)
    for (const { name, sizeBytes } of await files.list()) {
      if (FILE_NAME.test(name)) side.#enter(name, sizeBytes)
    }
    return side
  }

  /** Those that are there, the oldest first. */
  names(): readonly string[] {
    return [...this.#sizes.keys()]
  }

  /** Longest plaintext that a file may have now, bytes; negative: none. */
  get roomBytes(): number {
    let pinnedBytes = 0
    for (const name of this.#pinned) pinnedBytes += this.#sizes.get(name) ?? 0
    return plaintextBytes(this.#maxBytes - pinnedBytes)
  }

  /** The plaintext with zeros after it, undefined where it is absent or does not open. */
  async read(name: string): Promise<Uint8Array | undefined> {
    if (!this.#sizes.has(name)) return undefined
    const sealed = await this.#files.read(name, this.#maxBytes)
    return sealed === undefined ? undefined : this.#seal.open(name, sealed)
  }

  /** Drops the oldest files that are not pinned until this one fits; false where it does not. */
  async write(name: string, plaintext: Uint8Array): Promise<boolean> {
    const sizeBytes = sealedBytes(plaintext.length)
    await this.remove(name)
    await this.dropUntil(this.#maxBytes - sizeBytes, MAX_FILES - 1)
    if (this.#usedBytes + sizeBytes > this.#maxBytes) return false
    await this.#files.write(name, this.#seal.seal(name, plaintext))
    this.#enter(name, sizeBytes)
    return true
  }

  /** Keeps a file until it is removed by name. */
  pin(name: string): void {
    this.#pinned.add(name)
  }

  async remove(name: string): Promise<void> {
    if (!this.#sizes.has(name)) return
    await this.#files.remove(name)
    this.#usedBytes -= this.#sizes.get(name) ?? 0
    this.#sizes.delete(name)
    this.#pinned.delete(name)
  }

  /** Drops the oldest that are not pinned until at most that much is left. */
  async dropUntil(bytes: number, files: number): Promise<void> {
    for (const name of this.names()) {
      if (this.#usedBytes <= bytes && this.#sizes.size <= files) return
      if (!this.#pinned.has(name)) await this.remove(name)
    }
  }

  #enter(name: string, sizeBytes: number): void {
    this.#sizes.set(name, sizeBytes)
    this.#usedBytes += sizeBytes
  }
}
