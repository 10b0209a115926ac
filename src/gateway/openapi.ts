/**
 * `/api/v1/openapi.json`: the API as an OpenAPI 3.1 document, and the check that a request has no
 * parameter which it does not name.
 * @module
 */
import { STATUS_CODES } from 'node:http'

import type { RequestHandler } from 'express'

import { VERSION } from '../version.ts'
import { PATHS } from './openapi-paths.ts'
import type { Method, OperationSketch, Parameter } from './openapi-sketch.ts'
import type { SchemaName } from './openapi-schemas.ts'
import { SCHEMAS } from './openapi-schemas.ts'
import { badQuery, queryOf, rawPath } from './target.ts'

/** What any address may answer: no token, not from here, no such method, too much at once, a fault, the end. */
const ANYWHERE = [400, 401, 403, 405, 429, 500, 503] as const

/** The whole document, as it goes over the wire. */
export const OPENAPI_DOCUMENT = {
  openapi: '3.1.0',
  info: {
    title: 'shoal gateway',
    version: VERSION,
    license: { name: 'MIT', identifier: 'MIT' },
    description:
      'What programs and the start page ask of a node. Content itself is under its key: GET /CHK@… ' +
      'HEAD answers wherever GET does. A flag is on alone, as 1 or as true.',
  },
  servers: [{ url: '/' }],
  paths: Object.fromEntries(
    Object.entries(PATHS).map(([path, methods]) => [
      path,
      Object.fromEntries(
        Object.entries(methods).map(([method, sketch]) => [method, operationOf(sketch)]),
      ),
    ]),
  ),
  components: { schemas: SCHEMAS },
} as const

/** Answers with the document. */
export const describeRoute: RequestHandler = (_request, response) => {
  response.json(OPENAPI_DOCUMENT)
}

/**
 * Refuses parameters that the description does not name: `?convergant` must not be taken for nothing.
 * @throws ShoalError E_QUERY
 */
export const refuseUnknownParameters: RequestHandler = (request, _response, next) => {
  const known = parametersOf(rawPath(request), request.method.toLowerCase())
  for (const name of known === undefined ? [] : queryOf(request).keys()) {
    // the name is the client's own text and goes back to it alone
    if (known?.has(name) !== true) throw badQuery(name, 'is no parameter of this address')
  }
  next()
}

const PATTERNS = Object.entries(PATHS).map(([path, methods]) => ({
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
  methods,
}))

/** Names of the parameters in the query; undefined where there is no such operation. */
function parametersOf(path: string, method: string): ReadonlySet<string> | undefined {
  const found = PATTERNS.find(({ pattern }) => pattern.test(path))
  const operation = found?.methods[(method === 'head' ? 'get' : method) as Method]
  if (operation === undefined) return undefined
  const { parameters = [] } = operation
  return new Set(parameters.filter((one) => one.in === 'query').map(({ name }) => name))
}

function operationOf(sketch: OperationSketch) {
  const { operationId, summary, parameters = [], status, otherStatus = status } = sketch
  return {
    operationId,
    summary,
    parameters,
    ...bodyOf(sketch),
    responses: {
      [status]: answerOf(sketch, status),
      [otherStatus]: answerOf(sketch, otherStatus),
      ...problemsOf(sketch.problems),
    },
  }
}

function bodyOf({ body, formFields }: OperationSketch) {
  if (body === undefined) return {}
  const [mediaType, description] = body
  const form = formFields && { 'multipart/form-data': { schema: formOf(formFields) } }
  const content = { [mediaType]: { schema: {} }, ...form }
  return { requestBody: { required: true, description, content } }
}

/** A plain form: fields that are empty say nothing, and a ticked box says `on`. */
function formOf(fields: readonly Parameter[]) {
  const properties = fields.map(({ name, description, schema }) => {
    const flag = schema.enum && { enum: [...schema.enum, 'on'] }
    return [name, { ...schema, description, ...flag }] as const
  })
  const file = { description: 'The one file, after the fields; its part may have any name.' }
  return {
    type: 'object',
    required: ['file'],
    properties: { ...Object.fromEntries(properties), file },
  }
}

function answerOf(sketch: OperationSketch, status: number) {
  const { answers, events, mediaType, hasStatusLink } = sketch
  const content = events === undefined ? jsonOf(answers) : eventsOf(events)
  const any = mediaType === undefined ? undefined : { [mediaType]: { schema: { type: 'object' } } }
  return {
    description: STATUS_CODES[status] ?? '',
    ...(hasStatusLink !== undefined && {
      headers: {
        Link: {
          required: hasStatusLink === true,
          description: 'With rel="status": where to ask how far the insert has spread.',
          schema: { type: 'string' },
        },
      },
    }),
    ...((content ?? any) !== undefined && { content: content ?? any }),
  }
}

function jsonOf(answers: readonly SchemaName[]) {
  const [first, ...others] = answers.map(refTo)
  if (first === undefined) return undefined
  return {
    'application/json': { schema: others.length === 0 ? first : { anyOf: [first, ...others] } },
  }
}

/** OpenAPI 3.1 has no words for events: each by its name, in an extension. */
function eventsOf(events: Readonly<Record<string, SchemaName>>) {
  const byName = Object.entries(events).map(([name, schema]) => [name, refTo(schema)])
  return {
    'text/event-stream': { schema: { type: 'string' }, 'x-events': Object.fromEntries(byName) },
  }
}

function problemsOf(statuses: readonly number[]) {
  const all = new Set([...ANYWHERE, ...statuses])
  return Object.fromEntries(
    [...all].map((status) => [
      status,
      {
        description: STATUS_CODES[status] ?? '',
        content: { 'application/problem+json': { schema: refTo('Problem') } },
      },
    ]),
  )
}

function refTo(name: SchemaName) {
  return { $ref: `#/components/schemas/${name}` } as const
}
