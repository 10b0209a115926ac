/**
 * The gateway's API for programs, typed by its own description. Runs wherever there is `fetch`.
 * @module
 */
import type { Answer } from '../gateway/openapi-schemas.ts'
import { errorOf, notOurs, readEvents, readJson, type ServerEvent } from './answer.ts'
import { fetchTransport, type Body, type Transport, type TransportRequest } from './transport.ts'

export interface ClientOptions {
  /** Where the gateway is; default `http://127.0.0.1:8888/`. */
  readonly gateway?: string | URL
  /** The gateway's token, where it asks for one. A secret. */
  readonly token?: string
  /** How to get there; default `fetch`. */
  readonly transport?: Transport
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

/** Where to ask how far an insert has spread; undefined where the gateway names no such place. */
export interface Spreading {
  readonly statusPath: string | undefined
}

export interface InsertCall extends CallOptions {
  /** File name: last part of the key, and where the type comes from. */
  readonly name?: string
  /** The body is a tar, its names sorted by their bytes. */
  readonly folder?: boolean
  readonly type?: string
  readonly convergent?: boolean
  readonly urn?: boolean
  /** Inserts under KSK@word. */
  readonly word?: string
}

export interface PublishCall extends CallOptions {
  /** Name of the publisher key. */
  readonly key: string
  readonly document: string
  readonly fixed?: boolean
  readonly folder?: boolean
  readonly name?: string
  readonly type?: string
}

export interface UploadCall extends CallOptions {
  /** File name: last part of the key, and where the type comes from. */
  readonly name?: string
  readonly type?: string
  readonly convergent?: boolean
  readonly urn?: boolean
  /** Inserts under KSK@word. */
  readonly word?: string
  /** Made up by the caller, who finds the upload by it again: 1 to 64 characters of A-Z a-z 0-9 - _. */
  readonly tag?: string
  /** Bytes in all, where that is known. */
  readonly length?: number
}

export interface PartCall extends CallOptions {
  /** Where the part begins. */
  readonly offset: number
  readonly isLast: boolean
}

export interface TransferCall extends CallOptions {
  readonly uri: string
  /** Absolute, on the machine of the node. */
  readonly path: string
  /** 0 to 9, the greater goes first; default 5. */
  readonly priority?: number
  readonly overwrite?: boolean
}

/** What a check of the store says: how far it is, then what it found. */
export type CheckEvent =
  | ({ readonly type: 'progress' } & Answer<'CheckProgress'>)
  | ({ readonly type: 'done' } & Answer<'Checked'>)

type Parameters = Readonly<Record<string, string | number | boolean | undefined>>

interface Call extends CallOptions {
  readonly method?: TransportRequest['method']
  /** Path and query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Body
}

const API = '/api/v1'
const SCRIPTS = `${API}/scripts`
/** On this host, whoever reads it: `//host` and `/\\host` would be another. */
const PATH = /^\/(?![/\\])/
const DEFAULT_GATEWAY = 'http://127.0.0.1:8888/'

/**
 * One gateway. Every call rejects with GatewayError where the gateway refuses, with the signal's reason
 * when aborted, and with the transport's own error where there is no answer. Answers have the types of
 * the description; a gateway of another version may say more or less.
 */
export class ShoalClient {
  readonly #gateway: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #transport: Transport

  constructor({
    gateway = DEFAULT_GATEWAY,
    token,
    transport = fetchTransport,
  }: ClientOptions = {}) {
    this.#gateway = new URL(gateway)
    this.#transport = transport
    this.#headers = {
      accept: 'application/json, application/problem+json, text/event-stream',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
  }

  /** Where content is found: give it to a player, or to `fetch`. `key` in its canonical spelling. */
  contentUrl(key: string): URL {
    return new URL(`/${key}`, this.#gateway)
  }

  status(options?: CallOptions): Promise<Answer<'Status'>> {
    return this.#json({ ...options, path: `${API}/status` })
  }

  /** How the node is, now and at each change, until `signal` aborts or the loop is left. */
  async *followStatus(options?: CallOptions): AsyncGenerator<Answer<'Status'>, void> {
    for await (const { name, value } of this.#events({
      ...options,
      path: `${API}/status/events`,
    })) {
      if (name === 'status') yield value as Answer<'Status'>
    }
  }

  /** The OpenAPI document. */
  description(options?: CallOptions): Promise<Readonly<Record<string, unknown>>> {
    return this.#json({ ...options, path: `${API}/openapi.json` })
  }

  /** Resolves when the last byte is safe on the node. */
  insert(
    body: Body,
    { signal, ...parameters }: InsertCall = {},
  ): Promise<(Answer<'Inserted'> | Answer<'InsertedFolder'>) & Spreading> {
    return this.#spreading({ ...withSignal(signal), path: at('/insert', parameters), body })
  }

  /** Resolves when the edition is decided. */
  publish(
    body: Body,
    { signal, ...parameters }: PublishCall,
  ): Promise<Answer<'Published'> & Spreading> {
    return this.#spreading({ ...withSignal(signal), path: at('/publish', parameters), body })
  }

  /** How far an insert has spread; `statusPath` as its answer has it. */
  spread(statusPath: string, options?: CallOptions): Promise<Answer<'Spread'>> {
    return this.#json({ ...options, path: statusPath })
  }

  /** How far an insert has spread, now and at each change, until others hold all of it. */
  async *followSpread(
    statusPath: string,
    options?: CallOptions,
  ): AsyncGenerator<Answer<'Spread'>, void> {
    const call: Call = { ...options, path: `${statusPath}/events` }
    for await (const { name, value } of this.#events(call)) {
      if (name === 'spread') yield value as Answer<'Spread'>
    }
  }

  /** The newest edition of a USK, asked of the network now; `timeout` in seconds. */
  lookUp(
    uri: string,
    { signal, timeout }: CallOptions & { readonly timeout?: number } = {},
  ): Promise<Answer<'LookedUp'>> {
    return this.#json({ ...withSignal(signal), path: at('/lookup', { uri, timeout }) })
  }

  /** The newest edition of a USK now, and each newer one, until `signal` aborts or the loop is left. */
  async *watch(uri: string, options?: CallOptions): AsyncGenerator<Answer<'Edition'>, void> {
    for await (const { name, value } of this.#events({ ...options, path: at('/watch', { uri }) })) {
      if (name === 'edition') yield value as Answer<'Edition'>
    }
  }

  /** Inserts the head of a USK and its edition again. */
  announce(uri: string, options?: CallOptions): Promise<Answer<'Edition'> & Spreading> {
    return this.#spreading({ ...options, path: at('/announce', { uri }) })
  }

  /** What the store counts. */
  storeStats(options?: CallOptions): Promise<Answer<'StoreStats'>> {
    return this.#json({ ...options, path: `${API}/store` })
  }

  /** Has every block verified; leaving the loop ends that. @throws GatewayError where it fails midway. */
  async *checkStore(options?: CallOptions): AsyncGenerator<CheckEvent, void> {
    const call: Call = { ...options, method: 'POST', path: `${API}/store/check` }
    for await (const { name, value } of this.#events(call)) {
      if (name === 'failed') throw errorOf(value, 'the node could not go on')
      if (name === 'progress' || name === 'done') yield { type: name, ...value } as CheckEvent
    }
  }

  /** Begins a resize, which goes on without the call. */
  resizeStore(bytes: number, options?: CallOptions): Promise<Answer<'StoreStats'>> {
    return this.#json({ ...options, method: 'POST', path: at('/store/resize', { bytes }) })
  }

  async listKeys(options?: CallOptions): Promise<Answer<'Keys'>['keys']> {
    const { keys } = await this.#json<Answer<'Keys'>>({ ...options, path: `${API}/keys` })
    return keys
  }

  createKey(name: string, options?: CallOptions): Promise<Answer<'Key'>> {
    return this.#json({ ...options, method: 'POST', path: at('/keys', { name }) })
  }

  /** `documentUri` where `document` is given. */
  getKey(
    name: string,
    { signal, document }: CallOptions & { readonly document?: string } = {},
  ): Promise<Answer<'ShownKey'>> {
    return this.#json({ ...withSignal(signal), path: at(keyPath(name), { document }) })
  }

  async removeKey(name: string, options?: CallOptions): Promise<void> {
    await this.#json({ ...options, method: 'DELETE', path: `${API}${keyPath(name)}` })
  }

  /** The secret, as a text that can be kept on paper. */
  exportKey(name: string, options?: CallOptions): Promise<Answer<'ExportedKey'>> {
    return this.#json({ ...options, method: 'POST', path: `${API}${keyPath(name)}/export` })
  }

  /** Takes such a text; `name` in place of the one in it. */
  importKey(
    text: string,
    { signal, name }: CallOptions & { readonly name?: string } = {},
  ): Promise<Answer<'Key'>> {
    const path = at('/import-key', { name })
    return this.#json({ ...withSignal(signal), method: 'POST', path, body: text })
  }

  /** Begins an insert in parts, or finds the one with this tag: it goes on at its `offset`. */
  beginUpload({ signal, length, ...parameters }: UploadCall = {}): Promise<Answer<'Upload'>> {
    const headers = {
      'upload-complete': '?0',
      ...(length !== undefined && { 'upload-length': String(length) }),
    }
    const path = at('/uploads', { ...parameters })
    return this.#json({ ...withSignal(signal), method: 'POST', path, headers })
  }

  /** How far it is, with its key once it is whole. */
  getUpload(id: string, options?: CallOptions): Promise<Answer<'Upload'> & Spreading> {
    return this.#spreading({ ...options, method: 'GET', path: placeOf('uploads', id) })
  }

  /** Resolves when the part is taken, with the key when it was the last one and all is safe on the node. */
  continueUpload(
    id: string,
    body: Body,
    { offset, isLast, ...options }: PartCall,
  ): Promise<(Answer<'Upload'> | Answer<'Inserted'>) & Spreading> {
    const headers = {
      'content-type': 'application/partial-upload',
      'upload-offset': String(offset),
      'upload-complete': isLast ? '?1' : '?0',
    }
    const path = placeOf('uploads', id)
    return this.#spreading({ ...options, method: 'PATCH', path, headers, body })
  }

  async cancelUpload(id: string, options?: CallOptions): Promise<void> {
    await this.#json({ ...options, method: 'DELETE', path: placeOf('uploads', id) })
  }

  async listTransfers(options?: CallOptions): Promise<Answer<'Transfers'>['transfers']> {
    const path = `${API}/transfers`
    const { transfers } = await this.#json<Answer<'Transfers'>>({ ...options, path })
    return transfers
  }

  getTransfer(id: number, options?: CallOptions): Promise<Answer<'Transfer'>> {
    return this.#json({ ...options, path: placeOf('transfers', id) })
  }

  /** Has the node fetch a key to a file, also after a restart. */
  addTransfer({ signal, ...parameters }: TransferCall): Promise<Answer<'Transfer'>> {
    const path = at('/transfers', { ...parameters })
    return this.#json({ ...withSignal(signal), method: 'POST', path })
  }

  /** Pauses, resumes or moves a download in the queue. */
  changeTransfer(
    id: number,
    {
      signal,
      paused,
      priority,
    }: CallOptions & { readonly paused?: boolean; readonly priority?: number },
  ): Promise<Answer<'Transfer'>> {
    const how = { paused: paused === undefined ? undefined : Number(paused), priority }
    const path = at(`/transfers/${encodeURIComponent(id)}`, how)
    return this.#json({ ...withSignal(signal), method: 'PATCH', path })
  }

  /** Forgets a download; what is not whole is removed. */
  async removeTransfer(id: number, options?: CallOptions): Promise<void> {
    await this.#json({ ...options, method: 'DELETE', path: placeOf('transfers', id) })
  }

  /** All downloads to disk now, and each that changes, until `signal` aborts or the loop is left. */
  async *followTransfers(options?: CallOptions): AsyncGenerator<Answer<'Transfer'>, void> {
    for await (const { name, value } of this.#events({
      ...options,
      path: `${API}/transfers/events`,
    })) {
      if (name === 'transfer') yield value as Answer<'Transfer'>
    }
  }

  /** Keys that are tried in the background. */
  async listWaits(options?: CallOptions): Promise<Answer<'Waits'>['waits']> {
    const { waits } = await this.#json<Answer<'Waits'>>({ ...options, path: `${API}/waits` })
    return waits
  }

  getWait(id: string, options?: CallOptions): Promise<Answer<'Wait'>> {
    return this.#json({ ...options, path: placeOf('waits', id) })
  }

  /** Goes on although nobody looks, for a day. */
  keepWait(id: string, options?: CallOptions): Promise<Answer<'Wait'>> {
    return this.#json({ ...options, method: 'POST', path: `${placeOf('waits', id)}/keep` })
  }

  async cancelWait(id: string, options?: CallOptions): Promise<void> {
    await this.#json({ ...options, method: 'DELETE', path: placeOf('waits', id) })
  }

  /** The sites whose pages may run scripts. */
  listScripts(options?: CallOptions): Promise<Answer<'Scripts'>> {
    return this.#json({ ...options, path: SCRIPTS })
  }

  /** Which site a key belongs to, or the address of a page. */
  getScripts(uri: string, options?: CallOptions): Promise<Answer<'ScriptSite'>> {
    return this.#json({ ...options, path: at('/scripts/site', { uri }) })
  }

  /** Lets the pages of a site run scripts, until the node ends. */
  allowScripts(uri: string, options?: CallOptions): Promise<Answer<'ScriptSite'>> {
    return this.#json({ ...options, method: 'POST', path: at('/scripts/site', { uri }) })
  }

  /** Its pages run no scripts, once they are loaded anew. */
  async revokeScripts(uri: string, options?: CallOptions): Promise<void> {
    await this.#json({ ...options, method: 'DELETE', path: at('/scripts/site', { uri }) })
  }

  async revokeAllScripts(options?: CallOptions): Promise<void> {
    await this.#json({ ...options, method: 'DELETE', path: SCRIPTS })
  }

  /** How a wait goes, to its end. */
  async *followWait(id: string, options?: CallOptions): AsyncGenerator<Answer<'Wait'>, void> {
    const call: Call = { ...options, path: `${placeOf('waits', id)}/events` }
    for await (const { name, value } of this.#events(call)) {
      if (name === 'wait') yield value as Answer<'Wait'>
    }
  }

  async #json<T>(call: Call): Promise<T> {
    return (await readJson(await this.#send(call))) as T
  }

  async #spreading<T>(call: Call): Promise<T & Spreading> {
    const response = await this.#send({ method: 'POST', ...call })
    const answer = (await readJson(response)) as T
    return { ...answer, statusPath: statusPathIn(response.header('link')) }
  }

  async *#events(call: Call): AsyncGenerator<ServerEvent, void> {
    yield* readEvents(await this.#send(call))
  }

  async #send({ method = 'GET', path, body, signal, ...call }: Call) {
    if (!PATH.test(path)) throw notOurs() // a link that leads elsewhere: the token must not
    const gateway = this.#gateway
    const headers = { ...this.#headers, ...call.headers }
    return await this.#transport({ gateway, method, path, headers, body, signal })
  }
}

/** The path in a `Link` header with `rel="status"`. */
export function statusPathIn(link: string | undefined): string | undefined {
  return /<(\/(?!\/)[^>]*)>\s*;\s*rel="?status"?/i.exec(link ?? '')?.[1]
}

function placeOf(what: 'uploads' | 'transfers' | 'waits', id: string | number): string {
  return `${API}/${what}/${encodeURIComponent(id)}`
}

function keyPath(name: string): string {
  return `/keys/${encodeURIComponent(name)}`
}

/** An address of the API with those parameters that are given; a flag only where it is on. */
function at(path: string, parameters: Parameters): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value === true) query.set(name, '1')
    else if (value !== undefined && value !== false) query.set(name, String(value))
  }
  return `${API}${path}${query.size === 0 ? '' : `?${query.toString()}`}`
}

function withSignal(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal }
}
