/**
 * `/metrics` in the words of Prometheus: what the node does for others. Nothing of what its owner fetches or
 * inserts (design §7): whoever scrapes this writes it down. So neither the outbox nor what is used in all is
 * here, nor the memory of the process, which grows with what is read; and requests of the gateway only where
 * its operator says that they are those of many.
 * @module
 */
import type { Request, RequestHandler } from 'express'
import { Counter, Gauge, Registry } from 'prom-client'

import type { AreaStats, Node } from '../node.ts'
import { isKeyAttempt } from './safe/key-path.ts'
import { methodError } from './problem.ts'
import { rawPath } from './target.ts'

export interface Metrics {
  /** Counts requests by what they are for and how they ended. */
  readonly count: RequestHandler
  /** `GET /metrics`. */
  readonly route: RequestHandler
}

type Source = Pick<Node, 'status' | 'store' | 'peerWork'>
/** Label values and their numbers; the names of the labels are given once. */
type Rows = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[]

interface Row {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  readonly read: () => Rows
}

/** The metrics of one node. */
export function createMetrics(node: Source): Metrics {
  const registry = new Registry()
  for (const row of gauges(node)) addGauge(registry, row)
  for (const row of counters(node)) addCounter(registry, row)
  const requests = new Counter({
    name: 'shoal_gateway_requests_total',
    help: 'Requests of a shared gateway, by class and by status; counted where that is asked for.',
    labelNames: ['class', 'status'],
    registers: [registry],
  })
  return {
    count: (request, response, next) => {
      const labels = { class: classOf(request) }
      response.once('close', () => {
        const isWhole = response.writableFinished
        requests.inc({ ...labels, status: isWhole ? `${response.statusCode}` : 'broken' })
      })
      next()
    },
    route: async (request, response) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        throw methodError(response, 'GET, HEAD')
      }
      const text = await registry.metrics()
      response.setHeader('Cache-Control', 'no-store')
      response.type(registry.contentType).send(text)
    },
  }
}

function gauges(node: Source): readonly Row[] {
  return [
    { name: 'shoal_peers', help: 'Peers connected now.', read: () => [[{}, node.status().peers]] },
    {
      name: 'shoal_store_slots',
      help: 'Blocks that an area may hold.',
      labels: ['area'],
      read: () => areaRows(node, ({ slots }) => slots),
    },
    {
      name: 'shoal_store_used_slots',
      help: 'Blocks that an area holds.',
      labels: ['area'],
      read: () => areaRows(node, ({ used }) => used),
    },
  ]
}

function counters(node: Source): readonly Row[] {
  const stats = () => node.store.stats()
  const work = () => node.peerWork()
  return [
    {
      name: 'shoal_peer_requests_total',
      help: 'Requests that came from peers.',
      labels: ['type'],
      read: () => [
        [{ type: 'fetch' }, work().fetches],
        [{ type: 'insert' }, work().inserts],
      ],
    },
    one('shoal_circuits_total', 'Circuits passed on between peers.', () => work().circuits),
    one('shoal_circuit_bytes_total', 'Bytes in them.', () => work().circuitBytes),
    one('shoal_bans_total', 'Links ended as the peer broke the rules.', () => work().bans),
    one(
      'shoal_invalid_blocks_total',
      'Blocks from peers that do not verify.',
      () => work().invalidBlocks,
    ),
    {
      name: 'shoal_store_hits_total',
      help: 'Reads for peers that an area answered.',
      labels: ['area'],
      read: () => areaRows(node, ({ hits }) => hits),
    },
    one('shoal_store_misses_total', 'Reads for peers of what is not here.', () => stats().misses),
    {
      name: 'shoal_store_evictions_total',
      help: 'Blocks that went, by area and why.',
      labels: ['area', 'reason'],
      read: () => evictionRows(node),
    },
  ]
}

function one(name: string, help: string, read: () => number): Row {
  return { name, help, read: () => [[{}, read()]] }
}

function areaRows(node: Source, read: (area: AreaStats) => number): Rows {
  const { store, cache } = node.store.stats()
  return [
    [{ area: 'store' }, read(store)],
    [{ area: 'cache' }, read(cache)],
  ]
}

function evictionRows(node: Source): Rows {
  const { store, cache } = node.store.stats()
  return Object.entries({ store, cache }).flatMap(([area, { evictions }]) =>
    Object.entries(evictions).map(([reason, count]) => [{ area, reason }, count] as const),
  )
}

function addGauge(registry: Registry, { name, help, labels = [], read }: Row): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect: () => {
      for (const [values, value] of read()) gauge.set(values, value)
    },
  })
}

/** The node counts by itself: each time its numbers are taken over whole. */
function addCounter(registry: Registry, { name, help, labels = [], read }: Row): void {
  const counter: Counter = new Counter({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect: () => {
      counter.reset()
      for (const [values, value] of read()) counter.inc(values, value)
    },
  })
}

/** What a request is for: never which key. */
function classOf(request: Request): string {
  const path = rawPath(request)
  if (isKeyAttempt(path)) return 'content'
  if (!path.startsWith('/api/')) return 'page'
  return /^\/api\/v1\/(?:insert|publish|uploads(?:\/.*)?)$/.test(path) ? 'upload' : 'api'
}
