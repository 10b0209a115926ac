/**
 * What the demo inserts: a picture, a film, a page that shows both, and a site of all three.
 * @module
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { FolderItem } from '../node-types.ts'
import { CommandError } from './failures.ts'
import { clientOf, upload, uriOf } from './gateway-client.ts'
import { packageRoot } from './package-root.ts'
import { untilSpread } from './spread.ts'
import { tarBody } from './tar-body.ts'

export interface Sample {
  readonly title: string
  readonly uri: string
}

interface Target {
  readonly gateway: URL
  readonly signal: AbortSignal
}

const PICTURE_FILE = 'shoal.jpg'
const FILM_FILE = 'shoal.webm'
const PAGE_FILE = 'shoal.html'
/** Of the publisher key that the site is published under. */
const KEY_NAME = 'demo'
const SITE_NAME = 'site'

/** Inserts the samples and resolves when all have spread: whoever pastes a key must not wait. */
export async function insertSamples(gateway: URL, signal: AbortSignal): Promise<readonly Sample[]> {
  const target = { gateway, signal }
  const put = async (title: string, name: string, bytes: Buffer): Promise<Sample> => {
    const path = `/api/v1/insert?${new URLSearchParams({ name }).toString()}`
    return { title, uri: await send(target, path, Readable.from([bytes])) }
  }
  const [picture, film, template] = await Promise.all([
    readSample(PICTURE_FILE),
    readSample(FILM_FILE),
    readSample(PAGE_FILE),
  ])
  const pictureKey = await put('picture', PICTURE_FILE, picture)
  const filmKey = await put('film', FILM_FILE, film)
  const page = fillIn(template, `/${pictureKey.uri}`, `/${filmKey.uri}`)
  const pageKey = await put('page', PAGE_FILE, page)
  const site = [
    { path: 'index.html', bytes: fillIn(template, PICTURE_FILE, FILM_FILE) },
    { path: PICTURE_FILE, bytes: picture },
    { path: FILM_FILE, bytes: film },
  ]
  return [filmKey, pictureKey, pageKey, { title: 'site', uri: await publish(target, site) }]
}

interface SiteFile {
  readonly path: string
  readonly bytes: Buffer
}

/** Publishes `files`, which are sorted, under a key that is made for it. */
async function publish(target: Target, files: readonly SiteFile[]): Promise<string> {
  const { gateway, signal } = target
  await clientOf(gateway).createKey(KEY_NAME, { signal })
  const query = new URLSearchParams({ key: KEY_NAME, document: SITE_NAME, folder: '1' })
  return send(target, `/api/v1/publish?${query.toString()}`, tarBody(itemsOf(files)))
}

async function* itemsOf(files: readonly SiteFile[]): AsyncGenerator<FolderItem, void> {
  for (const { path, bytes } of files) {
    yield { type: 'file', path, size: bytes.length, content: Readable.from([bytes]) }
  }
}

async function send(target: Target, path: string, source: Readable): Promise<string> {
  const contentType = 'application/octet-stream'
  const inserted = await upload({ ...target, path, source, contentType, onSent: () => {} })
  const { statusPath } = inserted
  if (statusPath !== undefined) await untilSpread({ ...target, statusPath, onSpread: () => {} })
  return uriOf(inserted)
}

function fillIn(template: Buffer, picture: string, film: string): Buffer {
  const html = template.toString().replaceAll('{{picture}}', picture).replaceAll('{{film}}', film)
  return Buffer.from(html)
}

async function readSample(name: string): Promise<Buffer> {
  try {
    return await readFile(join(packageRoot(), 'examples', 'samples', name))
  } catch (error) {
    throw new CommandError(`the sample ${name} is missing from the package`, { cause: error })
  }
}
