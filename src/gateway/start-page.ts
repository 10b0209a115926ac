/**
 * The start page and its files, and the paste box: a form that works without scripts.
 * @module
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { RequestHandler } from 'express'
import express from 'express'

import { formatUri, formatUrn, parseUri } from '../keys/uri.ts'
import { keyInPasted } from './pasted-key.ts'
import { methodError } from './problem.ts'
import { sendRedirect } from './redirect.ts'
import { queryOf, rawPath, textOf } from './target.ts'

/** `static/` of this package: beside `dist/`, or beside the `src/` of a test build. */
export function findStaticDir(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'static', 'index.html')) && dirname(folder) !== folder) {
    folder = dirname(folder)
  }
  return join(folder, 'static')
}

/** Serves the files of `staticDir`; what is not among them is passed on. */
export function createStaticRoute(staticDir: string): RequestHandler {
  return express.static(staticDir, {
    redirect: false,
    extensions: ['html'],
    setHeaders: (response) => {
      // files change with the node's version only, and their tags tell
      response.setHeader('Cache-Control', 'no-cache')
      // a page of the web that opened one of ours can neither move nor lead its window
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
    },
  })
}

/** `/?key=…`: sends on to the pasted key. @throws ShoalError E_URI */
export const pasteRoute: RequestHandler = (request, response, next) => {
  if (rawPath(request) !== '/') {
    next()
    return
  }
  if (!['GET', 'HEAD'].includes(request.method)) throw methodError(response, 'GET, HEAD')
  const query = queryOf(request)
  if (!query.has('key')) {
    next()
    return
  }
  const Location = `/${canonicalKey(textOf(query, 'key') ?? '')}`
  sendRedirect(response, 303, { Location, 'Cache-Control': 'no-store' })
}

/** `/status`, as people type it: how the node is stands at the end of the start page. */
export const statusRoute: RequestHandler = (_request, response) => {
  sendRedirect(response, 303, { Location: '/#status', 'Cache-Control': 'no-store' })
}

/** The one spelling of a key that was pasted alone or as a whole address of some gateway. */
function canonicalKey(pasted: string): string {
  const key = keyInPasted(pasted)
  const uri = parseUri(key)
  const isUrn = uri.type === 'chk' && uri.kind === 'bare' && /urn(:|%3a)/i.test(key)
  return isUrn ? formatUrn(uri) : formatUri(uri)
}
