/**
 * A keyring in memory, with the errors of a real one: for tests of what stands in front of a node.
 * @module
 */
import { createHash } from 'node:crypto'

import { ShoalError } from '../../src/errors.ts'
import { base64url } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { nameFault } from '../../src/keys/uri.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import { formatUri } from '../../src/keys/uri.ts'
import type { PublisherKey, PublisherKeys } from '../../src/node.ts'

/** The same publisher for the same name, with a public key that parsers accept. */
export function fakeUsk(publisher: string, document: string): UskUri {
  const digest = (label: string): Uint8Array =>
    new Uint8Array(createHash('sha256').update(`${label} ${publisher}`).digest())
  const { publicKey } = keyPairFromSeed(digest('seed'))
  const readKey = digest(`read key of ${document},`)
  return { type: 'usk', publicKey, readKey, document, edition: 0, path: [] }
}

export function createFakeKeys(): PublisherKeys {
  const keys = new Map<string, PublisherKey>()
  const get = (name: string): PublisherKey => {
    const found = keys.get(name)
    if (found === undefined) throw new ShoalError('E_NO_KEY', `There is no key "${name}".`)
    return found
  }
  const add = (name: string): PublisherKey => {
    if (nameFault(name) !== undefined) throw new ShoalError('E_NAME', 'That is no name for a key.')
    if (keys.has(name)) throw new ShoalError('E_EXISTS', `There is a key "${name}" already.`)
    const key = { name, uri: `USK@${base64url(fakeUsk(name, '').publicKey)},` }
    keys.set(name, key)
    return key
  }
  return {
    list: () => [...keys.values()],
    create: (name) => promiseOf(() => add(name)),
    get,
    documentUri(name, document) {
      get(name)
      if (nameFault(document) !== undefined) throw new ShoalError('E_NAME', 'No document name.')
      return formatUri(fakeUsk(name, document)).replace(/\/0$/, '/')
    },
    export: (name) => `secret of ${get(name).name}`,
    import: (text, name) =>
      promiseOf(() => {
        const own = /^secret of (.+)$/.exec(text.trim())?.[1]
        if (own === undefined) throw new ShoalError('E_KEY', 'This is not an exported key.')
        return add(name ?? own)
      }),
    remove: (name) =>
      promiseOf(() => {
        keys.delete(get(name).name)
      }),
  }
}

function promiseOf<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work())
  })
}
