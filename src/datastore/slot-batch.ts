/**
 * Slots to be opened in another thread, as one run of bytes: to send many small arrays costs more than to
 * open what they are for.
 * @module
 */
import { SEAL_NONCE_BYTES, SEAL_TAG_BYTES } from '../keys/seal.ts'
import type { SlotTicket } from '../keys/seal.ts'

const SECRET_BYTES = 32
const ADDRESS_BYTES = 32
const AT = { slot: 0, secret: 4, address: 36, nonce: 68, tag: 68 + SEAL_NONCE_BYTES }
const JOB_BYTES = AT.tag + SEAL_TAG_BYTES

/** One slot, and what opens it. */
export interface SlotJob extends SlotTicket {
  readonly slot: number
}

/** What the thread is started with. */
export interface ThreadOptions {
  /** A mean read of more than this comes from a disk that likes to be asked for many at once, ms. */
  readonly slowReadMs: number
}

/** To the thread: `jobs` of the file `fd`. */
export interface SlotRequest {
  readonly id: number
  readonly fd: number
  readonly jobs: Uint8Array
}

/** From the thread: for each job the place of its block, and whether that is there. */
export interface SlotAnswer {
  readonly id: number
  readonly blocks: Uint8Array
  readonly areOpen: readonly boolean[]
}

export function encodeJobs(jobs: readonly SlotJob[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(jobs.length * JOB_BYTES)
  const view = new DataView(out.buffer)
  jobs.forEach(({ slot, secret, address, nonce, tag }, i) => {
    const at = i * JOB_BYTES
    view.setUint32(at + AT.slot, slot, true)
    out.set(secret, at + AT.secret)
    out.set(address, at + AT.address)
    out.set(nonce, at + AT.nonce)
    out.set(tag, at + AT.tag)
  })
  return out
}

/** Views of `bytes`. */
export function decodeJobs(bytes: Uint8Array): SlotJob[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length / JOB_BYTES }, (_, i) => {
    const at = i * JOB_BYTES
    const secretAt = at + AT.secret
    const addressAt = at + AT.address
    return {
      slot: view.getUint32(at + AT.slot, true),
      secret: bytes.subarray(secretAt, secretAt + SECRET_BYTES),
      address: bytes.subarray(addressAt, addressAt + ADDRESS_BYTES),
      nonce: bytes.subarray(at + AT.nonce, at + AT.tag),
      tag: bytes.subarray(at + AT.tag, at + JOB_BYTES),
    }
  })
}
