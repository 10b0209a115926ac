/**
 * The program as people start it: a process of its own.
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

export interface Program {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  readonly stderr: () => string
  /** Resolves with the first line of stdout that matches; rejects when the program ends before. */
  line(pattern: RegExp): Promise<string>
  /** Exit code, -1 where a signal ended it. */
  readonly ended: Promise<number>
}

/** Starts `shoal`, with `env` besides what this process has. */
export function startProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const lines: string[] = []
  let stderr = ''
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()))
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => lines.push(line))
  const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : -1))
  const line = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = lines.find((text) => pattern.test(text))
      if (found !== undefined) return found
      const next = await Promise.race([once(reader, 'line').then(() => true), ended])
      if (next !== true) throw new Error(`ended with ${next} before ${pattern}: ${stderr}`)
    }
  }
  return { child, lines, stderr: () => stderr, line, ended }
}
