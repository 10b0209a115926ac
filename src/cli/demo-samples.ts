/**
 * What the demo inserts: a picture, a film, and a page that shows both.
 * @module
 */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { CommandError } from './failures.ts'
import { insert } from './gateway-client.ts'
import { packageRoot } from './package-root.ts'
import { untilSpread } from './spread.ts'

export interface Sample {
  readonly title: string
  readonly uri: string
}

const PICTURE_FILE = 'shoal.jpg'
const FILM_FILE = 'shoal.webm'
const PAGE_FILE = 'shoal.html'

/** Inserts the samples and resolves when all have spread: whoever pastes a key must not wait. */
export async function insertSamples(gateway: URL, signal: AbortSignal): Promise<readonly Sample[]> {
  const put = async (title: string, name: string, source: Readable): Promise<Sample> => {
    const query = new URLSearchParams({ name })
    const { uri, statusPath } = await insert({ gateway, source, query, onSent: () => {}, signal })
    if (statusPath !== undefined) {
      await untilSpread({ gateway, statusPath, onSpread: () => {}, signal })
    }
    return { title, uri }
  }
  const picture = await put('picture', PICTURE_FILE, await openSample(PICTURE_FILE))
  const film = await put('film', FILM_FILE, await openSample(FILM_FILE))
  const template = await readFile(samplePath(PAGE_FILE), 'utf8')
  const html = template
    .replaceAll('{{picture}}', `/${picture.uri}`)
    .replaceAll('{{film}}', `/${film.uri}`)
  const page = await put('page', PAGE_FILE, Readable.from([Buffer.from(html)]))
  return [film, picture, page]
}

function samplePath(name: string): string {
  return join(packageRoot(), 'examples', 'samples', name)
}

async function openSample(name: string): Promise<Readable> {
  try {
    return (await open(samplePath(name))).createReadStream()
  } catch (error) {
    throw new CommandError(`the sample ${name} is missing from the package`, { cause: error })
  }
}
