/**
 * The one error class and the one table of codes (spec §10).
 *
 * Expected results of the network (found, not found, timed out, no peers) are values, not errors;
 * what is here is a bad request, a bad disk, a bad peer or a closed node. Codes are stable, messages
 * are not: programs and tests look at `code`.
 * @module
 */

interface ErrorRow {
  /** HTTP status the gateway answers with; 0 where the error cannot reach HTTP (a peer's fault). */
  readonly status: number
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retry: boolean
}

/** Every code, with its HTTP status and whether trying again can help. Mirrors spec §10. */
export const ERROR_CODES = {
  E_OPTION: { status: 500, retry: false },
  E_URI: { status: 400, retry: false },
  E_QUERY: { status: 400, retry: false },
  E_REQUEST: { status: 400, retry: false },
  E_ACCESS: { status: 403, retry: false },
  E_TOKEN: { status: 401, retry: false },
  E_DENIED: { status: 451, retry: false },
  E_ROUTE: { status: 404, retry: false },
  E_METHOD: { status: 405, retry: false },
  E_NOT_FOUND: { status: 404, retry: true },
  E_CONDITION: { status: 412, retry: false },
  E_NOT_LOCAL: { status: 412, retry: true },
  E_TOO_LARGE: { status: 413, retry: false },
  E_RANGE: { status: 416, retry: false },
  E_NAME: { status: 400, retry: false },
  E_KEY: { status: 400, retry: false },
  E_FOLDER: { status: 400, retry: false },
  E_PATH: { status: 400, retry: false },
  E_NO_KEY: { status: 404, retry: false },
  E_NO_PATH: { status: 404, retry: false },
  E_EXISTS: { status: 409, retry: false },
  E_COLLISION: { status: 409, retry: true },
  E_OFFSET: { status: 409, retry: true },
  E_FADED: { status: 409, retry: true },
  E_BUSY: { status: 429, retry: true },
  E_MESSAGE_CODEC: { status: 0, retry: false },
  E_DECODE: { status: 502, retry: false },
  E_TIMEOUT: { status: 504, retry: true },
  E_NO_PEERS: { status: 503, retry: true },
  E_STORE_IO: { status: 500, retry: false },
  E_STORE_FULL: { status: 507, retry: true },
  E_STORE_LOCKED: { status: 500, retry: false },
  E_STORE_FORMAT: { status: 500, retry: false },
  E_PASSPHRASE: { status: 500, retry: false },
  E_LISTEN: { status: 500, retry: false },
  E_INTERNAL: { status: 500, retry: false },
  E_CLOSED: { status: 503, retry: false },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERROR_CODES

/** What went wrong, in one sentence for a person (`message`) and one word for a program (`code`). */
export class ShoalError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ShoalError'
    this.code = code
  }
}

/** True for our errors, also across duplicated copies of the package. */
export function isShoalError(value: unknown): value is ShoalError {
  return value instanceof Error && value.name === 'ShoalError' && 'code' in value
}
