/**
 * A file as an HTTP answer: whole, in part, in several parts, or written anew. `HEAD` has the headers of
 * `GET`, always.
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http'

import type { Response } from 'express'

import { ShoalError } from '../errors.ts'
import type { ByteRange, FetchOutcome } from '../node.ts'
import type { Ask } from './ask.ts'
import type { Found } from './file-serving.ts'
import { fileServing } from './file-serving.ts'
import { describeMultipart, multipartBody } from './multi-range.ts'
import { contentRange } from './range.ts'
import type { Syntax } from './safe/markup-reader.ts'
import { rewriteContent } from './safe/rewrite-content.ts'
import { sendBody, sendText, unknownLength } from './send-body.ts'
import { serverTiming } from './server-timing.ts'
import type { Version } from './version.ts'
import { fileVersion } from './version.ts'

/** A file, or the part of it that was asked for. @throws ShoalError E_ACCESS as `refuseUnaskedSaving` */
export async function sendFile(ask: Ask, found: Found): Promise<void> {
  refuseUnaskedSaving(ask, found)
  const { rewrite } = fileServing(ask, found)
  if (rewrite === undefined) await sendBytes(ask, found)
  else await sendRewritten(ask, found, rewrite)
}

/** @throws ShoalError E_ACCESS where a browser would save the file without a click. */
export function refuseUnaskedSaving(ask: Ask, found: Found): void {
  if (!ask.viewer.isFrame || !fileServing(ask, found).isSaved) return
  letGo(found)
  throw new ShoalError('E_ACCESS', 'A page may not save a file without a click.')
}

/**
 * Several parts of a file in one answer. `found` has its size and type and no bytes; `open` fetches a part,
 * and throws what keeps it from being there.
 */
export async function sendParts(
  ask: Ask,
  found: Found,
  { parts, open }: { parts: readonly ByteRange[]; open: (part: ByteRange) => Promise<Found> },
): Promise<void> {
  const { response, stallMs } = ask
  const { tag } = fileVersion(ask, found)
  const { contentType } = fileServing(ask, found)
  const multipart = describeMultipart(parts, { contentType, tag, size: found.size })
  const { length } = multipart
  const headers = {
    ...fileHeaders(ask, found),
    'Accept-Ranges': 'bytes',
    'Content-Type': multipart.contentType,
    'Content-Length': length,
  }
  letGo(found)
  const isLocalOnly = ask.fetchOptions.isLocalOnly === true
  if (!isLocalOnly && isHeadSent(ask, 206, headers)) return
  // what keeps the first part from being there still becomes an answer of its own
  const first = await open(parts[0] as ByteRange)
  if (isHeadSent(ask, 206, headers)) {
    letGo(first)
    return
  }
  let next: Promise<Found> | undefined = Promise.resolve(first)
  const body = multipartBody(multipart, async (part) => {
    const { stream } = await (next ?? open(parts[part] as ByteRange))
    next = undefined
    return stream
  })
  await sendBody(response, { status: 206, headers, length, stallMs }, ReadableStream.from(body))
}

/** The client's copy is still right. */
export function sendNotModified(response: Response, version: Version): void {
  // the policy depends on the type, which only the network knows: the cached response keeps its own
  response.removeHeader('Content-Security-Policy')
  response.writeHead(304, version.headers)
  response.end()
}

/** Ends what an outcome still holds. */
export function letGo(outcome: FetchOutcome): void {
  if (outcome.type === 'found') outcome.stream.cancel().catch(() => {}) // nothing of it was wanted
  if (outcome.type === 'folder')
    outcome.entries[Symbol.asyncIterator]()
      .return?.()
      .catch(() => {})
}

async function sendBytes(ask: Ask, found: Found): Promise<void> {
  const { size, range } = found
  const status = range === undefined ? 200 : 206
  const length = range === undefined ? size : range.last - range.first + 1
  const headers = {
    ...fileHeaders(ask, found),
    'Accept-Ranges': 'bytes',
    ...(range && { 'Content-Range': contentRange(range, size) }),
    'Content-Length': length,
  }
  if (isHeadSent(ask, status, headers)) letGo(found)
  else await sendBody(ask.response, { status, headers, length, stallMs: ask.stallMs }, found.stream)
}

/** A page for a browser: its length is known at its end only. */
async function sendRewritten(ask: Ask, found: Found, syntax: Syntax): Promise<void> {
  const headers = { ...fileHeaders(ask, found), ...unknownLength(ask.request) }
  if (isHeadSent(ask, 200, headers)) {
    letGo(found)
    return
  }
  const page = rewriteContent({
    syntax,
    areScriptsAllowed: ask.viewer.areScriptsAllowed,
    contentType: found.contentType ?? '',
    bytes: found.stream,
  })
  await sendText(ask.response, { headers, stallMs: ask.stallMs }, page)
}

function fileHeaders(ask: Ask, found: Found): OutgoingHttpHeaders {
  const { contentType, headers } = fileServing(ask, found)
  return {
    'Content-Type': contentType,
    ...headers,
    ...fileVersion(ask, found).headers,
    ...(mayLearnTiming(ask) && serverTiming(found.timing)),
  }
}

/** A page could read in its own timing whether it was here already: a script of it must not have any. */
function mayLearnTiming({ viewer }: Ask): boolean {
  return viewer.mayLearnLocality && !viewer.areScriptsAllowed
}

function isHeadSent(
  { request, response }: Ask,
  status: number,
  headers: OutgoingHttpHeaders,
): boolean {
  if (request.method !== 'HEAD') return false
  response.writeHead(status, headers)
  response.end()
  return true
}
