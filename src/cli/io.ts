/**
 * What a command reads and writes, handed in, so that tests run commands without a process.
 * @module
 */
import type { Readable, Writable } from 'node:stream'
import type { Logger } from '../runtime.ts'

/** A stream a person may be looking at. */
export interface OutputStream extends Writable {
  readonly isTTY?: boolean
  /** Width of the terminal, characters. */
  readonly columns?: number
}

/** Where a person may be typing. */
export interface InputStream extends Readable {
  readonly isTTY?: boolean
  /** Of a terminal: hands over each key as it is pressed, Ctrl-C too, and shows none. */
  setRawMode?(isRaw: boolean): unknown
}

export interface Io {
  /** Results, and nothing else: what a script reads. */
  readonly stdout: OutputStream
  /** Words for the person: progress, warnings, errors. */
  readonly stderr: OutputStream
  readonly stdin: InputStream
  /** Aborted when the person wants the command to end (Ctrl-C, SIGTERM). */
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Has `listener` called when files are to be read again: SIGHUP, but for one of a terminal that is closed. */
  readonly onHangUp?: (listener: () => void) => void
}

/** Text of others on one line of a terminal: control characters would move its cursor. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what must go
  return text.replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, ' ').trim()
}

export function writeLine(stream: OutputStream, line: string): void {
  if (stream.writable) stream.write(`${line}\n`)
}

/** The operator's log: one line an event on stderr. */
export function createLogger(stderr: OutputStream): Logger {
  return {
    info: (message) => {
      writeLine(stderr, oneLine(message))
    },
    warn: (message) => {
      writeLine(stderr, `warning: ${oneLine(message)}`)
    },
  }
}

/** Resolves when `signal` is aborted, at once where it is already. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve()
    })
  })
}
