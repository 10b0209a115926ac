/**
 * The description of the API as tests use it: its operations, and checks of answers against it.
 * @module
 */
import assert from 'node:assert/strict'

import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Router } from 'express'

import { OPENAPI_DOCUMENT } from '../../src/gateway/openapi.ts'

interface Content {
  readonly schema: object
  readonly 'x-events'?: Readonly<Record<string, object>>
}

interface Operation {
  readonly operationId: string
  readonly parameters: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly schema: object
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> }
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly content?: Readonly<Record<string, Content>>
        readonly headers?: { readonly Link: { readonly required: boolean } }
      }
    >
  >
}

/** Every operation: `GET /api/v1/status`. */
export function operations(): ReadonlyMap<string, Operation> {
  const paths = Object.entries(OPENAPI_DOCUMENT.paths)
  return new Map(
    paths.flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, Operation] => [
        `${method.toUpperCase()} ${path}`,
        operation as unknown as Operation,
      ]),
    ),
  )
}

/** Every route of a router and of the routers in it, in the same words. */
export function routesOf(router: Router, prefix: string): readonly string[] {
  return router.stack.flatMap((layer) => {
    if (layer.route === undefined) {
      const inner = layer.handle as unknown as Partial<Router>
      return inner.stack === undefined ? [] : routesOf(inner as Router, prefix)
    }
    const path = prefix + layer.route.path.replace(/:(\w+)/g, '{$1}')
    const methods = layer.route.stack.map(({ method }) => method)
    return methods.filter(Boolean).map((method) => `${method.toUpperCase()} ${path}`)
  })
}

const ajv = new Ajv2020({ strict: true, allErrors: true, validateFormats: false })
ajv.addVocabulary(['components', 'allowEmptyValue'])
ajv.addSchema({ $id: 'shoal', components: closed(OPENAPI_DOCUMENT.components) })

export interface Answered {
  readonly status: number
  readonly type: string
  readonly body: unknown
  readonly text: string
}

/** Fails where the answer is not what the description says of this status and media type. */
export function assertDescribed(operation: string, answered: Answered): void {
  const described = operations().get(operation)?.responses[answered.status]
  assert.ok(described, `${operation} may answer ${answered.status}: ${answered.text}`)
  const { content } = described
  if (content === undefined) {
    assert.equal(answered.text, '', operation)
    return
  }
  const type = answered.type.split(';')[0] ?? ''
  const form = content[type]
  assert.ok(form, `${operation} may answer ${answered.status} with ${type}`)
  if (form['x-events'] === undefined) {
    assertMatches(form.schema, answered.body, `${operation} ${answered.status}`)
    return
  }
  for (const [, name = '', data = ''] of answered.text.matchAll(/event: (\w+)\ndata: (.*)\n/g)) {
    const schema = form['x-events'][name]
    assert.ok(schema, `${operation} may send ${name}`)
    assertMatches(schema, JSON.parse(data), `${operation} ${name}`)
  }
}

/** Fails where `value` does not match. A property that the schema does not name is a fault, too. */
export function assertMatches(schema: object, value: unknown, what: string): void {
  const isValid = ajv.validate(closed(absolute(schema)), value)
  assert.ok(isValid, `${what}: ${ajv.errorsText()}`)
}

/** The schema with every object in it closed to properties that it does not name. */
function closed(schema: unknown): object {
  const copy = mapped(schema, closed) as Record<string, unknown>
  return 'properties' in copy && 'required' in copy
    ? { ...copy, additionalProperties: false }
    : copy
}

function absolute(schema: unknown): object {
  const copy = mapped(schema, absolute) as Record<string, unknown>
  return typeof copy['$ref'] === 'string' ? { ...copy, $ref: `shoal${copy['$ref']}` } : copy
}

function mapped(value: unknown, change: (value: unknown) => object): unknown {
  const one = (part: unknown): unknown =>
    typeof part === 'object' && part !== null
      ? Array.isArray(part)
        ? part.map(one)
        : change(part)
      : part
  return Object.fromEntries(
    Object.entries(value as object).map(([name, part]) => [name, one(part)]),
  )
}
