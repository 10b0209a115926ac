/**
 * The whole way of a page: bytes from the network, text, the page written anew. Its first part leaves
 * before the last one has come.
 * @module
 */
import { decodeText } from './decode-text.ts'
import type { RewriteOptions } from './rewrite-markup.ts'
import { MarkupRewriter } from './rewrite-markup.ts'

/** Raised when the output changes for the same page: part of its tag, so that browsers fetch it anew. */
export const REWRITER_VERSION = 3

export interface ContentToRewrite extends RewriteOptions {
  /** As the publisher gave it: it may name the encoding. */
  readonly contentType: string
  readonly bytes: AsyncIterable<Uint8Array>
}

/** The page for a browser, in pieces. Throws what `bytes` throws. */
export async function* rewriteContent(content: ContentToRewrite): AsyncGenerator<string, void> {
  const rewriter = new MarkupRewriter(content)
  for await (const text of decodeText(content.contentType, content.bytes)) {
    yield rewriter.write(text)
  }
  yield rewriter.end()
}
