/**
 * A page from the network, written anew: the page that a browser gets has only markup that was made here.
 *
 * What makes that safe is that the output reads the same whatever a browser believes to be inside of:
 * text and attribute values hold no `<`, there are no comments, CDATA sections or processing
 * instructions, and of the elements whose content browsers read as raw text only `style` (in which `<` is
 * escaped as CSS) is written, `textarea` and `title` hold escaped text, and `script` only where the reader
 * allowed it, behind a seal that does not depend on markup. So no trick with the nesting of HTML, SVG and
 * MathML can make a browser see a tag that is not in the tables of `element-rules.ts`.
 * @module
 */
import type { ElementRule } from './element-rules.ts'
import { elementRule, isHarmless, judgesTyping, linksOf, VOID_ELEMENTS } from './element-rules.ts'
import { isPartOfHint, isWanted } from './hint-rules.ts'
import { safeLink } from './link-rules.ts'
import type { Attribute, MarkupHandler, Syntax } from './markup-reader.ts'
import { MarkupReader } from './markup-reader.ts'

export interface RewriteOptions {
  readonly syntax: Syntax
  /** The reader allowed the scripts of this site. */
  readonly areScriptsAllowed: boolean
}

/** How text is written: escaped, or as the content of an element that browsers read as raw text. */
type TextMode = 'escaped' | 'style' | 'script'

interface Tag {
  /** In small letters. */
  readonly name: string
  /** As it is written out. */
  readonly written: string
  readonly attributes: readonly Attribute[]
  readonly isEmpty: boolean
}

const FOREIGN = new Set(['svg', 'math'])
/** What is written as it was read has its closing tag, too. */
const CLOSED: ReadonlySet<ElementRule> = new Set(['keep', 'style', 'script', 'hint'])
/** What only scripts make use of, and what is a script. */
const OF_SCRIPTS = /^(?:data-|on)[a-z0-9_-]+$/
const NAME = /^[a-z][a-z0-9._-]*$/i
/** Not the characters that XML forbids and HTML drops. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const SPECIAL = /[&<>"\0-\x08\x0b\x0c\x0e-\x1f]/
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const SPECIALS = /[&<>"\0-\x08\x0b\x0c\x0e-\x1f]/g
const ESCAPES: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}
/** Old pages hide their styles in these from browsers older still. */
const STYLE_HIDERS = /<!--|-->|<!\[CDATA\[|\]\]>/g
/** Longest content of a style that is held, characters; of a longer one pieces are written. */
const MAX_STYLE_CHARACTERS = 1 << 20
/** `<` as in `width < 40em` stays; anything that could begin a tag is escaped as CSS has it. */
const STYLE_TAG = /<(?![\s=\d])/g
/** With what follows the name. */
const HTML_DOCTYPE = /^!?doctype\s+html(["'\s].*)?$/is
/** In other pages browsers keep to the habits of the nineties. */
const STANDARD = /^\s*$|xhtml 1\.|html 4\.01|legacy-compat/i
/** Written at every `svg` in XML, whatever the author declared by way of an entity or a prefix. */
const SVG_NAMESPACES =
  ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
/** What an element inside of it may declare, for the HTML and formulas of a `foreignObject`. */
const NAMESPACES = new Set(['http://www.w3.org/1999/xhtml', 'http://www.w3.org/1998/Math/MathML'])

/** Rewrites one document; not for reuse. */
export class MarkupRewriter implements MarkupHandler {
  readonly #syntax: Syntax
  readonly #areScriptsAllowed: boolean
  readonly #reader: MarkupReader
  #output: string
  #textMode: TextMode = 'escaped'
  /** What was read of the content of a style, so that pieces do not cut what is looked for in it. */
  #style = ''
  /** The element that is left out with all that it holds, and how many of its name are open in it. */
  #omitted = ''
  #omittedDepth = 0
  /** In XML nothing but white space may stand before the first element: not what is left of a DTD, either. */
  #isBeforeRoot: boolean
  /** How many `svg` and `math` elements are open around here. */
  #foreignDepth = 0

  constructor({ syntax, areScriptsAllowed }: RewriteOptions) {
    this.#syntax = syntax
    this.#areScriptsAllowed = areScriptsAllowed
    this.#reader = new MarkupReader(syntax, this)
    this.#isBeforeRoot = syntax !== 'html'
    this.#output = syntax === 'xhtml' ? '<!doctype html>\n' : ''
  }

  /** The next piece of the document, at most 64 KiB or so; returns what is written by now. */
  write(text: string): string {
    this.#reader.write(text)
    return this.#take()
  }

  /** The rest of what is written. */
  end(): string {
    this.#reader.end()
    this.#writeStyle()
    return this.#take()
  }

  text(text: string): void {
    if (this.#omitted !== '' || this.#isBeforeRoot) return
    switch (this.#textMode) {
      case 'escaped':
        this.#output += escaped(text)
        return
      case 'style':
        this.#style += text
        if (this.#style.length > MAX_STYLE_CHARACTERS) this.#writeStyle()
        return
      case 'script':
        this.#output += text
    }
  }

  openTag(written: string, attributes: readonly Attribute[], hasSlash: boolean): void {
    const name = written.toLowerCase()
    if (this.#omitted !== '') {
      if (name === this.#omitted && !hasSlash) this.#omittedDepth++
      return
    }
    if (!NAME.test(name) || this.#textMode !== 'escaped') return
    const tag = {
      name,
      written: this.#spell(written),
      attributes,
      isEmpty: this.#isEmpty(name, hasSlash),
    }
    if (FOREIGN.has(name) && !tag.isEmpty) this.#foreignDepth++
    this.#open(tag)
  }

  #open(tag: Tag): void {
    this.#isBeforeRoot = false
    const rule = this.#ruleOf(tag.name)
    switch (rule) {
      case 'keep':
        this.#write(tag)
        return
      case 'unwrap':
        return
      case 'omit':
        this.#omit(tag)
        return
      case 'frame':
        this.#write({ ...tag, isEmpty: false })
        this.#output += `</${tag.written}>`
        this.#omit(tag)
        return
      case 'preformatted':
        this.#write({ ...tag, name: 'pre', written: 'pre' })
        return
      case 'style':
        this.#write(tag)
        this.#setTextMode(tag, rule)
        return
      case 'script':
      case 'hint':
        if (!isWanted(tag.name, tag.attributes)) {
          this.#omit(tag)
          return
        }
        this.#write(tag)
        if (rule === 'script') this.#setTextMode(tag, rule)
    }
  }

  closeTag(written: string): void {
    const name = written.toLowerCase()
    if (this.#omitted !== '') {
      if (name === this.#omitted && --this.#omittedDepth === 0) this.#omitted = ''
      return
    }
    const rule = this.#ruleOf(name)
    if (this.#textMode !== 'escaped') {
      if (rule !== this.#textMode) return
      this.#writeStyle()
      this.#textMode = 'escaped'
    }
    if (!NAME.test(name) || this.#isVoid(name)) return
    if (FOREIGN.has(name)) this.#foreignDepth = Math.max(0, this.#foreignDepth - 1)
    if (rule === 'preformatted') this.#output += '</pre>'
    else if (CLOSED.has(rule)) this.#output += `</${this.#spell(written)}>`
  }

  declaration(text: string): void {
    const identifiers = HTML_DOCTYPE.exec(text)
    const isStandard = identifiers !== null && STANDARD.test(identifiers[1] ?? '')
    if (this.#syntax === 'html' && isStandard) this.#output += '<!doctype html>'
  }

  /** XHTML becomes HTML, so that what is left out cannot make it ill-formed; it is read as XML all the same. */
  isForeign(): boolean {
    return this.#syntax === 'xhtml' || this.#foreignDepth > 0
  }

  #ruleOf(name: string): Exclude<ElementRule, 'noscript'> {
    const rule = elementRule(name)
    if (rule === 'noscript') return this.#areScriptsAllowed ? 'omit' : 'unwrap'
    return rule === 'script' && !this.#areScriptsAllowed ? 'omit' : rule
  }

  #writeStyle(): void {
    this.#output += safeStyle(this.#style)
    this.#style = ''
  }

  #take(): string {
    const output = this.#output
    this.#output = ''
    return output
  }

  #spell(written: string): string {
    return this.#syntax === 'svg' ? written : written.toLowerCase()
  }

  #isVoid(name: string): boolean {
    return this.#syntax !== 'svg' && VOID_ELEMENTS.has(name)
  }

  /** In HTML only elements of SVG and MathML can close themselves. */
  #isEmpty(name: string, hasSlash: boolean): boolean {
    return hasSlash && (this.isForeign() || this.#syntax === 'svg' || FOREIGN.has(name))
  }

  #omit({ name, isEmpty }: Tag): void {
    if (isEmpty || this.#isVoid(name)) return
    this.#omitted = name
    this.#omittedDepth = 1
  }

  #setTextMode({ isEmpty }: Tag, mode: TextMode): void {
    // in XML both are elements as others are, with escaped text in them
    if (!isEmpty && this.#syntax !== 'svg') this.#textMode = mode
  }

  #write(tag: Tag): void {
    const { name, written, isEmpty } = tag
    let text = `<${written}`
    if (name === 'svg' && this.#syntax === 'svg') text += SVG_NAMESPACES
    for (const attribute of tag.attributes) text += this.#attribute(name, attribute)
    this.#output += `${text}>`
    if (isEmpty && !this.#isVoid(name)) this.#output += `</${written}>`
  }

  /** With the space before it; empty where the attribute must go. */
  #attribute(element: string, { name: written, value }: Attribute): string {
    const name = written.toLowerCase()
    const kind = linksOf(element).get(name)
    const safe = kind === undefined ? this.#plainValue(element, name, value) : safeLink(value, kind)
    if (safe === undefined) return ''
    return ` ${this.#spell(written)}="${escaped(safe)}"`
  }

  /** The value of an attribute that leads nowhere; undefined: it must go. */
  #plainValue(element: string, name: string, value: string): string | undefined {
    if (name === 'xmlns') return element !== 'svg' && NAMESPACES.has(value) ? value : undefined
    if (!this.#areScriptsAllowed && judgesTyping(element, name, value)) return undefined
    const isKept =
      isHarmless(name, value) ||
      isPartOfHint(element, name) ||
      (this.#areScriptsAllowed && OF_SCRIPTS.test(name))
    return isKept ? value : undefined
  }
}

function escaped(text: string): string {
  const known = text.length === 1 ? ESCAPES[text] : undefined
  if (known !== undefined) return known // a page of nothing but `<` comes in such texts
  return SPECIAL.test(text) ? text.replace(SPECIALS, (character) => ESCAPES[character] ?? '') : text
}

function safeStyle(css: string): string {
  return css.replace(STYLE_HIDERS, ' ').replace(STYLE_TAG, '\\3c ').replaceAll('\0', '')
}
