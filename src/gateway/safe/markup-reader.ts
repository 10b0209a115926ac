/**
 * Markup as a stream of tokens in bounded memory: the tokenizer of htmlparser2, and around it the limits
 * that hostile input meets. A token that is longer than its limit is left out, and reading goes on.
 *
 * The tokens need not be those that a browser would see in the same bytes. What is made of them is
 * written anew (`rewrite-markup.ts`), and that is what the browser reads.
 * @module
 */
import { Tokenizer } from 'htmlparser2'
import type { TokenizerCallbacks } from 'htmlparser2'

/** `xhtml` is read as HTML in which every element may close itself. */
export type Syntax = 'html' | 'xhtml' | 'svg'

export interface Attribute {
  /** As written. */
  readonly name: string
  /** With its entities decoded, and without the control characters that are never written. */
  readonly value: string
}

/** What a reader tells, in the order of the text. Names are as written, text is decoded. */
export interface MarkupHandler {
  text(text: string): void
  openTag(name: string, attributes: readonly Attribute[], isSelfClosing: boolean): void
  closeTag(name: string): void
  /** What stands between `<!` and `>`, where it is not a comment. */
  declaration(text: string): void
  /** Whether CDATA and empty elements are read as in XML here. */
  isForeign(): boolean
}

/** Longest name, declaration or CDATA section, characters: pictures inside a style are one of these. */
const MAX_TOKEN_CHARACTERS = 1 << 20
/** Attribute values of one tag together, characters: a picture as a `data:` URL fits. */
const MAX_VALUE_CHARACTERS = 1 << 20
/** Attributes of one tag; further ones are left out. */
const MAX_ATTRIBUTES = 256
const MAX_NAME_CHARACTERS = 128

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f]/g

/** Reads markup piece by piece; every call of the handler happens inside `write` or `end`. */
export class MarkupReader {
  readonly #tokenizer: Tokenizer
  readonly #handler: MarkupHandler
  /** What was read and belongs to no finished token; of a very long one, its end. */
  #window = ''
  #windowStart = 0
  /** Where the last finished part of a token ends. */
  #doneEnd = 0
  #name = ''
  #attributes: Attribute[] = []
  /** In small letters. */
  #attributeNames = new Set<string>()
  #attributeName = ''
  #value = ''
  #valueRoom = MAX_VALUE_CHARACTERS

  constructor(syntax: Syntax, handler: MarkupHandler) {
    this.#handler = handler
    this.#tokenizer = new Tokenizer(
      { xmlMode: syntax === 'svg', decodeEntities: true, recognizeSelfClosing: syntax !== 'html' },
      this.#callbacks(),
    )
  }

  /** The next piece, at most 64 KiB or so: of a token that is too long the beginning is forgotten. */
  write(text: string): void {
    const { length } = this.#window
    const isTooLong = length > 2 * MAX_TOKEN_CHARACTERS
    const done = Math.max(this.#doneEnd - this.#windowStart, isTooLong ? length >> 1 : 0)
    this.#windowStart += done
    this.#window = this.#window.slice(done) + text
    this.#tokenizer.write(text)
  }

  /** Tells what is left; a tag that has not ended is none. */
  end(): void {
    this.#tokenizer.end()
  }

  #callbacks(): TokenizerCallbacks {
    const handler = this.#handler
    return {
      ontext: (start, end) => {
        handler.text(this.#slice(start, end))
      },
      ontextentity: (codePoint) => {
        handler.text(String.fromCodePoint(codePoint))
      },
      oncdata: (start, end, endOffset) => {
        handler.text(this.#slice(start, end - endOffset))
      },
      onopentagname: (start, end) => {
        this.#name = this.#slice(start, end)
        this.#attributes = []
        this.#attributeNames = new Set()
        this.#valueRoom = MAX_VALUE_CHARACTERS
      },
      onopentagend: (end) => {
        this.#doneEnd = end
        handler.openTag(this.#name, this.#attributes, false)
      },
      onselfclosingtag: (end) => {
        this.#doneEnd = end
        handler.openTag(this.#name, this.#attributes, true)
      },
      onclosetag: (start, end) => {
        handler.closeTag(this.#slice(start, end))
      },
      ondeclaration: (start, end) => {
        handler.declaration(this.#slice(start, end))
      },
      onattribname: (start, end) => {
        this.#attributeName = this.#slice(start, end)
        this.#value = ''
      },
      onattribdata: (start, end) => {
        this.#addValue(end - start, () => this.#slice(start, end))
      },
      onattribentity: (codePoint) => {
        this.#addValue(1, () => String.fromCodePoint(codePoint))
      },
      onattribend: () => {
        this.#endAttribute()
      },
      isInForeignContext: () => handler.isForeign(),
      // comments and processing instructions are left out, with all that they hold
      oncomment: (_start, end) => {
        this.#doneEnd = end
      },
      onprocessinginstruction: (_start, end) => {
        this.#doneEnd = end
      },
      onend: () => {},
    }
  }

  #addValue(length: number, read: () => string): void {
    this.#valueRoom -= length
    if (this.#valueRoom >= 0) this.#value += read()
    else this.#attributeName = ''
  }

  /** Of two attributes with one name HTML takes the first; for XML, where letter case counts, so do we. */
  #endAttribute(): void {
    const name = this.#attributeName
    const isWanted =
      name !== '' &&
      name.length <= MAX_NAME_CHARACTERS &&
      this.#attributes.length < MAX_ATTRIBUTES &&
      !this.#attributeNames.has(name.toLowerCase())
    if (!isWanted) return
    this.#attributeNames.add(name.toLowerCase())
    this.#attributes.push({ name, value: cleaned(this.#value) })
  }

  /** What is asked for once, in order; empty where it is too long or began before the window. */
  #slice(start: number, end: number): string {
    this.#doneEnd = end
    if (end - start > MAX_TOKEN_CHARACTERS) return ''
    const from = start - this.#windowStart
    return from < 0 ? '' : this.#window.slice(from, end - this.#windowStart)
  }
}

/** Now, so that what the rules look at is what is written. */
function cleaned(value: string): string {
  return value.replace(CONTROL, (character) => (character === '\f' ? ' ' : ''))
}
