/**
 * What a command is: its words for `--help`, its options, and what it does with them.
 * @module
 */
import { parseArgs } from 'node:util'
import { UsageError } from './failures.ts'
import type { Io } from './io.ts'

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** Stands for the value in the help, such as `FILE`. */
  readonly value?: string
  readonly help: string
}

export interface Command {
  readonly name: string
  /** One line in the overview. */
  readonly summary: string
  /** What the help says besides. */
  readonly details: readonly string[]
  /** Names of what stands beside the options, in order; one in brackets may be left out. */
  readonly operands: readonly string[]
  readonly options: Readonly<Record<string, OptionSpec>>
  /** The exit code. Throws UsageError, CommandError, ShoalError and what the system throws. */
  run(given: Arguments, io: Io): Promise<number>
}

/** The words of one command line, checked against the command's own list. */
export class Arguments {
  readonly #values: Readonly<Record<string, string | boolean | undefined>>
  readonly #operands: readonly string[]

  constructor(values: Arguments['values'], operands: readonly string[]) {
    this.#values = values
    this.#operands = operands
  }

  get values(): Readonly<Record<string, string | boolean | undefined>> {
    return this.#values
  }

  /** Value of a string option; undefined where it was not given. */
  text(option: string): string | undefined {
    const value = this.#values[option]
    return typeof value === 'string' ? value : undefined
  }

  flag(option: string): boolean {
    return this.#values[option] === true
  }

  operand(at: number): string {
    return this.#operands[at] ?? ''
  }
}

const HELP_OPTION: OptionSpec = { type: 'boolean', short: 'h', help: 'show this text' }

/** Reads a command line. @throws UsageError naming what is unknown, missing or too much. */
export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const { values, positionals } = parseWords(command, argv)
  const given = new Arguments(values, positionals)
  if (given.flag('help')) return given
  const missing = command.operands[positionals.length]
  if (missing?.startsWith('[') === false) throw new UsageError(`${missing} is missing`)
  const extra = positionals[command.operands.length]
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`)
  return given
}

function parseWords(command: Command, argv: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries({ ...command.options, help: HELP_OPTION }).map(([name, { type, short }]) => [
      name,
      short === undefined ? { type } : { type, short },
    ]),
  )
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // Node's sentence goes on with advice about "--": the first one is enough.
    throw new UsageError(error.message.split(/\.\s/)[0], { cause: error })
  }
}

/** The whole `--help` text of one command. */
export function formatHelp(command: Command): string {
  const rows = Object.entries({ ...command.options, help: HELP_OPTION }).map(
    ([name, option]): [string, string] => [formatOption(name, option), option.help],
  )
  const width = Math.max(...rows.map(([left]) => left.length))
  return [
    `Usage: ${['shoal', command.name, ...command.operands].join(' ')} [options]`,
    '',
    `${command.summary}.`,
    ...command.details,
    '',
    'Options:',
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
  ].join('\n')
}

function formatOption(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? '' : `-${option.short}, `
  return `${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`
}
