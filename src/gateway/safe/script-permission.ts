/**
 * Which sites may run scripts: those that their reader allowed, by label, until the node ends. Nothing is
 * written down: a list of sites would say what was read.
 * @module
 */

export interface ScriptPermissions {
  isAllowed(label: string): boolean
  allow(label: string): void
  revoke(label: string): void
}

/** Sites at once; the one allowed first is forgotten for one more. */
const MAX_SITES = 1024

/** Permissions in memory, none at first. */
export function createScriptPermissions(): ScriptPermissions {
  const labels = new Set<string>()
  return {
    isAllowed: (label) => labels.has(label),
    allow: (label) => {
      const [first] = labels
      if (labels.size >= MAX_SITES && first !== undefined) labels.delete(first)
      labels.add(label)
    },
    revoke: (label) => {
      labels.delete(label)
    },
  }
}
