/**
 * Where a node keeps its things when nobody says where.
 * @module
 */
import { posix, win32 } from 'node:path'

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
