/**
 * Words in which the addresses of the API are described: `openapi.ts` makes OpenAPI of them.
 * @module
 */
import type { SchemaName } from './openapi-schemas.ts'
import type { Schema } from './schema-type.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'query' | 'path' | 'header'
  readonly description: string
  readonly required?: boolean
  readonly allowEmptyValue?: boolean
  readonly schema: Schema
}

/** An operation in few words; `openapi.ts` makes OpenAPI of it. */
export interface OperationSketch {
  readonly operationId: string
  readonly summary: string
  readonly parameters?: readonly Parameter[]
  /** Media type of the body it takes, with one sentence about it. */
  readonly body?: readonly [mediaType: string, description: string]
  /** Fields of the form that it takes in place of that body, before the file. */
  readonly formFields?: readonly Parameter[]
  readonly status: 200 | 201 | 202 | 204
  /** Another status with such answers. */
  readonly otherStatus?: 200 | 201
  /** Schemas one of which the answer has; none: it has no body. */
  readonly answers: readonly SchemaName[]
  /** Server-sent events: the schema of each. Then there are no `answers`. */
  readonly events?: Readonly<Record<string, SchemaName>>
  /** Media type of another answer than JSON. */
  readonly mediaType?: string
  /** The answer has a `Link` to the spread of the insert: always, or only once it is whole. */
  readonly hasStatusLink?: true | 'when-whole'
  /** Statuses of problems, besides those that every address may answer with. */
  readonly problems: readonly number[]
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete' | 'options'
export type PathSketch = { readonly [M in Method]?: OperationSketch }

const TEXT: Schema = { type: 'string' }

/** A parameter of the query that may be missing. */
export function query(name: string, description: string, schema: Schema = TEXT): Parameter {
  return { name, in: 'query', description, schema }
}

/** The same, which may not. */
export function needed(parameter: Parameter): Parameter {
  return { ...parameter, required: true }
}

/** A flag of the query: on alone, as 1 or as true. */
export function flagOf(name: string, description: string): Parameter {
  const schema: Schema = { type: 'string', enum: ['', '1', 'true', '0', 'false'] }
  return { ...query(name, description, schema), allowEmptyValue: true }
}

/** A part of the path. */
export function inPath(name: string, description: string, pattern?: string): Parameter {
  const schema: Schema = pattern === undefined ? TEXT : { type: 'string', pattern }
  return { name, in: 'path', description, required: true, schema }
}

/** A header field of the request. */
export function header(name: string, description: string, schema: Schema): Parameter {
  return { name, in: 'header', description, schema }
}
