/**
 * The gateway's listing of a folder, read and checked: its names come from anybody.
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { nameFault } from '../keys/names.ts'
import type { FolderEntry } from '../node-types.ts'
import { CommandError } from './failures.ts'
import { oneLine } from './io.ts'

/** Longest listing, bytes: 100,000 files with names of over 600 bytes each. */
const MAX_LISTING_BYTES = 64 * 1024 * 1024

/** All entries. @throws CommandError for what is no listing, and for a name that is no file's. */
export async function readListing(response: IncomingMessage): Promise<readonly FolderEntry[]> {
  if (response.headers['content-type']?.startsWith('application/json') !== true) {
    response.destroy()
    throw new CommandError('the gateway does not tell what is in this folder')
  }
  const entries = entriesOf(await readAll(response))
  for (const { name } of entries) {
    const fault = nameFault(name)
    if (fault === undefined) continue
    throw new CommandError(`it holds the name ${oneLine(JSON.stringify(name))}, which ${fault}`)
  }
  return entries
}

async function readAll(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > MAX_LISTING_BYTES) throw new CommandError('the folder has too many entries')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function entriesOf(text: string): readonly FolderEntry[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw noListing(cause)
  }
  if (typeof value !== 'object' || value === null || !('entries' in value)) throw noListing()
  const { entries } = value
  if (!Array.isArray(entries) || !entries.every(isEntry)) throw noListing()
  return entries
}

function isEntry(value: unknown): value is FolderEntry {
  if (typeof value !== 'object' || value === null) return false
  const { name, type, size } = value as Partial<Record<string, unknown>>
  const isKnown = type === 'file' || type === 'folder'
  return typeof name === 'string' && isKnown && typeof size === 'number'
}

function noListing(cause?: unknown): CommandError {
  return new CommandError('the gateway sent something that is no listing', { cause })
}
