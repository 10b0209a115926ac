/**
 * Runs the command line inside the test's process, against streams that remember, and a gateway that
 * answers as the test says.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable, Writable } from 'node:stream'

import { run } from '../../src/cli/run.ts'

export interface CliResult {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly stdin?: Readable
  readonly signal?: AbortSignal
  readonly env?: Readonly<Record<string, string>>
  /** Makes stdout or stderr look like a terminal. */
  readonly terminal?: 'stdout' | 'stderr'
  readonly stdout?: Writable
  /** Told of every write to stderr. */
  readonly onStderr?: (text: string) => void
}

/** The exit code and everything that was written. */
export async function runCli(
  argv: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const stdout = new Memory(options.terminal === 'stdout', () => {})
  const stderr = new Memory(options.terminal === 'stderr', options.onStderr ?? (() => {}))
  const exit = await run(argv, {
    stdout: options.stdout ?? stdout,
    stderr,
    stdin: options.stdin ?? Readable.from([]),
    signal: options.signal ?? new AbortController().signal,
    env: options.env ?? {},
  })
  return { exit, stdout: stdout.text(), stderr: stderr.text() }
}

class Memory extends Writable {
  readonly isTTY: boolean
  readonly columns = 80
  readonly #parts: Buffer[] = []
  readonly #onText: (text: string) => void

  constructor(isTTY: boolean, onText: (text: string) => void) {
    super()
    this.isTTY = isTTY
    this.#onText = onText
  }

  override _write(part: Buffer, _encoding: string, done: () => void): void {
    this.#parts.push(part)
    this.#onText(part.toString())
    done()
  }

  text(): string {
    return Buffer.concat(this.#parts).toString()
  }
}

export interface ScriptedGateway {
  readonly url: string
  /** `METHOD path` of every request, in order. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

/** An HTTP server on a free port of loopback. */
export async function scriptGateway(
  answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<ScriptedGateway> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    void answer(request, response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

/** Answers with JSON, problem+json from 400 on. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json'
  response.writeHead(status, { 'content-type': type, ...headers }).end(JSON.stringify(body))
}
