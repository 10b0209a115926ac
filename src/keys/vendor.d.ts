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
