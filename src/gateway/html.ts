/**
 * What our generated pages have in common: they need no other file, run no script, and everything that
 * comes from outside is text.
 * @module
 */
import { createHash } from 'node:crypto'

/** Colors of all our pages, for light and dark screens; the start page has the same. */
export const COLORS = `:root{color-scheme:light dark;--paper:#f6f8f9;--card:#fff;--ink:#16232c;--soft:#566873;--line:#d5dde1;--sea:#0b6477;--warn:#9a4a00}
@media(prefers-color-scheme:dark){:root{--paper:#0f171c;--card:#17222a;--ink:#e4ecef;--soft:#97a8b1;--line:#2a3841;--sea:#6cc5d6;--warn:#f0a860}}
*{box-sizing:border-box}`

/** Content-Security-Policy of a generated page: its own style, by hash, and nothing else. */
export function generatedPagePolicy(style: string): string {
  return [
    "default-src 'none'",
    `style-src ${hashSource(style)}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** How a policy names the text of one inline style or script. */
export function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** A page up to the beginning of its body. `title` is plain text, `head` what else the head has, HTML. */
export function pageStart(title: string, style: string, head = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)} – shoal</title>
<style>${style}</style>
${head}</head>
<body>
`
}

/** Text as it may stand in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
