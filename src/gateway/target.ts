/**
 * The request target: the raw path, because a key must be read before anything decodes it, and the
 * query, where every parameter may be given once and is checked by name.
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http'

import type { RequestHandler } from 'express'

import { ShoalError } from '../errors.ts'
import { documentNameFault, nameFault } from '../keys/names.ts'

interface Target {
  /** As express keeps it: what the request line said. */
  readonly originalUrl: string
}

/** What stands before the path in the absolute form, which proxies are sent. */
const ORIGIN = /^https?:\/\/([^/?]*)/i

const SECONDS = /^\d{1,3}(\.\d{1,3})?$/
const MIN_TIMEOUT_S = 0.1
const MAX_TIMEOUT_S = 600
/** As Node spells header names. */
const TIMEOUT_HEADER = 'x-shoal-timeout'
const FLAGS = new Map([
  ['', true],
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
])

/**
 * Lets through targets that begin with a slash, and absolute ones for the host of `Host`. Express takes a path
 * out of others, too: what is checked here would not be what it routes. @throws ShoalError E_REQUEST
 */
export const checkTarget: RequestHandler = ({ originalUrl, headers }, _response, next) => {
  const host = ORIGIN.exec(originalUrl)?.[1]
  const isForHost = host !== undefined && host.toLowerCase() === headers.host?.toLowerCase()
  if ((!isForHost && !originalUrl.startsWith('/')) || originalUrl.includes('#')) {
    throw new ShoalError('E_REQUEST', 'The address is no path of the host that the request names.')
  }
  next()
}

/** What comes before `?`, as sent, from the first slash on. */
export function rawPath(request: Target): string {
  return split(request.originalUrl).path
}

/** From `?` on, as sent; empty where there is no query. */
export function rawQuery(request: Target): string {
  const { query } = split(request.originalUrl)
  return query === '' ? '' : `?${query}`
}

/** What comes after it, decoded. */
export function queryOf(request: Target): URLSearchParams {
  return new URLSearchParams(split(request.originalUrl).query)
}

/** True where the parameter is there, alone or with `1`. @throws ShoalError E_QUERY */
export function flag(query: URLSearchParams, parameter: string): boolean {
  const value = FLAGS.get(single(query, parameter) ?? 'false')
  if (value === undefined) throw badQuery(parameter, 'is 1 or 0')
  return value
}

/** The parameter, undefined where it is absent or empty. @throws ShoalError E_QUERY if given twice. */
export function textOf(query: URLSearchParams, parameter: string): string | undefined {
  const value = single(query, parameter)
  return value === '' ? undefined : value
}

/**
 * A file name: one path segment of 1 to 255 bytes that no file system takes for something else.
 * @throws ShoalError E_QUERY saying what is wrong with it.
 */
export function fileName(query: URLSearchParams, parameter: string): string | undefined {
  const name = textOf(query, parameter)
  if (name === undefined) return undefined
  const fault = nameFault(name)
  if (fault !== undefined) throw badQuery(parameter, fault)
  return name
}

/**
 * The name of a document, or a word; undefined where the parameter is absent. @throws ShoalError E_NAME
 * saying what is wrong with it.
 */
export function documentName(query: URLSearchParams, parameter: string): string | undefined {
  const name = single(query, parameter)
  if (name === undefined) return undefined
  const fault = documentNameFault(name.normalize('NFC'))
  if (fault !== undefined) {
    throw new ShoalError('E_NAME', `Not a valid name: ${parameter}: ${fault}.`)
  }
  return name
}

/**
 * `?timeout=` in seconds, 0.1 to 600, as milliseconds; where it is absent, `X-Shoal-Timeout` of `headers`.
 * @throws ShoalError E_QUERY
 */
export function timeoutMs(
  query: URLSearchParams,
  headers: IncomingHttpHeaders = {},
): number | undefined {
  const fromQuery = single(query, 'timeout')
  const parameter = fromQuery === undefined ? TIMEOUT_HEADER : 'timeout'
  const seconds = fromQuery ?? headers[TIMEOUT_HEADER]
  if (seconds === undefined) return undefined
  const value = Number(seconds)
  if (!SECONDS.test(String(seconds)) || value < MIN_TIMEOUT_S || value > MAX_TIMEOUT_S) {
    throw badQuery(parameter, `is a number of seconds from ${MIN_TIMEOUT_S} to ${MAX_TIMEOUT_S}`)
  }
  return Math.round(value * 1000)
}

/** The error for a parameter, as one sentence: `what` follows its name. */
export function badQuery(parameter: string, what: string): ShoalError {
  return new ShoalError('E_QUERY', `Not a valid query: ${parameter}: ${what}.`)
}

function split(target: string): { path: string; query: string } {
  const text = target.replace(ORIGIN, '')
  const mark = text.indexOf('?')
  return mark < 0
    ? { path: text, query: '' }
    : { path: text.slice(0, mark), query: text.slice(mark + 1) }
}

function single(query: URLSearchParams, parameter: string): string | undefined {
  const [value, ...more] = query.getAll(parameter)
  if (more.length > 0) throw badQuery(parameter, 'is given twice')
  if (value?.includes('\uFFFD')) throw badQuery(parameter, 'is not percent-encoded UTF-8')
  return value
}
