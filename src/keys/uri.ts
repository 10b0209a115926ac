/** @module */
import type { Address } from './block.ts'

/** One URI that names content by its bytes: what fetch takes. */
export interface ContentUri {
  readonly type: 'chk'
  /** Address of the tree's root block. */
  readonly reference: Address
  /** Opens the root block. */
  readonly readKey: Uint8Array
  /** Levels of inner nodes above the leaves: 0, the root block is the only leaf. */
  readonly level: number
  readonly kind: 'bare' | 'manifest'
  /** Last path segment, decoded; undefined where the URI has none. A hint, never trusted. */
  readonly name: string | undefined
}

export interface PublisherUri {
  readonly type: 'ssk' | 'usk' | 'ksk'
}

export type ShoalUri = ContentUri | PublisherUri

/**
 * Any spelling of a key: `CHK@…`, `SSK@…`, `USK@…`, `KSK@…`, `urn:eris:…`, with `freenet:` or
 * `shoal:` in front, percent-encoded. @throws ShoalError E_URI naming the part that is wrong.
 */
export declare function parseUri(text: string): ShoalUri
/** The canonical spelling (name percent-encoded): CHK@… for manifests and bare content alike. */
export declare function formatUri(uri: ContentUri): string
/** `urn:eris:…` of bare content. @throws RangeError for a manifest. */
export declare function formatUrn(uri: ContentUri): string
