/** The few signatures of the crypto packages that we use: the list is our real surface. */
declare module 'sodium-native' {
  export function crypto_generichash(out: Uint8Array, input: Uint8Array, key?: Uint8Array): void
  export function crypto_stream_chacha20_ietf_xor(
    out: Uint8Array,
    message: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
  export function crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
    out: Uint8Array,
    tag: Uint8Array,
    message: Uint8Array,
    associated: Uint8Array | null,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
  export function crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
    out: Uint8Array,
    secretNonce: null,
    sealed: Uint8Array,
    tag: Uint8Array,
    associated: Uint8Array | null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
  export function crypto_core_ed25519_is_valid_point(point: Uint8Array): boolean
  export function crypto_scalarmult_ed25519_base_noclamp(out: Uint8Array, scalar: Uint8Array): void
  export function extension_tweak_ed25519_sk_to_scalar(out: Uint8Array, secretKey: Uint8Array): void
  export function extension_tweak_ed25519_scalar(
    out: Uint8Array,
    scalar: Uint8Array,
    namespace: Uint8Array,
  ): void
  export function extension_tweak_ed25519_pk(
    out: Uint8Array,
    publicKey: Uint8Array,
    namespace: Uint8Array,
  ): void
  export function extension_tweak_ed25519_sign_detached(
    signature: Uint8Array,
    message: Uint8Array,
    scalar: Uint8Array,
    publicKey: Uint8Array,
  ): void
  export const crypto_pwhash_ALG_ARGON2ID13: number
  export function crypto_pwhash_async(
    out: Uint8Array,
    password: Uint8Array,
    salt: Uint8Array,
    passes: number,
    memoryBytes: number,
    algorithm: number,
  ): Promise<void>
}

declare module 'hypercore-crypto' {
  export interface KeyPair {
    publicKey: Uint8Array
    secretKey: Uint8Array
  }
  interface HypercoreCrypto {
    keyPair(seed?: Uint8Array): KeyPair
    verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
    randomBytes(count: number): Uint8Array
  }
  const crypto: HypercoreCrypto
  export default crypto
}
