/**
 * What the API says, as JSON Schema. The types of the answers come from here, for the routes and for
 * the client.
 * @module
 */
import type { ErrorCode } from '../errors.ts'
import { ERROR_CODES } from '../errors.ts'
import type { Schema, TypeOf } from './schema-type.ts'

const COUNT = { type: 'integer', minimum: 0 } as const
const AMOUNT = { type: 'number', minimum: 0 } as const
const SHARE = { type: 'number', minimum: 0, maximum: 1 } as const
const TEXT = { type: 'string' } as const
const FLAG = { type: 'boolean' } as const
const URI = { type: 'string', description: 'A key, without a slash in front.' } as const
const EDITION = { type: 'integer', minimum: 0 } as const

/** An object all of whose properties are there. */
function object<const P extends Readonly<Record<string, Schema>>>(properties: P) {
  return objectWith(properties, {})
}

/** An object; those of `optional` may be missing. */
function objectWith<
  const P extends Readonly<Record<string, Schema>>,
  const O extends Readonly<Record<string, Schema>>,
>(properties: P, optional: O) {
  return {
    type: 'object',
    required: Object.keys(properties) as (keyof P & string)[],
    properties: { ...properties, ...optional },
  } as const
}

const STORE_STATUS = {
  condition: { type: 'string', enum: ['ok', 'rebuilding', 'disk-full', 'disk-failing'] },
  quotaBytes: { ...COUNT, description: 'Hard ceiling over everything on disk.' },
  filledShare: { ...SHARE, description: 'Of the slab, how much is there.' },
  usedBytes: { ...COUNT, description: 'Of the slots in use, outbox included.' },
  blocks: COUNT,
} as const

const SLOTS = object({ slots: COUNT, used: COUNT })

const WAIT = {
  state: { type: 'string', enum: ['trying', 'pausing', 'found', 'failed', 'cancelled'] },
  isKept: { type: 'boolean', description: 'It goes on although nobody looks.' },
  canBeKept: FLAG,
  foundBlocks: COUNT,
  tries: { ...COUNT, description: 'Blocks asked for; one that is asked for again counts again.' },
  waitingBlocks: COUNT,
  bytesPerSecond: COUNT,
  attempts: COUNT,
  elapsedMs: COUNT,
  leftMs: COUNT,
  heading: TEXT,
  detail: TEXT,
  facts: {
    type: 'array',
    description: 'The numbers as a person reads them, each after its name.',
    items: { type: 'array', items: TEXT },
  },
} as const
const WAIT_STATUS = {
  type: 'integer',
  minimum: 400,
  maximum: 599,
  description: 'What the next load gets; only where it has failed.',
} as const

export const SCHEMAS = {
  Problem: {
    ...objectWith(
      {
        type: { type: 'string', enum: ['about:blank'] },
        title: TEXT,
        status: { type: 'integer', minimum: 400, maximum: 599 },
        detail: { type: 'string', description: 'One sentence for a person.' },
        code: { type: 'string', enum: Object.keys(ERROR_CODES) as ErrorCode[] },
      },
      { site: { type: 'string', description: 'Path of the site that lacks the path asked for.' } },
    ),
    description: 'RFC 9457, and the code of the error (specification §10).',
  },
  Inserted: objectWith(
    { uri: URI, size: COUNT, type: { type: 'string', description: 'The media type.' } },
    { warning: TEXT },
  ),
  InsertedFolder: objectWith({ uri: URI, size: COUNT, files: COUNT }, { warning: TEXT }),
  Published: object({
    uri: URI,
    edition: EDITION,
    size: COUNT,
    files: COUNT,
    collisions: {
      type: 'array',
      items: EDITION,
      description: 'Editions that another machine with the same key took first.',
    },
    confirmed: { type: 'boolean', description: 'Whether the network has shown the edition.' },
  }),
  Spread: object({ blocks: COUNT, spreadBlocks: COUNT, lostBlocks: COUNT, peers: COUNT }),
  Upload: objectWith(
    {
      id: { type: 'string', description: 'Whoever has it may go on with the upload, and end it.' },
      offset: { ...COUNT, description: 'Bytes taken so far: where the next part begins.' },
      complete: FLAG,
    },
    { length: COUNT, uri: URI, size: COUNT, type: TEXT },
  ),
  Transfer: objectWith(
    {
      id: COUNT,
      uri: URI,
      path: { type: 'string', description: 'Absolute; the file is there when it is whole.' },
      phase: {
        type: 'string',
        enum: ['queued', 'running', 'waiting', 'paused', 'done', 'failed', 'removed'],
        description: 'removed: in events only.',
      },
      priority: { type: 'integer', minimum: 0, maximum: 9 },
      doneBytes: COUNT,
    },
    {
      sizeBytes: { ...COUNT, description: 'Absent while it is not known.' },
      fault: { type: 'string', description: 'Why it waits or failed: a code.' },
      bytesPerSecond: { ...COUNT, description: 'Of the present try; absent while not known.' },
      nextTryMs: { ...COUNT, description: 'Until the next try of one that waits.' },
    },
  ),
  Transfers: object({
    transfers: { type: 'array', items: { $ref: '#/components/schemas/Transfer' } },
  }),
  Wait: objectWith(WAIT, { status: WAIT_STATUS }),
  Waits: object({
    waits: {
      type: 'array',
      items: objectWith({ id: TEXT, uri: URI, name: TEXT, ...WAIT }, { status: WAIT_STATUS }),
    },
  }),
  ScriptSite: object({
    uri: { ...URI, description: 'A key of the site, without the path of a page.' },
    name: { type: 'string', description: 'Empty for a key that tells none.' },
    isAllowed: FLAG,
  }),
  Scripts: objectWith(
    { sites: { type: 'array', items: { $ref: '#/components/schemas/ScriptSite' } } },
    {
      hindrance: {
        type: 'string',
        description: 'Why scripts stay off here all the same, for a person; absent: they do not.',
      },
    },
  ),
  LookedUp: object({ edition: EDITION, uri: URI, ageMs: COUNT }),
  Edition: object({ edition: EDITION, uri: URI }),
  Key: object({ name: TEXT, uri: { type: 'string', description: 'What its URIs begin with.' } }),
  ShownKey: objectWith({ name: TEXT, uri: TEXT }, { documentUri: TEXT }),
  Keys: object({ keys: { type: 'array', items: { $ref: '#/components/schemas/Key' } } }),
  ExportedKey: object({ text: { type: 'string', description: 'The secret. Show it to nobody.' } }),
  Status: objectWith(
    {
      version: TEXT,
      network: TEXT,
      isPrivate: FLAG,
      peers: COUNT,
      connection: objectWith(
        {
          state: { type: 'string', enum: ['alone', 'solving', 'failed', 'seeking', 'connected'] },
          withoutPeersMs: COUNT,
          words: { type: 'string', description: 'All of this for a person.' },
        },
        {
          work: object({ tries: COUNT, expectedTries: AMOUNT, elapsedMs: AMOUNT }),
          dhtAnswers: FLAG,
        },
      ),
      ring: objectWith(
        {
          links: {
            type: 'array',
            items: object({
              distance: { type: 'number', minimum: 0, maximum: 0.5 },
              role: { type: 'string', enum: ['ring', 'long', 'spare'] },
            }),
          },
        },
        { estimatedNodes: AMOUNT },
      ),
      store: object(STORE_STATUS),
      outbox: object({ pendingBlocks: COUNT }),
    },
    { position: { ...SHARE, description: 'Absent while its proof is being solved.' } },
  ),
  Area: object({
    slots: COUNT,
    used: COUNT,
    hits: COUNT,
    evictions: object({
      'out-of-range': COUNT,
      'fullest-link': COUNT,
      random: COUNT,
      'asked-once': COUNT,
      cold: COUNT,
      resize: COUNT,
    }),
  }),
  Histogram: object({
    boundsMs: { type: 'array', items: AMOUNT },
    counts: { type: 'array', items: COUNT },
    sumMs: AMOUNT,
  }),
  StoreStats: objectWith(
    {
      ...STORE_STATUS,
      diskBytes: COUNT,
      slots: COUNT,
      filledSlots: COUNT,
      rebuiltShare: SHARE,
      store: { $ref: '#/components/schemas/Area' },
      cache: { $ref: '#/components/schemas/Area' },
      outbox: SLOTS,
      misses: COUNT,
      puts: object({ stored: COUNT, known: COUNT, older: COUNT, refused: COUNT }),
      bytesWritten: COUNT,
      verifyFailures: COUNT,
      index: object({ entries: COUNT, staleEntries: COUNT }),
      scrub: object({ checked: COUNT, freed: COUNT, rounds: COUNT }),
      latency: object({
        get: { $ref: '#/components/schemas/Histogram' },
        put: { $ref: '#/components/schemas/Histogram' },
        commit: { $ref: '#/components/schemas/Histogram' },
      }),
    },
    { resize: object({ quotaBytes: COUNT, slotsLeft: COUNT }) },
  ),
  CheckProgress: object({ checked: COUNT, of: COUNT }),
  Checked: object({ checked: COUNT, freed: COUNT }),
} as const satisfies Readonly<Record<string, Schema>>

export type SchemaName = keyof typeof SCHEMAS

/** The type of what the API says under a name. */
export type Answer<Name extends SchemaName> = TypeOf<(typeof SCHEMAS)[Name], typeof SCHEMAS>
