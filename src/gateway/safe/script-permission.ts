/**
 * Which sites may run scripts: those that their reader allowed, by label, until the node ends. Nothing is
 * written down: a list of sites would say what was read.
 * @module
 */
import { ShoalError } from '../../errors.ts'
import type { ShoalUri } from '../../keys/uri.ts'

interface Permission {
  /** The key by which the reader named the site, without a path. */
  readonly uri: ShoalUri
  readonly isAllowed: boolean
}

/** Sites that were allowed since the start; one more is refused. */
const MAX_SITES = 256

/** Permissions in memory, none at first. */
export class ScriptPermissions {
  readonly #sites = new Map<string, Permission>()

  isAllowed(label: string): boolean {
    return this.#sites.get(label)?.isAllowed === true
  }

  /** True also after a revocation: a page that is still open goes on, and is held to what it was allowed. */
  wasAllowed(label: string): boolean {
    return this.#sites.has(label)
  }

  /** Of the sites that may run scripts, the one allowed last at the end. */
  get allowed(): readonly ShoalUri[] {
    return [...this.#sites.values()].filter(({ isAllowed }) => isAllowed).map(({ uri }) => uri)
  }

  /** `uri`: any key of the site. @throws ShoalError E_BUSY */
  allow(label: string, uri: ShoalUri): void {
    if (!this.#sites.has(label) && this.#sites.size >= MAX_SITES) {
      const detail = `Since the node started ${MAX_SITES} sites were allowed to run scripts: no more until it starts again.`
      throw new ShoalError('E_BUSY', detail)
    }
    this.#sites.delete(label)
    this.#sites.set(label, { uri: { ...uri, path: [] }, isAllowed: true })
  }

  revoke(label: string): void {
    const site = this.#sites.get(label)
    if (site !== undefined) this.#sites.set(label, { ...site, isAllowed: false })
  }

  revokeAll(): void {
    for (const label of this.#sites.keys()) this.revoke(label)
  }
}
