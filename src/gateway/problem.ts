/**
 * Where every error of a request ends: the only catch of the gateway. Programs get problem+json
 * (RFC 9457), browsers a page that says what happened and what to do; nobody gets internals.
 * @module
 */
import type { ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'

import type { ErrorRequestHandler, Request, RequestHandler } from 'express'

import { ERROR_CODES, isShoalError, ShoalError } from '../errors.ts'
import type { Logger } from '../runtime.ts'
import type { Problem } from './error-page.ts'
import { errorPage, ERROR_PAGE_POLICY } from './error-page.ts'
import { breakOff } from './hang-up.ts'
import { NoPathError } from './outcome-error.ts'

/** Time until trying again makes sense, s: peers are sought more often than this. */
const RETRY_AFTER_S = 5
/** Statuses after which waiting helps (RFC 9110 §15.6.4, RFC 6585 §4; each try takes other paths). */
const WAITING_HELPS = new Set([429, 503, 504])
/** Enough to find the line, without the message, which may hold anything. */
const STACK_LINES = 6

/** Express's error handler: answers, or breaks off where an answer has begun already. */
export function createProblemHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    if (isGone(request, response)) return
    const problem = problemOf(error)
    if (problem.status === 500) logger.warn(`gateway: ${describe(error)}`)
    if (response.headersSent) {
      breakOff(response)
      return
    }
    sendProblem(request, response, problem)
  }
}

/** What the client is told of an error. Errors that are not ours say nothing of themselves. */
export function problemOf(error: unknown): Problem {
  if (error instanceof URIError) {
    return problemWith('E_REQUEST', 400, 'The address has a percent escape that is none.')
  }
  const known = isShoalError(error) && ERROR_CODES[error.code].status !== 0
  if (!known) return problemWith('E_INTERNAL', 500, 'Something went wrong inside the node.')
  const problem = problemWith(error.code, ERROR_CODES[error.code].status, error.message)
  return error instanceof NoPathError ? { ...problem, site: error.site } : problem
}

/** The error for a method that a route does not know; sets `Allow`. */
export function methodError(response: ServerResponse, allow: string): ShoalError {
  response.setHeader('Allow', allow)
  return new ShoalError('E_METHOD', `This address takes ${allow} only.`)
}

/** Answers what `allow` does not name with 405; comes after the methods of an address. */
export function refuseMethod(allow: string): RequestHandler {
  return (_request, response) => {
    throw methodError(response, allow)
  }
}

function problemWith(code: Problem['code'], status: number, detail: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, code }
}

function sendProblem(request: Request, response: ServerResponse, of: Problem): void {
  const isPage = wantsPage(request)
  const body = Buffer.from(isPage ? errorPage(of) : `${JSON.stringify(of)}\n`)
  if (isPage) response.setHeader('Content-Security-Policy', ERROR_PAGE_POLICY)
  if (WAITING_HELPS.has(of.status)) response.setHeader('Retry-After', RETRY_AFTER_S)
  response.writeHead(of.status, {
    'Content-Type': isPage ? 'text/html; charset=utf-8' : 'application/problem+json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
  })
  response.end(body)
}

function wantsPage(request: Request): boolean {
  const isApi = request.originalUrl.startsWith('/api/')
  return !isApi && (request.headers.accept ?? '').includes('text/html')
}

function isGone(request: Request, response: ServerResponse): boolean {
  return response.closed || response.destroyed || (request.destroyed && !request.complete)
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `a ${typeof error} was thrown`
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '))
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : ''
  return [`${error.name}${code}`, ...frames.slice(0, STACK_LINES)].join('\n')
}
