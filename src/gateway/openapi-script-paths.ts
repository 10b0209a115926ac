/**
 * The addresses of what a reader allows to sites.
 * @module
 */
import type { PathSketch } from './openapi-sketch.ts'
import { needed, query } from './openapi-sketch.ts'

const SITE = needed(
  query('uri', 'Any key of the site, in any spelling, or the address of a page of it.'),
)

/** Every one of them by its path. */
export const SCRIPT_PATHS: Readonly<Record<string, PathSketch>> = {
  '/api/v1/scripts': {
    get: {
      operationId: 'listScripts',
      summary:
        'The sites whose pages may run scripts, and whether the browser that asks runs them.',
      status: 200,
      answers: ['Scripts'],
      problems: [],
    },
    delete: {
      operationId: 'revokeAllScripts',
      summary: 'No site may run scripts.',
      status: 204,
      answers: [],
      problems: [],
    },
  },
  '/api/v1/scripts/site': {
    get: {
      operationId: 'getScripts',
      summary: 'Which site a key belongs to. Asks nobody.',
      parameters: [SITE],
      status: 200,
      answers: ['ScriptSite'],
      problems: [],
    },
    post: {
      operationId: 'allowScripts',
      summary: 'Lets the pages of a site run scripts, until the node ends.',
      parameters: [SITE],
      status: 200,
      answers: ['ScriptSite'],
      problems: [],
    },
    delete: {
      operationId: 'revokeScripts',
      summary: 'The pages of a site run no scripts, once they are loaded anew.',
      parameters: [SITE],
      status: 204,
      answers: [],
      problems: [],
    },
  },
}
