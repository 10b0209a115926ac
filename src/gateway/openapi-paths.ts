/**
 * The addresses of the API: what each takes and answers. A test holds it against the routes, both ways.
 * @module
 */
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../options.ts'
import { MOVING_PATHS } from './openapi-moving-paths.ts'
import type { OperationSketch, PathSketch } from './openapi-sketch.ts'
import { SCRIPT_PATHS } from './openapi-script-paths.ts'
import { flagOf, inPath, needed, query } from './openapi-sketch.ts'

const URI = needed(query('uri', 'The key of the document, beginning with USK@, in any spelling.'))
const TIMEOUT = query('timeout', 'Seconds to wait for the network.', {
  type: 'number',
  minimum: 0.1,
  maximum: 600,
})
const FOLDER = flagOf('folder', 'The body is a tar, its names sorted by their bytes.')
const NAME = query('name', 'File name: last part of the key, and where the type comes from.')
const TYPE = query('type', 'Media type, in place of the one that the name gives.')
const INSERT_ID = inPath('id', 'As in the Link of the insert.', '^[0-9]{1,15}$')
const KEY_NAME = inPath('name', 'Name of the key.')
const UPLOAD = [400, 409, 413, 429, 503, 504, 507] as const
const CONTENT = ['application/octet-stream', 'The content, or with `folder` a tar of it.'] as const

/** What may be said of a file that is inserted, in the query or in a form. */
export const INSERT_FIELDS = [
  NAME,
  TYPE,
  flagOf('convergent', 'The same bytes give the same key: others can confirm a known file.'),
  flagOf('urn', 'Bare content under a standard urn:eris:.'),
  query('word', 'Inserts under KSK@word, which anyone may write to.'),
]

const INSERT: Omit<OperationSketch, 'operationId'> = {
  summary: 'Inserts a file or folder; answers when its last byte is safe on this node.',
  parameters: [...INSERT_FIELDS, FOLDER],
  body: CONTENT,
  status: 201,
  answers: ['Inserted', 'InsertedFolder'],
  hasStatusLink: true,
  problems: UPLOAD,
}

/** Every address of the API by its path. */
export const PATHS: Readonly<Record<string, PathSketch>> = {
  '/api/v1/openapi.json': {
    get: {
      operationId: 'getDescription',
      summary: 'This document.',
      status: 200,
      answers: [],
      mediaType: 'application/json',
      problems: [],
    },
  },
  '/api/v1/insert': {
    post: { ...INSERT, operationId: 'insert', formFields: INSERT_FIELDS },
    put: { ...INSERT, operationId: 'insertByPut' },
  },
  '/api/v1/publish': {
    post: {
      operationId: 'publish',
      summary: 'Inserts a file or folder under a name of a key of this node.',
      parameters: [
        needed(query('key', 'Name of the key.')),
        needed(query('document', 'Name to publish under.')),
        flagOf('fixed', 'As an SSK, which never changes.'),
        FOLDER,
        NAME,
        TYPE,
      ],
      body: CONTENT,
      status: 201,
      answers: ['Published'],
      hasStatusLink: true,
      problems: [...UPLOAD, 404],
    },
  },
  '/api/v1/inserts/{id}': {
    get: {
      operationId: 'getSpread',
      summary: 'How far an insert has spread.',
      parameters: [INSERT_ID],
      status: 200,
      answers: ['Spread'],
      problems: [404],
    },
  },
  '/api/v1/inserts/{id}/events': {
    get: {
      operationId: 'followSpread',
      summary: 'How far an insert has spread, now and at each change, until others hold all of it.',
      parameters: [INSERT_ID],
      status: 200,
      answers: [],
      events: { spread: 'Spread' },
      problems: [404, 429],
    },
  },
  '/api/v1/lookup': {
    get: {
      operationId: 'lookUp',
      summary: 'The newest edition of a document, asked of the network now.',
      parameters: [URI, TIMEOUT],
      status: 200,
      answers: ['LookedUp'],
      problems: [400, 404, 451, 503, 504],
    },
  },
  '/api/v1/watch': {
    get: {
      operationId: 'watch',
      summary: 'The newest edition now, and each newer one.',
      parameters: [URI],
      status: 200,
      answers: [],
      events: { edition: 'Edition' },
      problems: [400, 429, 451],
    },
  },
  '/api/v1/announce': {
    post: {
      operationId: 'announce',
      summary: 'Inserts the head of a document and its edition again.',
      parameters: [URI],
      status: 202,
      answers: ['Edition'],
      hasStatusLink: true,
      problems: [400, 404, 451, 503, 504, 507],
    },
  },
  '/api/v1/status': {
    get: {
      operationId: 'getStatus',
      summary: 'How the node is.',
      status: 200,
      answers: ['Status'],
      problems: [],
    },
  },
  '/api/v1/status/events': {
    get: {
      operationId: 'followStatus',
      summary: 'How the node is, now and at each change.',
      status: 200,
      answers: [],
      events: { status: 'Status' },
      problems: [429],
    },
  },
  '/api/v1/store': {
    get: {
      operationId: 'getStore',
      summary: 'What the store counts.',
      status: 200,
      answers: ['StoreStats'],
      problems: [],
    },
  },
  '/api/v1/store/check': {
    post: {
      operationId: 'checkStore',
      summary: 'Verifies every block; hanging up ends that.',
      status: 200,
      answers: [],
      events: { progress: 'CheckProgress', done: 'Checked', failed: 'Problem' },
      problems: [429],
    },
  },
  '/api/v1/store/resize': {
    post: {
      operationId: 'resizeStore',
      summary: 'Begins a resize, which goes on without the request.',
      parameters: [
        needed(
          query('bytes', 'The new size.', {
            type: 'integer',
            minimum: MIN_STORE_BYTES,
            maximum: MAX_STORE_BYTES,
          }),
        ),
      ],
      status: 202,
      answers: ['StoreStats'],
      problems: [400, 429, 507],
    },
  },
  '/api/v1/keys': {
    get: {
      operationId: 'listKeys',
      summary: 'The publisher keys of this node.',
      status: 200,
      answers: ['Keys'],
      problems: [],
    },
    post: {
      operationId: 'createKey',
      summary: 'Makes a publisher key.',
      parameters: [needed(query('name', 'Its name.'))],
      status: 201,
      answers: ['Key'],
      problems: [400, 409],
    },
  },
  '/api/v1/keys/{name}': {
    get: {
      operationId: 'getKey',
      summary: 'What the URIs of a key begin with.',
      parameters: [KEY_NAME, query('document', 'Adds the beginning of the URIs of this document.')],
      status: 200,
      answers: ['ShownKey'],
      problems: [400, 404],
    },
    delete: {
      operationId: 'removeKey',
      summary: 'Forgets a key. Without an exported copy nobody can publish under it again.',
      parameters: [KEY_NAME],
      status: 204,
      answers: [],
      problems: [400, 404],
    },
  },
  '/api/v1/keys/{name}/export': {
    post: {
      operationId: 'exportKey',
      summary: 'The secret of a key, as a text that can be kept on paper.',
      parameters: [KEY_NAME],
      status: 200,
      answers: ['ExportedKey'],
      problems: [400, 404],
    },
  },
  '/api/v1/import-key': {
    post: {
      operationId: 'importKey',
      summary: 'Takes an exported key.',
      parameters: [query('name', 'In place of the name in the text.')],
      body: ['text/plain', 'The exported text, at most 4 KiB.'],
      status: 201,
      answers: ['Key'],
      problems: [400, 409],
    },
  },
  ...MOVING_PATHS,
  ...SCRIPT_PATHS,
}
