/**
 * A gateway whose fetches wait until the test lets them go on, on a clock of its own: for tests of waiting.
 * @module
 */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { createApp } from '../../src/gateway/app.ts'
import { Waits } from '../../src/gateway/wait/waits.ts'
import type { WaitView } from '../../src/gateway/wait/wait-view.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from './clock.ts'
import { createSlowNode } from './slow-node.ts'

/** What browsers accept in a window. */
export const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8'
/** What Chromium sends when an address is typed. */
export const NAVIGATION = {
  Accept: HTML,
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Site': 'none',
}
export const NOT_FOUND = { type: 'not-found' } as const

/** Fetches of its node wait from the beginning; `open` and `get` ask as a browser does. */
export async function waitingGateway(t: TestContext) {
  const node = createSlowNode()
  const clock = createSimulatedClock()
  const waits = new Waits({ node, clock })
  const server = createServer(createApp({ node, logger: silentLogger, waits }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    waits.close()
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`
  const get = (path: string, headers: Record<string, string> = NAVIGATION, method = 'GET') =>
    ask(`${url}${path}`, { headers, method })
  /** Opens a key as a browser does, and lets a second pass. */
  const open = async (path: string, headers = NAVIGATION) => {
    const asked = node.calls.fetch.length + node.waiting()
    const answer = get(path, headers)
    await until(() => node.calls.fetch.length + node.waiting() > asked)
    await clock.runFor(1000)
    return await answer
  }
  node.hold()
  return { node, clock, waits, server, url, get, open }
}

/** As `fetch`, which says of itself that it is no navigation; goes on to the origin of a site. */
export async function ask(
  url: string,
  options: { headers: Record<string, string>; method?: string; signal?: AbortSignal },
): Promise<Response> {
  const sent = request(url, options)
  sent.end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const { statusCode: status = 0, headers } = answer
  const site = /^http:\/\/([^/]+\.localhost:\d+)\//.exec(headers.location ?? '')?.[1]
  if (site !== undefined) {
    answer.resume()
    return await ask(url, { ...options, headers: { ...options.headers, Host: site } })
  }
  const body = [204, 304].includes(status)
    ? null
    : (Readable.toWeb(answer) as ReadableStream<Uint8Array>)
  return new Response(body, { status, headers: headers as Record<string, string> })
}

/** Lets real time pass until it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(1)
}

/** The id of the wait that a page shows; empty where it is another page. */
export function idIn(page: string): string {
  return /data-wait="([\w-]{22})"/.exec(page)?.[1] ?? ''
}

/** The views that a stream of events carries, one after the other. */
export async function* viewsOf(response: Response): AsyncGenerator<WaitView> {
  let text = ''
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece
    const lines = text.split('\n\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      const data = /^event: wait\ndata: (.*)$/.exec(line)?.[1]
      if (data !== undefined) yield JSON.parse(data) as WaitView
    }
  }
}
