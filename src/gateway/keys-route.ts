/**
 * `/api/v1/keys` and `/api/v1/import-key`: the publisher keys of the node. A secret leaves by `export`
 * alone, which is a POST so that nothing fetches it unasked.
 * @module
 */
import type { RequestHandler } from 'express'
import { Router } from 'express'

import { ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import { refuseMethod } from './problem.ts'
import { shortText } from './short-text.ts'
import { queryOf, textOf } from './target.ts'

/** Longest body of an import, bytes; an exported key has a few hundred. */
const MAX_TEXT_BYTES = 4096

type NamedRoute = RequestHandler<{ name: string }>

/** Routes below `/api`. What goes before them says who may ask, and that nothing is cached. */
export function createKeysRoute(node: Node): Router {
  const router = Router({ caseSensitive: true, strict: true })
  router
    .route('/v1/keys')
    .get((_request, response) => {
      response.json({ keys: node.keys.list().map(({ name, uri }) => ({ name, uri })) })
    })
    .post(createRoute(node))
    .all(refuseMethod('GET, HEAD, POST'))
  router
    .route('/v1/keys/:name')
    .get(showRoute(node))
    .delete(removeRoute(node))
    .all(refuseMethod('GET, HEAD, DELETE'))
  router.route('/v1/keys/:name/export').post(exportRoute(node)).all(refuseMethod('POST'))
  router.route('/v1/import-key').post(importRoute(node)).all(refuseMethod('POST'))
  return router
}

function createRoute(node: Node): RequestHandler {
  return async (request, response) => {
    const { name, uri } = await node.keys.create(given(queryOf(request), 'name') ?? '')
    response.status(201).json({ name, uri })
  }
}

function showRoute(node: Node): NamedRoute {
  return (request, response) => {
    const { name, uri } = node.keys.get(request.params.name)
    const document = given(queryOf(request), 'document')
    const documentUri = document === undefined ? undefined : node.keys.documentUri(name, document)
    response.json({ name, uri, ...(documentUri !== undefined && { documentUri }) })
  }
}

function removeRoute(node: Node): NamedRoute {
  return async (request, response) => {
    await node.keys.remove(request.params.name)
    response.status(204).end()
  }
}

function exportRoute(node: Node): NamedRoute {
  return (request, response) => {
    response.json({ text: node.keys.export(request.params.name) })
  }
}

function importRoute(node: Node): RequestHandler {
  return async (request, response) => {
    const tooLong = new ShoalError('E_KEY', 'Not an exported publisher key: it is too long.')
    const text = await shortText(request, { maxBytes: MAX_TEXT_BYTES, tooLong })
    const { name, uri } = await node.keys.import(text, given(queryOf(request), 'name'))
    response.status(201).json({ name, uri })
  }
}

/** The parameter, also where it is empty: the keyring says what is wrong with it. */
function given(query: URLSearchParams, parameter: string): string | undefined {
  return query.has(parameter) ? (textOf(query, parameter) ?? '') : undefined
}
