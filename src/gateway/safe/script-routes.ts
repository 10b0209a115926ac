/**
 * `/api/v1/scripts`: which sites may run scripts. Sites themselves never get as far as this, and nothing is
 * allowed by a GET: it takes the page of ours, or a program.
 * @module
 */
import type { Request } from 'express'
import { Router } from 'express'

import { ShoalError } from '../../errors.ts'
import type { ShoalUri } from '../../keys/uri.ts'
import { formatUri, parseUri } from '../../keys/uri.ts'
import type { Answer } from '../openapi-schemas.ts'
import { titleOf } from '../outcome-error.ts'
import { keyInPasted } from '../pasted-key.ts'
import { refuseMethod } from '../problem.ts'
import { badQuery, queryOf, textOf } from '../target.ts'
import type { Sites } from './sites.ts'
import { doesSeal, isBrowser, SEALING_CHROMIUM } from './sites.ts'

const PATH = '/v1/scripts'
const ONE_ORIGIN =
  'Scripts stay off on this gateway: with a token, TLS, names of its own or another address than ' +
  'this machine’s own all sites share one origin.'
const NOT_SEALED =
  'Scripts stay off in this browser, allowed or not: only Chromium from version ' +
  `${SEALING_CHROMIUM} on is known to keep them from reaching outside.`

/** Routes below `/api`. What goes before them says who may ask, and that nothing is cached. */
export function createScriptRoutes(sites: Sites): Router {
  const { scripts } = sites
  const routes = Router({ caseSensitive: true, strict: true })
  routes
    .route(PATH)
    .get((request, response) => {
      const hindrance = hindranceOf(sites, request)
      const allowed = scripts.allowed.map((uri) => describe(sites, uri))
      response.json({
        sites: allowed,
        ...(hindrance !== undefined && { hindrance }),
      } satisfies Answer<'Scripts'>)
    })
    .delete((_request, response) => {
      scripts.revokeAll()
      response.status(204).end()
    })
    .all(refuseMethod('GET, HEAD, DELETE'))
  routes
    .route(`${PATH}/site`)
    .get((request, response) => {
      response.json(describe(sites, siteIn(request)))
    })
    .post((request, response) => {
      const uri = siteIn(request)
      if (!sites.areApart) throw new ShoalError('E_ACCESS', ONE_ORIGIN)
      scripts.allow(sites.labelOf(uri), uri)
      response.json(describe(sites, uri))
    })
    .delete((request, response) => {
      scripts.revoke(sites.labelOf(siteIn(request)))
      response.status(204).end()
    })
    .all(refuseMethod('GET, HEAD, POST, DELETE'))
  return routes
}

/** The pasted key, without the path of a page. @throws ShoalError E_QUERY, E_URI */
function siteIn(request: Request): ShoalUri {
  const text = textOf(queryOf(request), 'uri')
  if (text === undefined) throw badQuery('uri', 'is missing')
  return { ...parseUri(keyInPasted(text)), path: [] }
}

function describe(sites: Sites, uri: ShoalUri): Answer<'ScriptSite'> {
  const isNameless = uri.type === 'chk' && uri.name === undefined
  return {
    uri: formatUri(uri),
    name: isNameless ? '' : titleOf(uri),
    isAllowed: sites.scripts.isAllowed(sites.labelOf(uri)),
  }
}

/** Why no site runs scripts where the request comes from, as a sentence; undefined: they do. */
function hindranceOf(sites: Sites, request: Request): string | undefined {
  if (!sites.areApart) return ONE_ORIGIN
  return isBrowser(request) && !doesSeal(request) ? NOT_SEALED : undefined
}
