/**
 * A name world with what tests of publishing do in it: publish a text, read a document, look up a name.
 * @module
 */
import type { TestContext } from 'node:test'
import { utf8, utf8Text } from '../../src/keys/bytes.ts'
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
  return { ...world, machine, publish, run, read, newest }
}

export async function* once(content: string | Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield typeof content === 'string' ? utf8(content) : content
}

export function editionUri(uri: string, edition: number): string {
  return uri.replace(/-?\d+$/, String(edition))
}
