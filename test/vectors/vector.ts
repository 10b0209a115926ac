/**
 * What a vector is, and how its rules become bytes. `README.md` beside this file says the same for
 * readers in other languages.
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join as joinPath } from 'node:path'
import { fileURLToPath } from 'node:url'

import { keyStream } from '../reference/chacha20.ts'
import type { Kind } from '../reference/publisher.ts'
import { bytesOf, join, ofBase64url, ofHex } from '../reference/text.ts'
import { xorStream } from '../reference/xchacha20poly1305.ts'

/** A byte string, said so that big ones stay short. */
export type Rule =
  | { readonly hex: string }
  | { readonly base64url: string }
  | { readonly text: string }
  | { readonly repeat: string; readonly length: number }
  | { readonly keyStream: string; readonly length: number }
  | { readonly join: readonly Rule[] }
  | { readonly flipBit: number; readonly of: Rule }
  | { readonly xchacha20: { readonly secret: string; readonly nonce: string }; readonly of: Rule }

/** What to do: exactly one of these. */
export type Input =
  | {
      readonly encode: {
        readonly content: Rule
        readonly secret: string
        readonly blockBytes: number
      }
    }
  | { readonly decode: { readonly capability: string; readonly blocks: readonly Rule[] } }
  | { readonly verify: { readonly address: string; readonly block: Rule } }
  | { readonly replace: { readonly next: Rule; readonly held: Rule } }
  | { readonly home: { readonly address: string; readonly home: number } }
  | { readonly uri: UriText }
  | SignedInput
  | NetworkInput

/** A network, by what defines it. */
export interface NetworkName {
  readonly name: string
  /** Of a private one, hexadecimal. */
  readonly key?: string
}

/** What nodes compute of each other, and tell each other. */
export type NetworkInput =
  | { readonly network: NetworkName }
  | {
      readonly region: {
        readonly network: string
        readonly bits: number
        readonly position: number
      }
    }
  | {
      readonly position: {
        readonly network: string
        readonly publicKey: string
        readonly proof: string
      }
    }
  | { readonly puzzle: NetworkName & { readonly publicKey: string; readonly proof: string } }
  | {
      readonly handshake: NetworkName & {
        readonly publicKey: string
        readonly proof: string
        readonly binding: string
      }
    }
  | { readonly message: Rule }

/** What is done with publishers and their documents. */
export type SignedInput =
  | { readonly publisher: { readonly seed: string } }
  | { readonly documentName: string }
  | {
      readonly document: {
        readonly seed: string
        readonly name: string
        readonly kind: Kind
        readonly edition: number
        /** The edition that a head says. */
        readonly headEdition: number
      }
    }
  | {
      readonly sign: {
        readonly signSeed: string
        readonly blinding: string
        readonly message: Rule
      }
    }
  | { readonly open: DocumentInput & { readonly block: Rule } }
  | { readonly word: string }

/** A document as its readers know it, and which block of it is meant. */
export interface DocumentInput {
  readonly publicKey: string
  readonly readKey: string
  readonly name: string
  readonly kind: Kind
  readonly edition: number
}

/** A URI, or a long one said shortly: `before`, then `repeat` so many times. */
export type UriText =
  string | { readonly before: string; readonly repeat: string; readonly count: number }

export type ErrorCode = 'E_URI' | 'E_NAME' | 'E_DECODE' | 'E_MESSAGE_CODEC'

export interface Vector {
  readonly name: string
  /** The section of docs/spec.md that it is an example of. */
  readonly spec: string
  readonly input: Input
  readonly expect: 'ok' | ErrorCode | 'content' | 'signed' | 'invalid'
  readonly output?: Record<string, unknown>
  readonly comment?: string
}

export const FILES = ['eris', 'blocks', 'signed', 'uris', 'homes', 'network'] as const

/** The folder of package.json, from the sources and from any build folder. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(joinPath(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

export function vectorPath(file: string): string {
  return joinPath(repositoryRoot(), 'test', 'vectors', `${file}.json`)
}

export function readVectors(file: string): Vector[] {
  return JSON.parse(readFileSync(vectorPath(file), 'utf8')) as Vector[]
}

/** The fenced `json vector` blocks of a document, in order. */
export function vectorsIn(markdown: string): Vector[] {
  const blocks = markdown.matchAll(/^```json vector\n(.*?)^```$/gms)
  return Array.from(blocks, ([, body = '']) => JSON.parse(body) as Vector)
}

export function bytesOfRule(rule: Rule): Uint8Array {
  if ('hex' in rule) return ofHex(rule.hex)
  if ('base64url' in rule) return ofBase64url(rule.base64url) ?? new Uint8Array(0)
  if ('text' in rule) return bytesOf(rule.text)
  if ('repeat' in rule) return new Uint8Array(rule.length).fill(parseInt(rule.repeat, 16))
  if ('keyStream' in rule) return keyStream(seedOf(rule.keyStream), rule.length)
  if ('join' in rule) return join(...rule.join.map(bytesOfRule))
  const bytes = bytesOfRule(rule.of)
  if ('xchacha20' in rule) {
    const { secret, nonce } = rule.xchacha20
    return xorStream(bytes, { secret: ofHex(secret), nonce: ofHex(nonce) })
  }
  const byte = Math.floor(rule.flipBit / 8)
  bytes[byte] = (bytes[byte] ?? 0) ^ (1 << (rule.flipBit % 8))
  return bytes
}

export function textOfUri(uri: UriText): string {
  return typeof uri === 'string' ? uri : uri.before + uri.repeat.repeat(uri.count)
}

/** A word as a 32-byte ChaCha20 key: its UTF-8 bytes, filled with zeros. */
export function seedOf(word: string): Uint8Array {
  const seed = new Uint8Array(32)
  seed.set(bytesOf(word))
  return seed
}
