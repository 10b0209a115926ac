/**
 * XChaCha20-Poly1305 as draft-irtf-cfrg-xchacha §2 and RFC 8439 §2.5-§2.8 write it; Poly1305 on
 * BigInts.
 * @module
 */
import { chacha20Block, hchacha20 } from './chacha20.ts'
import { join } from './text.ts'

const P = 2n ** 130n - 5n
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn

export interface SealedUnder {
  readonly secret: Uint8Array
  /** 24 bytes. */
  readonly nonce: Uint8Array
  readonly associated: Uint8Array
}

/** Ciphertext and, in the last 16 bytes, its tag. */
export function sealXChaCha(plaintext: Uint8Array, under: SealedUnder): Uint8Array {
  const ciphertext = xorStream(plaintext, under)
  return join(ciphertext, tagOf(ciphertext, under))
}

/** The plaintext, or undefined where the tag does not fit. */
export function openXChaCha(sealed: Uint8Array, under: SealedUnder): Uint8Array | undefined {
  const [ciphertext, tag] = [sealed.slice(0, -16), sealed.slice(-16)]
  const isRight = tagOf(ciphertext, under).every((byte, i) => byte === tag[i])
  return isRight ? xorStream(ciphertext, under) : undefined
}

/** The cipher alone; its own inverse. */
export function xorStream(
  input: Uint8Array,
  { secret, nonce }: Pick<SealedUnder, 'secret' | 'nonce'>,
): Uint8Array {
  const { key, shortNonce } = subkeyOf(secret, nonce)
  const out = input.slice()
  for (let offset = 0; offset < input.length; offset += 64) {
    const stream = chacha20Block(key, shortNonce, 1 + offset / 64)
    for (let i = 0; i < 64 && offset + i < input.length; i++) {
      out[offset + i] = (input[offset + i] as number) ^ (stream[i] as number)
    }
  }
  return out
}

function subkeyOf(secret: Uint8Array, nonce: Uint8Array) {
  const shortNonce = join(new Uint8Array(4), nonce.slice(16))
  return { key: hchacha20(secret, nonce.slice(0, 16)), shortNonce }
}

/** RFC 8439 §2.8. */
function tagOf(ciphertext: Uint8Array, { secret, nonce, associated }: SealedUnder): Uint8Array {
  const { key, shortNonce } = subkeyOf(secret, nonce)
  const oneTimeKey = chacha20Block(key, shortNonce, 0).slice(0, 32)
  const lengths = new DataView(new ArrayBuffer(16))
  lengths.setBigUint64(0, BigInt(associated.length), true)
  lengths.setBigUint64(8, BigInt(ciphertext.length), true)
  const message = join(toSixteen(associated), toSixteen(ciphertext), new Uint8Array(lengths.buffer))
  return poly1305(message, oneTimeKey)
}

function toSixteen(bytes: Uint8Array): Uint8Array {
  return join(bytes, new Uint8Array((16 - (bytes.length % 16)) % 16))
}

/** RFC 8439 §2.5. */
export function poly1305(message: Uint8Array, oneTimeKey: Uint8Array): Uint8Array {
  const r = number(oneTimeKey.slice(0, 16)) & CLAMP
  let accumulator = 0n
  for (let offset = 0; offset < message.length; offset += 16) {
    const part = message.slice(offset, offset + 16)
    accumulator = ((accumulator + number(part) + (1n << BigInt(8 * part.length))) * r) % P
  }
  const tag = accumulator + number(oneTimeKey.slice(16))
  return Uint8Array.from({ length: 16 }, (_, i) => Number((tag >> BigInt(8 * i)) & 0xffn))
}

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}
