/**
 * What `put` and `publish` send: a file, stdin or a folder, with its progress.
 * @module
 */
import { open, stat as statOf } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { OptionSpec } from './command.ts'
import { UsageError } from './failures.ts'
import { upload, type JsonAnswer } from './gateway-client.ts'
import type { Io } from './io.ts'
import { createProgress } from './progress.ts'
import { formatBytes } from './values.ts'

/** Few system calls a MiB, little memory. */
const READ_BYTES = 256 * 1024

export const SKIP_OPTION: OptionSpec = {
  type: 'boolean',
  help: 'leave out of a folder what cannot be inserted: links, sockets, what cannot be read',
}

export interface Source {
  readonly isFolder: boolean
  /** Of the content, bytes; undefined for stdin, pipes and devices. */
  readonly sizeBytes: number | undefined
  /** Starts reading; `onRead` is told how many bytes of a folder's files have been read so far. */
  open(onRead: (readBytes: number) => void): Readable
}

/** Last name of a path, that of the folder itself for `.`; undefined for stdin and the root. */
export function nameOf(path: string): string | undefined {
  return path === '-' ? undefined : basename(resolve(path)) || undefined
}

export interface SourceRules {
  /** Leaves out of a folder what cannot be inserted. */
  readonly isSkipping: boolean
  /** The option that takes no folder; undefined: none of them. */
  readonly fileOnly?: string
}

/**
 * Opens a file or stdin, looks through a folder (a link to one too). Throws what the system says.
 * @throws UsageError, and CommandError for a folder with things that cannot be inserted.
 */
export async function openSource(path: string, rules: SourceRules, io: Io): Promise<Source> {
  if (path === '-') return { isFolder: false, sizeBytes: undefined, open: () => io.stdin }
  // opening a pipe that nobody writes to would hang, beyond the reach of Ctrl-C; the shell's own are open
  if ((await statOf(path)).isFIFO() && !/^\/(dev\/fd|proc)\//.test(path)) {
    throw new UsageError(`${JSON.stringify(path)} is a named pipe: use - and < in its place`)
  }
  const file = await open(path)
  const stat = await file.stat()
  if (stat.isDirectory()) {
    await file.close()
    if (rules.fileOnly !== undefined) {
      throw new UsageError(
        `${rules.fileOnly}: takes one file, not the folder ${JSON.stringify(path)}`,
      )
    }
    return openFolder(path, rules.isSkipping, io)
  }
  const options = { highWaterMark: READ_BYTES, autoClose: true }
  // A pipe or device has no size to promise.
  const sizeBytes = stat.isFile() ? stat.size : undefined
  return { isFolder: false, sizeBytes, open: () => file.createReadStream(options) }
}

async function openFolder(root: string, isSkipping: boolean, io: Io): Promise<Source> {
  // Loaded here, so that single files need no tar.
  const { surveyFolder } = await import('./folder-source.ts')
  const { tarBody } = await import('./tar-body.ts')
  const progress = createProgress(io.stderr, 'look', (files) => `${files} files and folders`)
  const onEntry = (entries: number): void => {
    progress.show(entries, undefined)
  }
  const survey = await surveyFolder({ root, isSkipping, io, onEntry }).finally(() => {
    progress.clear()
  })
  const { sizeBytes } = survey
  return { isFolder: true, sizeBytes, open: (onRead) => tarBody(survey.items(onRead)) }
}

/** Sends the source to its end; `path` of the API with its query. @throws CommandError. */
export async function sendSource(
  source: Source,
  to: { readonly gateway: URL; readonly path: string },
  io: Io,
): Promise<JsonAnswer> {
  const { isFolder, sizeBytes } = source
  const progress = createProgress(io.stderr, 'upload', formatAmount)
  const show = (bytes: number): void => {
    progress.show(bytes, sizeBytes)
  }
  // Of a folder the files count, not the archive around them, whose size nobody knows before.
  const onSent = isFolder ? (): void => {} : show
  const contentType = isFolder ? 'application/x-tar' : 'application/octet-stream'
  const length = isFolder || sizeBytes === undefined ? {} : { sizeBytes }
  const stream = source.open(show)
  const request = { ...to, source: stream, contentType, ...length, onSent, signal: io.signal }
  return upload(request).finally(() => {
    progress.clear()
  })
}

/** `3 MiB of 7 MiB`. */
export function formatAmount(done: number, total: number | undefined): string {
  return total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`
}
