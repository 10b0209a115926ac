/**
 * A name world with what tests of publishing do in it: publish a text, read a document, look up a name.
 * @module
 */
import type { TestContext } from 'node:test'
import { supersedes } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { utf8, utf8Text } from '../../src/keys/bytes.ts'
import { documentAddress } from '../../src/keys/signed.ts'
import type { DocumentKey, Publisher } from '../../src/keys/signed.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { KskUri, SskUri, UskUri } from '../../src/keys/uri.ts'
import type { PublishOptions, PublishResult } from '../../src/node-types.ts'
import { createNameWorld } from './name-world.ts'
import type { Machine, NameWorld } from './name-world.ts'

export const SITE = { key: 'me', document: 'site' }

/** Closed when the test ends. */
export function startPublishing(t: TestContext, seed: number, latencyMs?: number) {
  const world = createNameWorld(seed, latencyMs)
  const open: Machine[] = []
  t.after(async () => {
    for (const machine of open) await world.clock.runUntilSettled(machine.close())
  })
  const machine = async (options?: Parameters<NameWorld['machine']>[0]): Promise<Machine> => {
    const made = await world.machine(options)
    open.push(made)
    return made
  }
  const publish = (
    node: Machine,
    text: string | Uint8Array,
    options: PublishOptions = SITE,
  ): Promise<PublishResult> =>
    node.publications.publish({ type: 'file', content: once(text), name: 'a.txt' }, options)
  const run = <T>(promise: Promise<T>): Promise<T> => world.clock.runUntilSettled(promise)
  const read = async (node: Machine, uri: string): Promise<string | undefined> => {
    const context = { source: node.source, signal: new AbortController().signal }
    const { body } = await run(node.names.open(parseUri(uri) as UskUri | SskUri | KskUri, context))
    return body.type === 'inline' ? utf8Text(body.bytes) : undefined
  }
  const newest = async (node: Machine, uri: string): Promise<number | string> => {
    const context = { source: node.source, signal: new AbortController().signal }
    const { publicKey, readKey, document: name } = parseUri(uri) as UskUri
    const request = { from: 0, isExhaustive: false, maxAgeMs: 0 }
    const outcome = await run(node.names.lookUp({ publicKey, readKey, name }, request, context))
    return outcome.type === 'found' ? outcome.edition : outcome.type
  }
  /** Lets time pass until `isSo`, an hour at most. */
  const until = async (isSo: () => boolean): Promise<void> => {
    const limitMs = world.clock.now() + 3_600_000
    while (!isSo()) {
      if (world.clock.now() > limitMs) throw new Error('it never came')
      await world.clock.runFor(10)
    }
  }
  /** All editions up to the newest one, as somebody new reads them. */
  const readAll = async (uri: string): Promise<(string | undefined)[]> => {
    const reader = await machine()
    const last = await newest(reader, uri)
    const texts: (string | undefined)[] = []
    for (let edition = 0; edition <= Number(last); edition++) {
      texts.push(await read(reader, editionUri(uri, edition)).catch(() => undefined))
    }
    return texts
  }
  return { ...world, machine, publish, run, read, newest, until, readAll }
}

/** Of the same key as every machine's. */
export function placesOf(
  { keyring }: Pick<Machine, 'keyring'>,
  document = 'site',
): {
  publisher: Publisher
  key: DocumentKey
  edition: (edition: number) => Address
  head: Address
} {
  const publisher = keyring.publisher('me')
  const key = publisher.documentKey(document)
  return {
    publisher,
    key,
    edition: (edition) => documentAddress(key, { kind: 'edition', edition }),
    head: documentAddress(key, { kind: 'head', edition: 0 }),
  }
}

/** A block that `make` makes and that takes the place of `held`. */
export function superseding<T extends { block: Block }>(held: Block, make: () => T): T {
  let made = make()
  while (!supersedes(made.block, held)) made = make()
  return made
}

export async function* once(content: string | Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield typeof content === 'string' ? utf8(content) : content
}

export function editionUri(uri: string, edition: number): string {
  return uri.replace(/-?\d+$/, String(edition))
}
