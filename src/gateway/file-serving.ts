/**
 * How a file that was found goes out to who asks for it: by its type (`safe/policy.ts`), its name, and
 * whether a browser gets it, which must not have markup as it came.
 * @module
 */
import type { FetchOutcome } from '../node.ts'
import type { Ask, Viewer } from './ask.ts'
import { servedType } from './media-type.ts'
import type { Syntax } from './safe/markup-reader.ts'
import type { Serving } from './safe/policy.ts'
import { LOGIN_POLICY, rewrittenType, SCRIPT_POLICY, SEAL, servingOf } from './safe/policy.ts'

export type Found = Extract<FetchOutcome, { type: 'found' }>

export interface FileServing {
  readonly contentType: string
  /** It is written anew on its way, and has no ranges then. */
  readonly rewrite: Syntax | undefined
  /** A browser saves it, and does not show it. */
  readonly isSaved: boolean
  /** What goes with the type, whichever part is sent. */
  readonly headers: Readonly<Record<string, string>>
}

/** RFC 8187 §3.2.1: what may stand in `filename*` as it is; encodeURIComponent leaves some more. */
const NOT_ATTR_CHAR = /['()*]/g

/** The one place that asks what a type allows to whom. */
export function fileServing(ask: Ask, found: Found): FileServing {
  const { isBrowser, areScriptsAllowed } = ask.viewer
  const name = ask.fileName ?? found.name
  const serving = servingOf(servedType(found.contentType, name))
  const isSaved = ask.isDownload || serving.disposition === 'attachment'
  const rewrite = isBrowser && !isSaved ? serving.rewrite : undefined
  const mayRunScripts = rewrite !== undefined && areScriptsAllowed
  return {
    contentType: rewrite === undefined ? serving.contentType : rewrittenType(rewrite),
    rewrite,
    isSaved,
    headers: {
      'Content-Disposition': disposition(name, isSaved),
      'Content-Security-Policy':
        rewrite === undefined ? serving.policy : pagePolicy(ask.viewer, serving),
      ...(mayRunScripts && { 'Connection-Allowlist': SEAL }),
    },
  }
}

function pagePolicy({ areScriptsAllowed, needsLogin }: Viewer, { policy }: Serving): string {
  if (areScriptsAllowed) return SCRIPT_POLICY
  return needsLogin ? LOGIN_POLICY : policy
}

/** RFC 6266; the plain `filename` is for clients that do not know the other. */
function disposition(name: string | undefined, isDownload: boolean): string {
  const how = isDownload ? 'attachment' : 'inline'
  if (name === undefined) return how
  const plain = name.replace(/[^\x20-\x7e]|["%\\]/g, '_')
  const full = encodeURIComponent(name).replace(
    NOT_ATTR_CHAR,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${how}; filename="${plain}"; filename*=UTF-8''${full}`
}
