/**
 * `/api/v1`: what programs and the start page ask of the node. JSON, never cached, and closed to pages
 * of other origins.
 * @module
 */
import { Router } from 'express'

import { ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import type { Logger } from '../runtime.ts'
import { checkOrigin } from './access.ts'
import { createAnnounceRoute, createLookUpRoute, createWatchRoute } from './edition-routes.ts'
import { createInsertRoute } from './insert-route.ts'
import { createKeysRoute } from './keys-route.ts'
import { describeRoute, refuseUnknownParameters } from './openapi.ts'
import type { Answer } from './openapi-schemas.ts'
import { refuseMethod } from './problem.ts'
import { createPublishRoute } from './publish-route.ts'
import { createScriptRoutes } from './safe/script-routes.ts'
import type { Sites } from './safe/sites.ts'
import { createStatusRoutes } from './status-routes.ts'
import { createCheckRoute, createResizeRoute } from './store-routes.ts'
import { createTransferRoutes } from './transfer-routes.ts'
import { createUploadRoutes } from './uploads/upload-routes.ts'
import { UploadPlaces } from './upload.ts'
import type { UploadLimits } from './upload.ts'

export interface ApiOptions {
  readonly node: Node
  readonly logger: Logger
  readonly uploads: UploadLimits
  readonly sites: Sites
}

/** Routes below `/api`. */
export function createApi({ node, logger, uploads, sites }: ApiOptions): Router {
  const api = Router({ caseSensitive: true, strict: true })
  const places = new UploadPlaces(node, uploads)
  const insert = createInsertRoute(node, places)
  const publish = createPublishRoute(node, places)
  const onlyGet = refuseMethod('GET, HEAD')
  api.use(checkOrigin)
  api.use((_request, response, next) => {
    response.setHeader('Cache-Control', 'no-store')
    next()
  })
  api.use(refuseUnknownParameters)
  api.route('/v1/openapi.json').get(describeRoute).all(onlyGet)
  api.route('/v1/insert').post(insert).put(insert).all(refuseMethod('POST, PUT'))
  api.use(createUploadRoutes(node, places))
  api.use(createTransferRoutes(node))
  api.route('/v1/publish').post(publish).all(refuseMethod('POST'))
  api.route('/v1/lookup').get(createLookUpRoute(node)).all(onlyGet)
  api.route('/v1/watch').get(createWatchRoute(node)).all(onlyGet)
  api.route('/v1/announce').post(createAnnounceRoute(node)).all(refuseMethod('POST'))
  api.use(createStatusRoutes(node))
  api
    .route('/v1/store')
    .get((_request, response) => {
      response.json(node.store.stats() satisfies Answer<'StoreStats'>)
    })
    .all(onlyGet)
  api.route('/v1/store/check').post(createCheckRoute(node)).all(refuseMethod('POST'))
  api.route('/v1/store/resize').post(createResizeRoute(node, logger)).all(refuseMethod('POST'))
  api.use(createKeysRoute(node))
  api.use(createScriptRoutes(sites))
  api.use(() => {
    throw new ShoalError('E_ROUTE', 'The API has no such address.')
  })
  return api
}
