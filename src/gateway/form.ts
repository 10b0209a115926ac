/**
 * `multipart/form-data` (RFC 7578) as a plain form sends it: fields that say how to insert, then one
 * file, which streams on as it comes in. Nothing of the file is held; everything else has a limit.
 * @module
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import type { Busboy } from 'busboy'
import busboy from 'busboy'
import type { Request } from 'express'

import { isShoalError, ShoalError } from '../errors.ts'
import { INSERT_FIELDS } from './openapi-paths.ts'
import { badQuery } from './target.ts'

/** Names have 255 bytes at most, words and types as well. */
const LIMITS = {
  fieldNameSize: 64,
  fieldSize: 1024,
  fields: 16,
  files: 1,
  parts: 17,
  headerPairs: 16,
}
/** Fields that mean what the parameters of the same name mean; others are of the page. */
const FIELDS = new Set([...INSERT_FIELDS.map(({ name }) => name), 'folder'])

export interface UploadForm {
  /** The parameters of the request and those of the form together. */
  readonly query: URLSearchParams
  /** The bytes of the file; ends when the form has ended as it should. */
  readonly content: AsyncIterable<Uint8Array>
}

interface FormFile {
  readonly stream: Readable
  readonly name: string | undefined
}

/** Whether the body is a form with a file. */
export function isForm({ method, headers }: Pick<Request, 'method' | 'headers'>): boolean {
  return method === 'POST' && /^multipart\/form-data\b/i.test(headers['content-type'] ?? '')
}

/** For what takes the content itself. @throws ShoalError E_REQUEST where the body is a form. */
export function refuseForm(request: Request): void {
  if (!isForm(request)) return
  throw new ShoalError('E_REQUEST', 'Only /api/v1/insert takes a form: send the content itself.')
}

/**
 * Reads `body` up to its file and hands that to `use`; reads no further when `use` has ended.
 * @throws ShoalError E_REQUEST for what is no whole form, E_QUERY for its fields; what `use` throws.
 */
export async function withForm<T>(
  request: Request,
  body: AsyncIterable<Uint8Array>,
  given: { readonly query: URLSearchParams; readonly use: (form: UploadForm) => Promise<T> },
): Promise<T> {
  const parser = createParser(request)
  const query = new URLSearchParams(given.query)
  const source = Readable.from(body, { objectMode: false })
  const reading = pipeline(source, parser)
  reading.catch(() => {}) // heard below, or by nobody: then `use` has failed already
  try {
    const { stream, name } = await fileOf(parser, query, reading)
    if (name === undefined) throw new ShoalError('E_REQUEST', 'No file was chosen in the form.')
    // as browsers write a quotation mark (HTML Living Standard, "multipart form data")
    if (!query.get('name')) query.set('name', name.replaceAll('%22', '"'))
    return await given.use({ query, content: contentOf(stream, reading) })
  } catch (error) {
    throw formError(error)
  } finally {
    source.destroy()
    parser.destroy()
  }
}

function createParser({ headers }: Request): Busboy {
  try {
    return busboy({ headers, limits: LIMITS, defParamCharset: 'utf8' })
  } catch (cause) {
    throw new ShoalError('E_REQUEST', 'The form does not say what separates its parts.', { cause })
  }
}

/** The file; meanwhile fields go to `query`, and later ones end the parser with an error. */
function fileOf(parser: Busboy, query: URLSearchParams, reading: Promise<void>): Promise<FormFile> {
  return new Promise((resolve, reject) => {
    let hasFile = false
    parser.on('file', (_field, stream, { filename }: { filename: string | undefined }) => {
      hasFile = true
      stream.on('error', () => {}) // told by `reading`, too, also where nobody reads the file
      resolve({ stream, name: filename })
    })
    parser.on('field', (field, value, { valueTruncated }) => {
      if (!FIELDS.has(field) || value === '') return
      if (hasFile) parser.destroy(badQuery(field, 'has to stand before the file in the form'))
      else if (valueTruncated) parser.destroy(badQuery(field, 'is too long'))
      else query.append(field, value === 'on' ? '1' : value) // as a ticked box says it
    })
    for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) {
      parser.on(limit, () => {
        parser.destroy(
          new ShoalError('E_REQUEST', 'The form has more than one file and 16 fields.'),
        )
      })
    }
    reading.then(() => {
      reject(new ShoalError('E_REQUEST', 'The form has no file.'))
    }, reject)
  })
}

async function* contentOf(stream: Readable, reading: Promise<void>): AsyncGenerator<Uint8Array> {
  yield* stream as AsyncIterable<Uint8Array>
  await reading // what follows the file may still be wrong, and then nothing is inserted
}

/** The parser has words of its own for each fault; they are of no use to a person. */
function formError(error: unknown): unknown {
  const isOfParser =
    error instanceof Error &&
    /^(Malformed|Unexpected end|Unsupported|Part terminated)/.test(error.message)
  if (isShoalError(error) || !isOfParser) return error
  return new ShoalError('E_REQUEST', 'The form is malformed or was cut off.', { cause: error })
}
