/**
 * Editions of sites that their readers were led to: by a link, the address bar, or the gateway itself, which
 * sends them on to the newest one. A script gets no others (`sites.ts`).
 * @module
 */

/** As much as anybody has open; of more the oldest go, and a page that is open there has to be opened anew. */
const MAX_EDITIONS = 1024

export type EditionName = number | 'latest'

/** In memory, and not listed anywhere. */
export class OpenEditions {
  /** In the order in which they were opened last. */
  readonly #open = new Set<string>()

  /** `label`: of the site. */
  add(label: string, edition: EditionName): void {
    const entry = entryOf(label, edition)
    this.#open.delete(entry)
    this.#open.add(entry)
    if (this.#open.size <= MAX_EDITIONS) return
    const [oldest = ''] = this.#open
    this.#open.delete(oldest)
  }

  has(label: string, edition: EditionName): boolean {
    return this.#open.has(entryOf(label, edition))
  }
}

function entryOf(label: string, edition: EditionName): string {
  return `${label}/${edition}`
}
