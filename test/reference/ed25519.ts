/**
 * Ed25519 (RFC 8032) in the affine and extended formulas of its §5.1, with BigInts: slow, not
 * constant-time, and able to make what no honest signer makes. SHA-512 is Node's.
 * @module
 */
import { createHash } from 'node:crypto'

/** A point in extended coordinates (RFC 8032 §5.1.4): x = X/Z, y = Y/Z, x·y = T/Z. */
export interface Point {
  readonly X: bigint
  readonly Y: bigint
  readonly Z: bigint
  readonly T: bigint
}

/** The field's prime, 2^255 - 19. */
export const P = 2n ** 255n - 19n
/** The order of the base point. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n
const D = mod(-121665n * inverse(121666n))
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n)

export const IDENTITY: Point = { X: 0n, Y: 1n, Z: 1n, T: 0n }
/** y = 4/5, x even (RFC 8032 §5.1). */
export const BASE: Point = decodePoint(encodeNumber(mod(4n * inverse(5n)))) as Point

function mod(value: bigint, modulus = P): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square)
    square = mod(square * square)
  }
  return result
}

function inverse(value: bigint): bigint {
  return power(mod(value), P - 2n)
}

/** RFC 8032 §5.1.4; complete, so it also doubles. */
export function add(p: Point, q: Point): Point {
  const a = mod((p.Y - p.X) * (q.Y - q.X))
  const b = mod((p.Y + p.X) * (q.Y + q.X))
  const c = mod(p.T * 2n * D * q.T)
  const d = mod(p.Z * 2n * q.Z)
  const [e, f, g, h] = [b - a, d - c, d + c, b + a]
  return { X: mod(e * f), Y: mod(g * h), Z: mod(f * g), T: mod(e * h) }
}

/** [scalar]point. The scalar is not reduced: the point may have torsion. */
export function multiply(scalar: bigint, point: Point): Point {
  let result = IDENTITY
  for (let double = point, rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = add(result, double)
    double = add(double, double)
  }
  return result
}

export function samePoint(p: Point, q: Point): boolean {
  return mod(p.X * q.Z - q.X * p.Z) === 0n && mod(p.Y * q.Z - q.Y * p.Z) === 0n
}

/** RFC 8032 §5.1.2: 255 bits of y, then the lowest bit of x. */
export function encodePoint(point: Point): Uint8Array {
  const z = inverse(point.Z)
  const [x, y] = [mod(point.X * z), mod(point.Y * z)]
  return encodeNumber(y | ((x & 1n) << 255n))
}

/** RFC 8032 §5.1.3, or undefined: y not below p, no x, or a sign for x = 0. */
export function decodePoint(bytes: Uint8Array): Point | undefined {
  const encoded = decodeNumber(bytes)
  const y = encoded & (2n ** 255n - 1n)
  const signOfX = encoded >> 255n
  if (y >= P) return undefined
  const [u, v] = [mod(y * y - 1n), mod(D * y * y + 1n)]
  const x2 = mod(u * inverse(v))
  let x = power(x2, (P + 3n) / 8n)
  if (mod(x * x) !== x2) x = mod(x * SQRT_MINUS_1)
  if (mod(x * x) !== x2 || (x === 0n && signOfX === 1n)) return undefined
  if ((x & 1n) !== signOfX) x = P - x
  return { X: x, Y: y, Z: 1n, T: mod(x * y) }
}

/** 32 bytes, little endian. */
export function encodeNumber(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
}

export function decodeNumber(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

/** SHA-512 of the parts, as the number modulo L that RFC 8032 makes of it. */
export function hashToScalar(...parts: Uint8Array[]): bigint {
  return mod(decodeNumber(sha512(...parts)), L)
}

function sha512(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** RFC 8032 §5.1.5: the secret scalar, the prefix and the public key of a 32-byte seed. */
export function keyPairOf(seed: Uint8Array) {
  const hash = sha512(seed)
  const scalar = (decodeNumber(hash.slice(0, 32)) & (2n ** 254n - 8n)) | (2n ** 254n)
  return { scalar, prefix: hash.slice(32), publicKey: encodePoint(multiply(scalar, BASE)) }
}

/** RFC 8032 §5.1.6. */
export function sign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  const { scalar, prefix, publicKey } = keyPairOf(seed)
  const r = hashToScalar(prefix, message)
  return signWith({ scalar, publicKey, r, R: encodePoint(multiply(r, BASE)) }, message)
}

/** A signature from parts of any kind: R need not be [r]B, nor the public key [scalar]B. */
export function signWith(
  parts: { scalar: bigint; publicKey: Uint8Array; r: bigint; R: Uint8Array },
  message: Uint8Array,
): Uint8Array {
  const h = hashToScalar(parts.R, parts.publicKey, message)
  return Uint8Array.of(...parts.R, ...encodeNumber(mod(parts.r + h * parts.scalar, L)))
}

/** Whether the point is of the subgroup of order L and not the identity. */
export function isPrimeOrder(point: Point): boolean {
  return samePoint(multiply(L, point), IDENTITY) && !samePoint(point, IDENTITY)
}

/** RFC 8032 §5.1.7 with the equation that `cofactor` (1 or 8) multiplies, S < L. */
export function verifySignature(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
  cofactor: 1n | 8n,
): boolean {
  const [R, A] = [decodePoint(signature.slice(0, 32)), decodePoint(publicKey)]
  const S = decodeNumber(signature.slice(32))
  if (R === undefined || A === undefined || S >= L) return false
  const h = hashToScalar(signature.slice(0, 32), publicKey, message)
  const left = multiply(cofactor * S, BASE)
  const right = add(multiply(cofactor, R), multiply(cofactor * h, A))
  return samePoint(left, right)
}

/** A point of order 8: [L] of a point outside the subgroup, looked for from y = 2 on. */
export function torsionPoint(): Point {
  for (let y = 2n; ; y++) {
    const point = decodePoint(encodeNumber(y))
    if (point === undefined) continue
    const torsion = multiply(L, point)
    if (!samePoint(multiply(4n, torsion), IDENTITY)) return torsion
  }
}

/** The secret scalar n of §3.5: what a blinding adds. */
export function blindingScalar(blinding: Uint8Array): bigint {
  let n = clearHighestBit(sha512(blinding).slice(0, 32))
  while (samePoint(multiply(n, BASE), IDENTITY)) {
    n = clearHighestBit(sha512(encodeNumber(n)).slice(0, 32))
  }
  return n
}

function clearHighestBit(bytes: Uint8Array): bigint {
  return decodeNumber(bytes) & (2n ** 255n - 1n)
}

/** A' = A + n·B. */
export function blindPoint(publicKey: Uint8Array, blinding: Uint8Array): Uint8Array {
  const master = decodePoint(publicKey)
  if (master === undefined || !isPrimeOrder(master)) throw new Error('not a prime-order point')
  return encodePoint(add(master, multiply(blindingScalar(blinding), BASE)))
}

/** a' = a + n mod L. */
export function blindScalar(scalar: bigint, blinding: Uint8Array): bigint {
  return mod(scalar + blindingScalar(blinding), L)
}

/** §3.5: as RFC 8032 §5.1.6, with a nonce from dom2(0, "crypto_tweak_ed25519") and the scalar. */
export function signBlinded(message: Uint8Array, scalar: bigint): Uint8Array {
  const text = new TextEncoder()
  const context = text.encode('crypto_tweak_ed25519')
  const dom2 = Uint8Array.of(
    ...text.encode('SigEd25519 no Ed25519 collisions'),
    0,
    context.length,
    ...context,
  )
  const r = hashToScalar(dom2, encodeNumber(scalar), message)
  const publicKey = encodePoint(multiply(scalar, BASE))
  return signWith({ scalar, publicKey, r, R: encodePoint(multiply(r, BASE)) }, message)
}
