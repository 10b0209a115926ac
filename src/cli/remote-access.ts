/**
 * How `shoal start` lets other machines in: a token, TLS, names, and what is not served or not taken.
 * @module
 */
import { randomBytes } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { isLoopback } from '../gateway/client-table.ts'
import type { Gateway, GatewayOptions } from '../gateway/server.ts'
import type { TlsPair } from '../gateway/tls.ts'
import { MAX_STORE_BYTES } from '../options.ts'
import type { Logger } from '../runtime.ts'
import type { Arguments, OptionSpec } from './command.ts'
import { CommandError, describeFailure, systemCode, UsageError } from './failures.ts'
import type { Io } from './io.ts'
import { readSecretLine } from './secret-file.ts'
import { parseSize } from './values.ts'

const MAX_TOKEN_BYTES = 1024
const TOKEN_BYTES = 32
const MAX_HOST_NAMES = 16

export const REMOTE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'token-file': {
    type: 'string',
    value: 'FILE',
    help: 'first line: what clients must show; made if absent; needed beyond this machine',
  },
  'host-name': {
    type: 'string',
    value: 'NAME,…',
    help: 'names under which other machines reach the gateway',
  },
  'tls-cert': {
    type: 'string',
    value: 'FILE',
    help: 'certificate chain, PEM; with --tls-key; read again on SIGHUP, as the token is',
  },
  'tls-key': { type: 'string', value: 'FILE', help: 'its private key, PEM' },
  'deny-list': {
    type: 'string',
    value: 'FILE',
    help: 'hashes of keys that are not served ("shoal deny-hash"), read again when it changes',
  },
  'max-upload': {
    type: 'string',
    value: 'SIZE',
    help: 'longest upload, all its parts together (default: what the store takes)',
  },
}

type RemoteAccess = Pick<
  GatewayOptions,
  'token' | 'tls' | 'hostNames' | 'denyListFile' | 'maxUploadBytes'
>

/** What the options say. @throws UsageError, and CommandError for files that cannot be used. */
export async function remoteAccess(
  given: Arguments,
  host: string,
  log: { readonly logger: Logger; readonly io: Io },
): Promise<RemoteAccess> {
  const tokenFile = given.text('token-file')
  const isRemote = !isLoopback(host)
  if (isRemote && tokenFile === undefined) {
    throw new UsageError(`--host ${host}: other machines reach that: give --token-file FILE, too`)
  }
  const hasTls = [given.text('tls-cert'), given.text('tls-key')].some((file) => file !== undefined)
  const tls = hasTls ? await pairOf(given) : undefined
  if (isRemote && tls === undefined) {
    log.logger.warn(
      `--host ${host}: without --tls-cert the token and all content go over the network in the clear`,
    )
  }
  const denyListFile = given.text('deny-list')
  const maxUpload = given.text('max-upload')
  return {
    hostNames: hostNamesOf(given.text('host-name')),
    ...(tokenFile !== undefined && { token: await tokenFrom(tokenFile, log) }),
    ...(tls !== undefined && { tls }),
    ...(denyListFile !== undefined && { denyListFile }),
    ...(maxUpload !== undefined && {
      maxUploadBytes: parseSize('--max-upload', maxUpload, 1, MAX_STORE_BYTES),
    }),
  }
}

/**
 * Reads token and certificate again: renewed ones hold from now on, one that cannot be used leaves the old one.
 * Says what came of it, a line each. Never rejects.
 */
export async function renewAccess(
  given: Arguments,
  gateway: Pick<Gateway, 'replaceToken' | 'replaceCertificate'>,
  { logger, io }: { readonly logger: Logger; readonly io: Pick<Io, 'signal'> },
): Promise<void> {
  const renew = async (what: string, read: () => Promise<void>): Promise<void> => {
    try {
      await read()
      logger.info(`the ${what} was read again`)
    } catch (error) {
      logger.warn(`the ${what} of before holds: ${describeFailure(error).text}`)
    }
  }
  const tokenFile = given.text('token-file')
  if (tokenFile !== undefined) {
    await renew('token', async () => gateway.replaceToken(await tokenIn(tokenFile, io)))
  }
  if (given.text('tls-cert') !== undefined) {
    await renew('certificate', async () => gateway.replaceCertificate(await pairOf(given)))
  }
}

/** The first line of the file, which is made where it is not there. */
async function tokenFrom(
  file: string,
  { logger, io }: { readonly logger: Logger; readonly io: Io },
): Promise<string> {
  try {
    await using handle = await open(file, 'wx', 0o600)
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    await handle.writeFile(`${token}\n`)
    await handle.sync()
    logger.info(`the token of the gateway is in ${file}: whoever has it may use the node`)
    return token
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  return tokenIn(file, io)
}

function tokenIn(file: string, io: Pick<Io, 'signal'>): Promise<string> {
  return readSecretLine({ file, what: 'a token', label: file, maxBytes: MAX_TOKEN_BYTES }, io)
}

/** @throws UsageError for one without the other, CommandError for what cannot be read. */
async function pairOf(given: Arguments): Promise<TlsPair> {
  const certFile = given.text('tls-cert')
  const keyFile = given.text('tls-key')
  if (certFile === undefined || keyFile === undefined) {
    throw new UsageError('--tls-cert and --tls-key go together')
  }
  return { cert: await textIn('--tls-cert', certFile), key: await textIn('--tls-key', keyFile) }
}

async function textIn(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new CommandError(`${option}: the file cannot be read (${systemCode(error)})`)
  }
}

function hostNamesOf(text: string | undefined): readonly string[] {
  const names = text?.split(',').map((name) => name.trim()) ?? []
  const isBad = names.some((name) => !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i.test(name))
  if (!isBad && names.length <= MAX_HOST_NAMES) return names
  throw new UsageError(`--host-name: at most ${MAX_HOST_NAMES} names such as node.example.org`)
}
