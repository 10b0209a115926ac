/**
 * The addresses of what goes on for long: uploads in parts, downloads to disk, and keys that are waited for.
 * @module
 */
import type { PathSketch } from './openapi-sketch.ts'
import { flagOf, header, inPath, needed, query } from './openapi-sketch.ts'
import type { Schema } from './schema-type.ts'

const COUNT: Schema = { type: 'integer', minimum: 0 }
const BOOLEAN: Schema = { type: 'string', enum: ['?0', '?1'] }
const PART = ['application/partial-upload', 'The next bytes.'] as const

const UPLOAD_ID = inPath('id', 'As in the Location of the upload.')
const UPLOAD_COMPLETE = header('Upload-Complete', 'Whether the body is the last part.', BOOLEAN)
const UPLOAD_LENGTH = header('Upload-Length', 'Bytes in all, where that is known.', COUNT)
const UPLOAD_OFFSET = header('Upload-Offset', 'Where the part begins.', COUNT)
const UPLOAD_PROBLEMS = [400, 404, 409, 413, 429, 503, 504, 507] as const

const TRANSFER_ID = inPath('id', 'Number of the download.', '^[0-9]{1,15}$')
const PRIORITY = query('priority', 'The greater goes first; 5 where none is said.', {
  type: 'integer',
  minimum: 0,
  maximum: 9,
})

const WAIT_ID = inPath('id', 'As on the page that waits.')

/** Every one of them by its path. */
export const MOVING_PATHS: Readonly<Record<string, PathSketch>> = {
  '/api/v1/uploads': {
    post: {
      operationId: 'beginUpload',
      summary: 'Begins an insert that comes in parts, or finds one that goes on, by its tag.',
      parameters: [
        query('name', 'File name: last part of the key, and where the type comes from.'),
        query('type', 'Media type, in place of the one that the name gives.'),
        flagOf('convergent', 'The same bytes give the same key: others can confirm a known file.'),
        flagOf('urn', 'Bare content under a standard urn:eris:.'),
        query('word', 'Inserts under KSK@word, which anyone may write to.'),
        query('tag', 'Made up by the client, who finds the upload by it after a restart.', {
          type: 'string',
          pattern: '^[A-Za-z0-9_-]{1,64}$',
        }),
        UPLOAD_COMPLETE,
        UPLOAD_LENGTH,
      ],
      body: ['application/octet-stream', 'The first bytes, or none.'],
      status: 201,
      otherStatus: 200,
      answers: ['Upload', 'Inserted'],
      hasStatusLink: 'when-whole',
      problems: UPLOAD_PROBLEMS,
    },
    options: {
      operationId: 'getUploadLimits',
      summary: 'What an upload may be, in the header Upload-Limit.',
      status: 204,
      answers: [],
      problems: [],
    },
  },
  '/api/v1/uploads/{id}': {
    get: {
      operationId: 'getUpload',
      summary: 'How far an upload is; HEAD answers 204 and says it in header fields alone.',
      parameters: [UPLOAD_ID],
      status: 200,
      answers: ['Upload'],
      hasStatusLink: 'when-whole',
      problems: [404],
    },
    patch: {
      operationId: 'continueUpload',
      summary: 'The next part; with the last one answers when all is safe on this node.',
      parameters: [UPLOAD_ID, needed(UPLOAD_OFFSET), needed(UPLOAD_COMPLETE), UPLOAD_LENGTH],
      body: PART,
      status: 200,
      otherStatus: 201,
      answers: ['Upload', 'Inserted'],
      hasStatusLink: 'when-whole',
      problems: UPLOAD_PROBLEMS,
    },
    delete: {
      operationId: 'cancelUpload',
      summary: 'Ends an upload; what came so far goes.',
      parameters: [UPLOAD_ID],
      status: 204,
      answers: [],
      problems: [404],
    },
  },
  '/api/v1/transfers': {
    get: {
      operationId: 'listTransfers',
      summary: 'Downloads to the disk of the node.',
      status: 200,
      answers: ['Transfers'],
      problems: [],
    },
    post: {
      operationId: 'addTransfer',
      summary:
        'Has the node fetch a key to a file, or one that ends with a slash to a folder, also after a restart.',
      parameters: [
        needed(query('uri', 'The key, in any spelling.')),
        needed(query('path', 'Where it goes: absolute, on the machine of the node.')),
        PRIORITY,
        flagOf('overwrite', 'Replaces a file that is there; a folder replaces nothing.'),
      ],
      status: 201,
      answers: ['Transfer'],
      problems: [400, 409, 429, 451, 507],
    },
  },
  '/api/v1/transfers/events': {
    get: {
      operationId: 'followTransfers',
      summary: 'All downloads now, and each that changes or is removed.',
      status: 200,
      answers: [],
      events: { transfer: 'Transfer' },
      problems: [429],
    },
  },
  '/api/v1/transfers/{id}': {
    get: {
      operationId: 'getTransfer',
      summary: 'One download.',
      parameters: [TRANSFER_ID],
      status: 200,
      answers: ['Transfer'],
      problems: [404],
    },
    patch: {
      operationId: 'changeTransfer',
      summary: 'Pauses, resumes or moves a download in the queue.',
      parameters: [TRANSFER_ID, flagOf('paused', 'Off: goes on, also where it failed.'), PRIORITY],
      status: 200,
      answers: ['Transfer'],
      problems: [404, 507],
    },
    delete: {
      operationId: 'removeTransfer',
      summary: 'Forgets a download; what is not whole is removed.',
      parameters: [TRANSFER_ID],
      status: 204,
      answers: [],
      problems: [404, 507],
    },
  },
  '/api/v1/waits': {
    get: {
      operationId: 'listWaits',
      summary: 'Keys that are tried in the background.',
      status: 200,
      answers: ['Waits'],
      problems: [],
    },
  },
  '/api/v1/waits/{id}': {
    get: {
      operationId: 'getWait',
      summary: 'How a wait goes; asking now and then keeps it going.',
      parameters: [WAIT_ID],
      status: 200,
      answers: ['Wait'],
      problems: [404],
    },
    delete: {
      operationId: 'cancelWait',
      summary: 'Nothing more is asked of the network for it.',
      parameters: [WAIT_ID],
      status: 204,
      answers: [],
      problems: [404],
    },
  },
  '/api/v1/waits/{id}/events': {
    get: {
      operationId: 'followWait',
      summary: 'How a wait goes, at every change and once a second, to its end.',
      parameters: [WAIT_ID],
      status: 200,
      answers: [],
      events: { wait: 'Wait' },
      problems: [404],
    },
  },
  '/api/v1/waits/{id}/keep': {
    post: {
      operationId: 'keepWait',
      summary: 'Goes on although nobody looks, for a day.',
      parameters: [WAIT_ID],
      status: 200,
      answers: ['Wait'],
      problems: [404],
    },
  },
}
