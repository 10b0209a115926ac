/**
 * Every site has an origin of its own, `http://<label>.localhost:<port>`: the label follows from its key
 * and a secret of the node, so that neither `Origin` nor an address that leaks says which site it is, and
 * no page can work out the origin of another.
 * @module
 */
import { createHmac } from 'node:crypto'

import { base32 } from '../../keys/bytes.ts'
import type { ShoalUri } from '../../keys/uri.ts'
import { formatUri } from '../../keys/uri.ts'

/** Base32 of 32 bytes without padding. */
const LABEL_HOST = /^([a-z2-7]{52})\.localhost(?::\d{1,5})?$/i

/** The label of the site that a key belongs to: all editions, all paths. `secret`: 32 bytes. */
export function siteLabel(secret: Uint8Array, uri: ShoalUri): string {
  const hash = createHmac('sha256', secret).update(siteText(uri)).digest()
  return base32(hash).toLowerCase()
}

/** The label in a `Host` header; undefined where it is none of a site. */
export function labelOfHost(host: string | undefined): string | undefined {
  return LABEL_HOST.exec(host ?? '')?.[1]?.toLowerCase()
}

/** One text for all keys of a site: an SSK and the USKs of a document are one. */
function siteText(uri: ShoalUri): string {
  switch (uri.type) {
    case 'chk':
      return formatUri({ ...uri, name: undefined, path: [] })
    case 'ksk':
      return formatUri({ ...uri, path: [] })
    case 'ssk':
    case 'usk':
      return formatUri({ ...uri, type: 'ssk', path: [] })
  }
}
