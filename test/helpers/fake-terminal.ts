/**
 * A person at a terminal: answers each question when it is asked, and one sees whether the terminal
 * showed what was typed.
 * @module
 */
import { Readable } from 'node:stream'

import type { CliOptions } from './cli-io.ts'

export class FakeTerminal extends Readable {
  readonly isTTY = true
  isRaw = false
  /** What was typed while the terminal showed it. */
  shown = ''

  override _read(): void {}

  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw
    return this
  }

  type(keys: string | Uint8Array): void {
    if (!this.isRaw) this.shown += String(keys)
    this.push(keys)
  }
}

/** Options for `runCli` at a terminal where the person answers what is asked, in order. */
export function atTerminal(
  terminal: FakeTerminal,
  answers: readonly (readonly [question: RegExp, keys: string])[],
): CliOptions & { readonly stdin: FakeTerminal } {
  const left = [...answers]
  return {
    stdin: terminal,
    terminal: 'stderr',
    onStderr: (text) => {
      const [next] = left
      if (next === undefined || !next[0].test(text)) return
      left.shift()
      setImmediate(() => terminal.type(next[1]))
    },
  }
}
