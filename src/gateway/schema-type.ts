/**
 * The part of JSON Schema that the API is described with, and the TypeScript type of what a schema
 * lets through: answers are checked against the description when they are compiled.
 * @module
 */

/** A schema of the description (JSON Schema 2020-12, OpenAPI 3.1). */
export interface Schema {
  readonly $ref?: `#/components/schemas/${string}`
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
}

/** What `S` lets through; `Known` has the schemas that it names. */
export type TypeOf<S, Known> = S extends { readonly $ref: `#/components/schemas/${infer Name}` }
  ? Name extends keyof Known
    ? TypeOf<Known[Name], Known>
    : never
  : S extends { readonly enum: readonly (infer Word)[] }
    ? Word
    : S extends { readonly items: infer Item }
      ? readonly TypeOf<Item, Known>[]
      : S extends { readonly properties: infer Properties }
        ? ObjectOf<Properties, RequiredOf<S>, Known>
        : PlainOf<S>

type RequiredOf<S> = S extends { readonly required: readonly (infer Name)[] } ? Name : never

type ObjectOf<Properties, Required, Known> = {
  readonly [Name in keyof Properties as Name extends Required ? Name : never]: TypeOf<
    Properties[Name],
    Known
  >
} & {
  readonly [Name in keyof Properties as Name extends Required ? never : Name]?:
    TypeOf<Properties[Name], Known> | undefined
}

type PlainOf<S> = S extends { readonly type: 'string' }
  ? string
  : S extends { readonly type: 'integer' | 'number' }
    ? number
    : S extends { readonly type: 'boolean' }
      ? boolean
      : unknown
