/**
 * `--log-format` and `--log-level` of `shoal start`.
 * @module
 */
import type { Arguments, OptionSpec } from './command.ts'
import { UsageError } from './failures.ts'

const FORMATS = ['text', 'json'] as const
/** From the most that is logged to nothing. */
export const LEVELS = ['info', 'warn', 'silent'] as const
type Format = (typeof FORMATS)[number]
type Level = (typeof LEVELS)[number]

export interface LogSettings {
  readonly format: Format
  readonly level: Level
}

/** What `--log-format` and `--log-level` say. @throws UsageError. */
export function logSettings(given: Arguments): LogSettings {
  return {
    format: oneOf('--log-format', given.text('log-format') ?? 'text', FORMATS),
    level: oneOf('--log-level', given.text('log-level') ?? 'info', LEVELS),
  }
}

export const LOG_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'log-format': {
    type: 'string',
    value: 'F',
    help: 'text for people, json for programs (default: text)',
  },
  'log-level': {
    type: 'string',
    value: 'L',
    help: 'the least that is logged: info, warn or silent (default: info)',
  },
}

function oneOf<T extends string>(option: string, text: string, words: readonly T[]): T {
  const found = words.find((word) => word === text)
  if (found !== undefined) return found
  throw new UsageError(`${option}: one of ${words.join(', ')}, not ${JSON.stringify(text)}`)
}
