/**
 * The name that a key gives what it leads to. Whoever inserted it chose it.
 * @module
 */
import { nameFault } from '../keys/names.ts'

/** As it stands in the path of a key; undefined where there is none. It may be one that no file can have. */
export function nameInKey(path: string): string | undefined {
  const [first = '', ...parts] = (path.split('?')[0] ?? '').split('/').filter((part) => part !== '')
  const names = parts.map(decode)
  const scheme = /^(?:freenet:|shoal:)?([A-Z]+)@/.exec(decode(first))
  if (scheme?.[1] === 'USK') names.splice(1, 1) // its edition
  if (scheme?.[1] === 'KSK') names.unshift(decode(first).slice(scheme[0].length))
  return names.at(-1)
}

/** Why a file or folder of that name is only made where its reader says so; undefined: nothing speaks against it. */
export function chosenNameFault(name: string): string | undefined {
  // one of `.bashrc` or `.ssh` does things by being there
  return nameFault(name) ?? (name.startsWith('.') ? 'begins with a dot' : undefined)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
