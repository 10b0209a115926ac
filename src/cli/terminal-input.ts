/**
 * Questions to the person at the terminal: a line that is shown, or a secret that is not. Whatever ends
 * the question leaves the terminal as it was.
 * @module
 */
import { StringDecoder } from 'node:string_decoder'
import { CommandError, Interruption } from './failures.ts'
import { writeLine, type InputStream, type Io } from './io.ts'

/** Longest line that is taken, characters: nobody types more. */
const MAX_LINE_LENGTH = 4096

type Terminal = Pick<Io, 'stdin' | 'stderr' | 'signal'>

/** Whether there is a person to ask. */
export function canAsk({ stdin, stderr }: Terminal): boolean {
  return stdin.isTTY === true && stderr.isTTY === true
}

/** One line, shown as it is typed. @throws Interruption, CommandError where the input ends. */
export async function askLine(question: string, { stdin, stderr, signal }: Terminal) {
  stderr.write(question)
  return await readLine(stdin, signal)
}

/** One line that the terminal does not show. Throws as `askLine`; Ctrl-C is an Interruption. */
export async function askSecret(
  question: string,
  { stdin, stderr, signal }: Terminal,
): Promise<string> {
  stderr.write(question)
  stdin.setRawMode?.(true)
  try {
    return await readLine(stdin, signal)
  } finally {
    stdin.setRawMode?.(false)
    writeLine(stderr, '') // the Enter was not shown either
  }
}

/** What is typed up to Enter; the rest stays for the next question. */
function readLine(stdin: InputStream, signal: AbortSignal): Promise<string> {
  const decoder = new StringDecoder('utf8')
  const line = new TypedLine()
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      stdin.off('data', onData)
      stdin.off('end', onEnd)
      stdin.off('error', onError)
      signal.removeEventListener('abort', onAbort)
      stdin.pause()
      act()
    }
    const onData = (part: Buffer | string): void => {
      try {
        const rest = line.take(typeof part === 'string' ? part : decoder.write(part))
        if (rest === undefined) return
        settle(() => resolve(line.text))
        if (rest !== '') stdin.unshift(rest)
      } catch (error) {
        settle(() => reject(error))
      }
    }
    const onEnd = (): void => settle(() => reject(new CommandError('the input ended')))
    const onError = (error: Error): void => settle(() => reject(error))
    const onAbort = (): void => settle(() => reject(signal.reason as Error))
    if (signal.aborted) {
      reject(signal.reason as Error)
      return
    }
    stdin.on('data', onData)
    stdin.once('end', onEnd)
    stdin.once('error', onError)
    signal.addEventListener('abort', onAbort)
    stdin.resume()
  })
}

/** A line under a person's fingers, with the keys that mend it. */
class TypedLine {
  #characters: string[] = []

  get text(): string {
    return this.#characters.join('')
  }

  /** Takes keys up to Enter: what came behind it, or undefined where it has not come. */
  take(typed: string): string | undefined {
    // oxlint-disable-next-line no-control-regex -- arrows and the like begin with ESC
    const keys = Array.from(typed.replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?/gu, ''))
    for (const [at, key] of keys.entries()) {
      if (key === '\r' || key === '\n') return keys.slice(at + 1).join('')
      this.#press(key)
    }
    return undefined
  }

  #press(key: string): void {
    if (key === '\u0003') throw new Interruption()
    if (key === '\u0004' && this.#characters.length === 0) throw new CommandError('the input ended')
    if (key === '\u007f' || key === '\b') this.#characters.pop()
    else if (key === '\u0015') this.#characters = []
    else if (key >= ' ') this.#characters.push(key)
    if (this.#characters.length > MAX_LINE_LENGTH) throw new CommandError('that line is too long')
  }
}
