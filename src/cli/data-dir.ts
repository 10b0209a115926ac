/**
 * Where a node keeps its things when nobody says where.
 * @module
 */
import { homedir } from 'node:os'
import { posix, win32 } from 'node:path'
import type { Arguments, OptionSpec } from './command.ts'
import { UsageError } from './failures.ts'
import type { Io } from './io.ts'

export const DATA_DIR_OPTION: OptionSpec = {
  type: 'string',
  value: 'D',
  help: `everything the node keeps (default: ${defaultDataDir(process.platform, process.env, homedir())})`,
}

/** The folder that `--data-dir` names, or the default one. @throws UsageError. */
export function dataDirOf(given: Arguments, { env }: Pick<Io, 'env'>): string {
  const dataDir = given.text('data-dir') ?? defaultDataDir(process.platform, env, homedir())
  if (dataDir === '') throw new UsageError('--data-dir: a folder, not ""')
  return dataDir
}

/**
 * `$XDG_DATA_HOME/shoal` or `~/.local/share/shoal`; on macOS and Windows the folder that their
 * programs use. A relative XDG_DATA_HOME is ignored, as its specification demands.
 */
export function defaultDataDir(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): string {
  if (platform === 'win32') {
    return win32.join(env['LOCALAPPDATA'] || win32.join(home, 'AppData', 'Local'), 'shoal')
  }
  if (platform === 'darwin') return posix.join(home, 'Library', 'Application Support', 'shoal')
  const xdg = env['XDG_DATA_HOME'] ?? ''
  return posix.join(posix.isAbsolute(xdg) ? xdg : posix.join(home, '.local', 'share'), 'shoal')
}
