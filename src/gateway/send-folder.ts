/**
 * A folder as an HTTP answer: its listing, for people or for programs.
 * @module
 */
import type { FolderEntry } from '../node.ts'
import type { Ask } from './ask.ts'
import { wantsJson } from './ask.ts'
import { LISTING_POLICY, listingJson, listingPage } from './listing.ts'
import { titleOf } from './outcome-error.ts'
import { sendText, unknownLength } from './send-body.ts'
import type { Folder } from './version.ts'
import { listingVersion } from './version.ts'

/** The generated listing; programs that ask for JSON get that. */
export async function sendFolder(ask: Ask, folder: Folder): Promise<void> {
  const { request, response, uri } = ask
  const isJson = wantsJson(ask)
  const entries = folder.entries[Symbol.asyncIterator]()
  // an error before the first entry still becomes an answer of its own, on HEAD too
  const first = await entries.next()
  const headers = {
    'Content-Type': isJson ? 'application/json' : 'text/html; charset=utf-8',
    'Content-Security-Policy': LISTING_POLICY,
    ...listingVersion(ask, folder).headers,
    ...unknownLength(request),
  }
  if (request.method === 'HEAD') {
    response.writeHead(200, headers)
    response.end()
    await entries.return?.()
    return
  }
  const listed = { title: titleOf(uri), path: uri.path, isWord: uri.type === 'ksk' }
  const make = isJson ? listingJson : listingPage
  const text = make(listed, withFirst(first, entries))
  await sendText(response, { headers, stallMs: ask.stallMs }, text)
}

async function* withFirst(
  first: IteratorResult<FolderEntry>,
  rest: AsyncIterator<FolderEntry>,
): AsyncGenerator<FolderEntry, void> {
  try {
    for (let step = first; step.done !== true; step = await rest.next()) yield step.value
  } finally {
    await rest.return?.()
  }
}
