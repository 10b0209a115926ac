/**
 * The gateway as an express app: which request goes where. The order matters: headers and the Host
 * check come before everything, the error handler comes last.
 * @module
 */
import type { Express } from 'express'
import express, { Router } from 'express'

import { ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import type { Clock, Logger } from '../runtime.ts'
import { systemClock } from '../runtime.ts'
import { checkOrigin, createHostCheck } from './access.ts'
import { createApi } from './api.ts'
import { isLoopback } from './client-table.ts'
import { createContentRoute } from './content-route.ts'
import { createDenyCheck, type DenyList } from './deny-list.ts'
import { createDoor } from './login.ts'
import { createMetrics } from './metrics.ts'
import { createProblemHandler } from './problem.ts'
import { createRateLimit } from './rate-limit.ts'
import { createOutsideRoute } from './safe/outside-page.ts'
import { Sites } from './safe/sites.ts'
import { setOwnPageHeaders } from './safety.ts'
import { UPLOAD_IDLE_MS } from './stalled-upload.ts'
import { createStaticRoute, findStaticDir, pasteRoute, statusRoute } from './start-page.ts'
import { checkTarget } from './target.ts'
import type { TokenGate } from './token.ts'
import { createWaitRoutes } from './wait/wait-routes.ts'
import { Waits } from './wait/waits.ts'

export interface AppOptions {
  readonly node: Node
  readonly logger: Logger
  /** Folder of the start page; default: the one of this package. */
  readonly staticDir?: string
  /** More names under which the gateway answers; default: none. */
  readonly hostNames?: readonly string[]
  /** Lets in who has its token; default: anyone may ask. */
  readonly gate?: TokenGate
  /** Whether it speaks TLS; default false. */
  readonly isTls?: boolean
  /** What is not served; default: everything is. */
  readonly denyList?: Pick<DenyList, 'has'>
  /** Time; default: the real one. */
  readonly clock?: Pick<Clock, 'now'>
  /**
   * Address that it listens on, under which it answers besides this machine's own names; where others reach it,
   * how often they may ask is limited. Default: this machine only.
   */
  readonly host?: string
  /** How long an upload may stand still, ms; default UPLOAD_IDLE_MS. */
  readonly uploadIdleMs?: number
  /** Where browsers wait; whoever gives it closes it. Default: one that nobody closes. */
  readonly waits?: Waits
  /** Longest body of an upload, bytes; default: what the store takes. */
  readonly maxUploadBytes?: number
  /** Counts the gateway's own requests in /metrics, too; default false: who asks is usually its owner. */
  readonly countsRequests?: boolean
}

const DEFAULT_HOST = 'localhost'

/** One person's own gateway has an origin for each site. */
function sitesOf(options: AppOptions): Sites {
  const { host = DEFAULT_HOST, hostNames = [], gate, isTls = false } = options
  return new Sites({
    host,
    isShared: isTls || gate !== undefined || hostNames.length > 0,
    hasLogin: gate !== undefined,
  })
}

/** Who is let in, and how often. */
function accessOf(options: AppOptions, sites: Sites): Router {
  const { host = DEFAULT_HOST, hostNames = [], gate, clock = systemClock } = options
  const access = Router()
  access.use(createHostCheck([host, ...hostNames], { hasSites: sites.areApart }))
  if (!isLoopback(host)) access.use(createRateLimit(clock))
  if (gate !== undefined) access.use(createDoor(gate))
  return access
}

/** Everything over HTTP that a node offers; `startGateway` makes it listen. */
export function createApp(options: AppOptions): Express {
  const { node, logger, staticDir } = options
  const { denyList } = options
  const { uploadIdleMs = UPLOAD_IDLE_MS, maxUploadBytes = Number.POSITIVE_INFINITY } = options
  const uploads = { idleMs: uploadIdleMs, maxBytes: maxUploadBytes }
  const sites = sitesOf(options)
  const waits = options.waits ?? new Waits({ node })
  const metrics = createMetrics(node)
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('case sensitive routing')
  app.enable('strict routing')
  app.use(setOwnPageHeaders, checkTarget)
  app.use(accessOf(options, sites))
  if (options.countsRequests === true) app.use(metrics.count)
  app.use(createOutsideRoute(sites))
  // before the guard, which keeps sites from the API: their pages are waited for too
  app.use('/api', createWaitRoutes(waits))
  app.use(sites.guard)
  if (denyList !== undefined) app.use(createDenyCheck(denyList))
  app.all('/metrics', checkOrigin, metrics.route)
  app.use('/api', createApi({ node, logger, uploads, sites }))
  app.use(createContentRoute(node, sites, { waits }))
  app.use(pasteRoute)
  app.get('/status', statusRoute)
  app.use(createStaticRoute(staticDir ?? findStaticDir()))
  app.use(() => {
    throw new ShoalError('E_ROUTE', 'The gateway has nothing at this address.')
  })
  app.use(createProblemHandler(logger))
  return app
}
