/**
 * The log of `shoal start`: lines of text for people or of JSON for programs, on stderr. Whatever a
 * message holds, no key, URI or address of a peer gets past here (threat model §5).
 * @module
 */
import { isIP } from 'node:net'
import { pino } from 'pino'
import type { Logger } from '../runtime.ts'
import { createLogger, oneLine, type OutputStream } from './io.ts'
import { LEVELS, type LogSettings } from './log-options.ts'

/** The log, one line an event. */
export function createOperatorLog({ format, level }: LogSettings, stderr: OutputStream): Logger {
  const log = format === 'json' ? jsonLog(stderr) : createLogger(stderr)
  const at = LEVELS.indexOf(level)
  const from =
    (name: 'info' | 'warn') =>
    (message: string): void => {
      if (LEVELS.indexOf(name) >= at) log[name](redacted(message))
    }
  return { info: from('info'), warn: from('warn') }
}

/** `{"level":"warn","time":"2026-01-31T12:00:00.000Z","message":"…"}`: no host name, no process number. */
function jsonLog(stderr: OutputStream): Logger {
  const write = (line: string): void => {
    if (stderr.writable) stderr.write(line)
  }
  const log = pino(
    {
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  )
  return {
    info: (message) => log.info(oneLine(message)),
    warn: (message) => log.warn(oneLine(message)),
  }
}

/** A key of any kind, in any spelling, up to the next blank or quote. */
const URIS = /(?:\b[CSUK]SK|\bCHK)(?:@|%40)[^\s"'<>]*|\burn(?::|%3a)eris(?::|%3a)[^\s"'<>]*/gi
/** 32 bytes or more as hex, base32 or base64url: keys of nodes, addresses of blocks, tokens. */
const LONG_WORDS = /[\w-]{40,}/g
const IPV4 = /(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.])/g
const IPV6 = /(?<![\w:.])\[?[0-9a-f]{0,4}:[0-9a-f:.]*:[0-9a-f.]*\]?(?::\d{1,5})?(?![\w:])/gi
/** Of this machine alone, or of no machine at all. */
const NOBODYS = /^(?:127\.|0\.0\.0\.0|\[?::1?\]?(?:$|\]?:))/

/** `message` with every URI, long word and address of another machine taken out. */
export function redacted(message: string): string {
  return message
    .replace(URIS, '[key]')
    .replace(LONG_WORDS, '[key]')
    .replace(IPV4, (address) => (NOBODYS.test(address) ? address : '[address]'))
    .replace(IPV6, (text) => {
      const address = text.replace(/^\[|\](?::\d+)?$/g, '')
      return isIP(address) === 6 && !NOBODYS.test(text) ? '[address]' : text
    })
}
