/**
 * The vectors of §4: every spelling that is accepted, and one fault for each MUST.
 * @module
 */
import { hash } from '../reference/blake2b.ts'
import * as ed from '../reference/ed25519.ts'
import { parse, Refused } from '../reference/uri.ts'
import { bytesOf, join, toBase32, toBase64url } from '../reference/text.ts'
import { seedOf, textOfUri } from './vector.ts'
import type { UriText, Vector } from './vector.ts'

const REFERENCE = hash(bytesOf('reference'))
const READ_KEY = hash(bytesOf('read key'))
const A = toBase64url(REFERENCE)
const B = toBase64url(READ_KEY)
const KEYS = ed.keyPairOf(seedOf('publisher'))
const K = toBase64url(KEYS.publicKey)
const extra = (...bytes: number[]): string => toBase64url(Uint8Array.from(bytes))
const MANIFEST = extra(1, 1, 0, 1)
const PUBLISHER = extra(1, 1, 0, 2)
const FOLDER = `CHK@${A},${B},${extra(1, 1, 0, 3)}`
const CHK = `CHK@${A},${B},${MANIFEST}`
const SSK = `SSK@${K},${B},${PUBLISHER}`
const USK = `USK@${K},${B},${PUBLISHER}`
const urn = (code: number, level: number, key = READ_KEY): string =>
  toBase32(join(Uint8Array.of(code, level), REFERENCE, key))
const URN = `urn:eris:${urn(0x0f, 0)}`

export function makeUriVectors(): Vector[] {
  return [
    ...Object.entries(ACCEPTED).map(([name, uri]) => accepted(name, uri)),
    ...Object.entries(REFUSED).flatMap(([part, cases]) =>
      Object.entries(cases).map(([name, uri]) => refused(name, part, uri)),
    ),
  ]
}

const ACCEPTED: Record<string, UriText> = {
  'a manifest': CHK,
  'a manifest with a trailing slash': `${CHK}/`,
  'a manifest with a name': `${CHK}/film.webm`,
  'bare content of level 0': `CHK@${A},${B},${extra(1, 1, 0, 0)}`,
  'bare content of level 5': `CHK@${A},${B},${extra(1, 1, 5, 0)}/film.webm`,
  'an ERIS URN': URN,
  'an ERIS URN of level 5 with a name': `urn:eris:${urn(0x0f, 5)}/film.webm`,
  'an ERIS URN with a trailing slash': `${URN}/`,
  'freenet: in front': `freenet:${CHK}`,
  'shoal: in front': `shoal:${CHK}`,
  'shoal: in front of a URN': `shoal:${URN}`,
  'percent-encoded at sign and commas': CHK.replace('@', '%40').replaceAll(',', '%2C') + '/a',
  'lower-case escapes': CHK.replaceAll(',', '%2c'),
  'a percent-encoded scheme': CHK.replace('CHK', '%43HK'),
  'a percent-encoded slash before the name': `${CHK}%2Ffilm.webm`,
  'a name of one character': `${CHK}/x`,
  'a name with spaces': `${CHK}/a film.webm`,
  'a name of Unicode': `${CHK}/ein Fürst \u{1f41f} 鱼.txt`,
  'a name of escaped Unicode': `${CHK}/%F0%9F%90%9F`,
  'a name with a byte order mark': `${CHK}/%EF%BB%BFx`,
  'Unicode forms are not made one': `${CHK}/e\u0301`,
  'a name with every character that stays as it is': `${CHK}/AZaz09-._~`,
  "a name with characters that browsers' encoders leave": `${CHK}/!*'()`,
  'a name with question mark, hash and at sign': `${CHK}/a?b#c@d,e`,
  'a name with an escaped percent sign is decoded once': `${CHK}/100%2525`,
  'a name that starts with a dot': `${CHK}/.profile`,
  'a name of three dots': `${CHK}/...`,
  'a name of 255 bytes': { before: `${CHK}/`, repeat: 'n', count: 255 },
  'a name of 255 bytes in 85 characters': { before: `${CHK}/`, repeat: '鱼', count: 85 },
  '4,096 characters': {
    before: `${SSK}/${'n'.repeat(4096 - SSK.length - 1 - 3800)}`,
    repeat: `/${'n'.repeat(199)}`,
    count: 19,
  },
  'a folder': FOLDER,
  'a folder with its slash': `${FOLDER}/`,
  'a folder with a name': `${FOLDER}/site`,
  'a folder with a name and its slash': `${FOLDER}/site/`,
  'a folder with a path': `${FOLDER}/site/a/b.html`,
  'a folder with a path to a folder': `${FOLDER}/site/a/`,
  'the name of a folder is a hint and not made NFC, the path is': `${FOLDER}/e\u0301/e\u0301/e\u0301`,
  'an SSK': `${SSK}/site`,
  'an SSK with its slash': `${SSK}/site/`,
  'an SSK with a path': `${SSK}/site/a/b.html`,
  'an SSK with a folder': `${SSK}/site/a/`,
  'an SSK with prefix and escapes': `freenet:${SSK.replace('@', '%40').replaceAll(',', '%2C')}/my%20site/a%20b`,
  'an escaped slash divides a path as a slash does': `${SSK}/site%2Fa`,
  'a document of 255 bytes': { before: `${SSK}/`, repeat: 'n', count: 255 },
  'a document of Unicode in NFC': `${SSK}/F\u00fcrst \u{1f41f}`,
  'a document of Unicode in NFD becomes NFC': `${SSK}/Fu\u0308rst \u{1f41f}`,
  'an escaped document in NFD becomes NFC': `${SSK}/Fu%CC%88rst`,
  'a document whose NFC is another character': `${SSK}/\u212b`,
  'a path in NFD becomes NFC': `${SSK}/site/u\u0308/`,
  'compatible characters stay apart': `${SSK}/\ufb01n`,
  'digits beyond ASCII are no edition': `${SSK}/\u0661`,
  'a document that only contains digits': `${SSK}/1a`,
  'a document with minus signs': `${SSK}/--1`,
  'a document of a minus sign': `${SSK}/-`,
  'a document in other letters than latest': `${SSK}/Latest`,
  'a path that looks like an edition': `${SSK}/site/1/latest/-1`,
  'a USK of edition 0': `${USK}/site/0`,
  'a USK of edition 0 with its slash': `${USK}/site/0/`,
  'a USK with a path': `${USK}/site/17/a/b.html`,
  'a USK with a negative edition': `${USK}/site/-1/`,
  'the greatest edition': `${USK}/site/2251799813685247`,
  'the least edition': `${USK}/site/-2251799813685247`,
  'the latest edition': `${USK}/site/latest`,
  'the latest edition, with a path': `${USK}/site/latest/a/`,
  'a KSK': 'KSK@gpl.txt',
  'a KSK with an at sign': 'freenet:KSK@a@b,c',
  'a KSK with a path': 'KSK@site/a/b.html',
  'a KSK with its slash': 'KSK@site/',
  'a KSK in NFD becomes NFC': 'KSK@Fu\u0308rst/u\u0308',
  'a KSK of 255 bytes': { before: 'KSK@', repeat: 'n', count: 255 },
}

const SMALL_ORDER = ed.torsionPoint()
const wrongKeys: Record<string, Uint8Array> = {
  'a public key that is the identity': ed.encodePoint(ed.IDENTITY),
  'a public key of all zeros, of order 4': new Uint8Array(32),
  'a public key of order 8': ed.encodePoint(SMALL_ORDER),
  'a public key of mixed order': ed.encodePoint(
    ed.add(ed.decodePoint(KEYS.publicKey) as ed.Point, SMALL_ORDER),
  ),
  'a public key that is no point': ed.encodeNumber(2n),
  'a public key of y = p + 1, not canonical': ed.encodeNumber(ed.P + 1n),
  'a public key of all ones, not canonical': new Uint8Array(32).fill(0xff),
}

/** By the word that the error must say. */
const REFUSED: Record<string, Record<string, UriText>> = {
  length: {
    '4,097 characters': {
      before: `${SSK}/${'n'.repeat(4096 - SSK.length - 3800)}`,
      repeat: `/${'n'.repeat(199)}`,
      count: 19,
    },
    'over-long whatever it says': { before: '', repeat: 'x', count: 100_000 },
    'a canonical form of more than 4,096 characters': {
      before: `${SSK}/site`,
      repeat: `/${'鱼'.repeat(85)}`,
      count: 6,
    },
  },
  'percent-encoding': {
    'an escape with one digit': `${CHK}/a%2`,
    'an escape without digits': `${CHK}/100%`,
    'an escape that is not hexadecimal': `${CHK}/%GG`,
    'an escaped byte that is not UTF-8': `${CHK}/%FF`,
    'an escaped over-long form': `${CHK}/%C0%AF`,
    'an escaped surrogate': `${CHK}/%ED%A0%80`,
    'an escaped character cut short': `${CHK}/%E9%B1`,
  },
  scheme: {
    'nothing at all': '',
    'a word': 'film.webm',
    'a web address': 'http://127.0.0.1:8888/',
    'lower case': CHK.replace('CHK', 'chk'),
    'mixed case': CHK.replace('CHK', 'Chk'),
    'an unknown scheme': CHK.replace('CHK', 'XYZ'),
    'no scheme': CHK.slice(3),
    'a space before': ` ${CHK}`,
    'an unknown prefix': `hyphanet:${CHK}`,
    'a prefix in capitals': `Freenet:${CHK}`,
    'two prefixes': `freenet:shoal:${CHK}`,
    'a slash before': `/${CHK}`,
    'another kind of URN': `urn:sha1:${urn(0x0f, 0)}`,
    'a URN prefix in capitals': `URN:ERIS:${urn(0x0f, 0)}`,
    'a URN name in capitals': `urn:ERIS:${urn(0x0f, 0)}`,
  },
  parts: {
    'one part': `CHK@${A}`,
    'two parts': `CHK@${A},${B}`,
    'four parts': `${CHK},${MANIFEST}`,
    'a comma at the end': `${CHK},`,
    'nothing after the scheme': 'CHK@',
    'an SSK of two parts': `SSK@${K},${B}/site`,
    'a USK cut short in its first part': USK.slice(0, 30),
  },
  reference: {
    'an empty reference': `CHK@,${B},${MANIFEST}`,
    'a reference of 42 characters': `CHK@${A.slice(1)},${B},${MANIFEST}`,
    'a reference of 44 characters': `CHK@A${A},${B},${MANIFEST}`,
    'a reference with padding': `CHK@${A}=,${B},${MANIFEST}`,
    'a reference with spare bits': `CHK@${spareBits(A)},${B},${MANIFEST}`,
    'a reference with +': `CHK@+${A.slice(1)},${B},${MANIFEST}`,
    'a reference with a line end': `CHK@${A.slice(1)}%0A,${B},${MANIFEST}`,
    'a reference with a space': `CHK@%20${A.slice(1)},${B},${MANIFEST}`,
    'a reference with a letter beyond ASCII': `CHK@é${A.slice(1)},${B},${MANIFEST}`,
  },
  'read key': {
    'an empty read key': `CHK@${A},,${MANIFEST}`,
    'a read key of 42 characters': `CHK@${A},${B.slice(1)},${MANIFEST}`,
    'a read key with padding': `CHK@${A},${B}=,${MANIFEST}`,
    'a read key with spare bits': `CHK@${A},${spareBits(B)},${MANIFEST}`,
    'the read key of an SSK with spare bits': `SSK@${K},${spareBits(B)},${PUBLISHER}/site`,
  },
  'public key': {
    'a public key of 42 characters': `SSK@${K.slice(1)},${B},${PUBLISHER}/site`,
    'a public key with spare bits': `USK@${spareBits(K)},${B},${PUBLISHER}/site/0`,
    ...Object.fromEntries(
      Object.entries(wrongKeys).map(([name, key]) => [
        name,
        `USK@${toBase64url(key)},${B},${PUBLISHER}/site/0`,
      ]),
    ),
  },
  extra: {
    'an empty extra': `CHK@${A},${B},`,
    'an extra of three bytes': `CHK@${A},${B},AQEA`,
    'an extra of six bytes': `CHK@${A},${B},AQEAAQAA`,
    'an extra with spare bits': `CHK@${A},${B},${MANIFEST.slice(0, -1)}R`,
    'an extra with padding': `CHK@${A},${B},AQEAA=`,
    'a USK cut short in its last part': USK.slice(0, -2),
    'format version 0': `CHK@${A},${B},${extra(0, 1, 0, 1)}`,
    'format version 2': `CHK@${A},${B},${extra(2, 1, 0, 1)}`,
    'cipher suite 0': `CHK@${A},${B},${extra(1, 0, 0, 1)}`,
    'cipher suite 2': `CHK@${A},${B},${extra(1, 2, 0, 1)}`,
    'level 6': `CHK@${A},${B},${extra(1, 1, 6, 0)}`,
    'level 255': `CHK@${A},${B},${extra(1, 1, 255, 0)}`,
    'a manifest of level 1': `CHK@${A},${B},${extra(1, 1, 1, 1)}`,
    'kind 2 in a CHK': `CHK@${A},${B},${PUBLISHER}`,
    'kind 4': `CHK@${A},${B},${extra(1, 1, 0, 4)}`,
    'a folder of level 1': `CHK@${A},${B},${extra(1, 1, 1, 3)}`,
    'kind 255': `CHK@${A},${B},${extra(1, 1, 0, 255)}`,
    'an SSK with the extra of a manifest': `SSK@${K},${B},${MANIFEST}/site`,
    'a USK with level 1': `USK@${K},${B},${extra(1, 1, 1, 2)}/site/0`,
    'a USK with the extra of a folder': `USK@${K},${B},${extra(1, 1, 0, 3)}/site/0`,
    'an SSK of format version 2': `SSK@${K},${B},${extra(2, 1, 0, 2)}/site`,
  },
  Hyphanet: {
    'a CHK of Hyphanet': `CHK@${A},${B},AAMC--8/film.webm`,
    'an SSK of Hyphanet': `SSK@${K},${B},AQACAAE/site-1`,
    'a USK of Hyphanet': `freenet:USK@${A},${B},AQACAAE/site/1/`,
    'a tilde in the reference': `CHK@~${A.slice(1)},${B},${MANIFEST}`,
    'a tilde in the read key': `CHK@${A},~${B.slice(1)},${MANIFEST}`,
  },
  name: {
    'two names': `${CHK}/a/b`,
    'a name and a trailing slash': `${CHK}/a/`,
    'two slashes': `${CHK}//`,
    'a name of one dot': `${CHK}/.`,
    'a name of two dots': `${CHK}/..`,
    'a name of two escaped dots': `${CHK}/%2E%2e`,
    'an escaped slash in a name': `${CHK}/a%2Fb`,
    'a backslash': `${CHK}/a\\b`,
    'an escaped backslash': `${CHK}/a%5Cb`,
    'a zero byte': `${CHK}/a%00`,
    'a line end': `${CHK}/a%0D%0A`,
    'a raw tab': `${CHK}/a\tb`,
    'U+001F': `${CHK}/%1F`,
    'U+007F': `${CHK}/%7F`,
    'U+0080': `${CHK}/%C2%80`,
    'U+009F': `${CHK}/%C2%9F`,
    'half of a surrogate pair': `${CHK}/\ud83d`,
    'a name of 256 bytes': { before: `${CHK}/`, repeat: 'n', count: 256 },
    'a name of 258 bytes in 86 characters': { before: `${CHK}/`, repeat: '鱼', count: 86 },
    'a URN with two names': `${URN}/a/b`,
    'a URN with a name of two dots': `${URN}/..`,
    'a folder with an empty name': `${FOLDER}//a`,
    'a folder with two slashes': `${FOLDER}//`,
    'a folder with a name of two dots': `${FOLDER}/../a`,
  },
  urn: {
    'an empty URN': 'urn:eris:',
    'a URN of 105 characters': URN.slice(0, -1),
    'a URN of 107 characters': `${URN}A`,
    'a URN in lower case': `urn:eris:${urn(0x0f, 0).toLowerCase()}`,
    'a URN with padding': `${URN}======`,
    'a URN with a digit that base32 has not': `urn:eris:1${urn(0x0f, 0).slice(1)}`,
    'a URN with spare bits': `${URN.slice(0, -1)}${nextOf(URN.slice(-1))}`,
    'an unknown block size': `urn:eris:${urn(0x0c, 0)}`,
    'level 6 in a URN': `urn:eris:${urn(0x0f, 6)}`,
    'a URN with a query': `${URN}?x`,
  },
  '1 KiB': { 'a URN of 1 KiB blocks': `urn:eris:${urn(0x0a, 0)}/film.webm` },
  document: {
    'an SSK without a document': SSK,
    'an SSK with an empty document': `${SSK}/`,
    'an SSK with two dots for a document': `${SSK}/..`,
    'a USK without a document': USK,
    'a USK with an empty document': `${USK}//0`,
    'a document of 256 bytes': { before: `${SSK}/`, repeat: 'n', count: 256 },
    'a document of 300 bytes': { before: `${USK}/`, repeat: 'n', count: 300 },
    'a document of 252 bytes that has 504 in NFC': {
      before: `${SSK}/`,
      repeat: '\u0958',
      count: 84,
    },
    'a document with a control character': `${SSK}/a%00b`,
    'a document with a backslash': `${SSK}/a%5Cb`,
    'a document with half of a surrogate pair': `${SSK}/\ud83d`,
    'a document that is an edition': `${SSK}/7`,
    'a document that is an edition with zeros': `${USK}/007/0`,
    'a document that is a negative edition': `${USK}/-1/0`,
    'a document that is minus zero': `${USK}/-0/0`,
    'a document that is the latest edition': `${USK}/latest/0`,
    'a USK cut short before its document': `${USK}/0`,
  },
  edition: {
    'a USK without an edition': `${USK}/site`,
    'an empty edition': `${USK}/site/`,
    'an edition that is a word': `${USK}/site/newest`,
    'an edition in capitals': `${USK}/site/LATEST`,
    'an edition with a space': `${USK}/site/%201`,
    'an escaped slash in the document of a USK': `${USK}/a%2Fb/0`,
    'an edition with a leading zero': `${USK}/site/01`,
    'an edition of minus zero': `${USK}/site/-0`,
    'an edition with a plus sign': `${USK}/site/+1`,
    'a fraction': `${USK}/site/1.5`,
    hexadecimal: `${USK}/site/0x1`,
    'edition 2^51': `${USK}/site/2251799813685248`,
    'edition -2^51': `${USK}/site/-2251799813685248`,
    'an edition of a hundred digits': { before: `${USK}/site/`, repeat: '9', count: 100 },
    'an edition in digits beyond ASCII': `${USK}/site/١`,
  },
  path: {
    'two dots in a path': `${SSK}/site/a/../b`,
    'two slashes in a path': `${SSK}/site//b`,
    'two slashes at the end of a path': `${SSK}/site//`,
    'two dots in the path of a folder': `${FOLDER}/site/a/..`,
    'two slashes after the word of a KSK': 'KSK@a//',
    'two dots in the path of a KSK': 'KSK@a/../b',
    'a control character in a path': `${USK}/site/0/a%07`,
  },
  word: {
    'a KSK without a word': 'KSK@',
    'a KSK of a slash': 'KSK@/',
    'a KSK with a path and no word': 'KSK@/a',
    'a KSK that is an edition': 'KSK@12',
    'a KSK that is the latest edition': 'KSK@latest/a',
    'a KSK of two dots': 'KSK@..',
    'a KSK with a control character': 'KSK@a%00',
    'a KSK of 256 bytes': { before: 'KSK@', repeat: 'n', count: 256 },
  },
}

function accepted(name: string, uri: UriText): Vector {
  const output = { ...parse(textOfUri(uri)) }
  return { name, spec: '§4', input: { uri }, expect: 'ok', output }
}

function refused(name: string, part: string, uri: UriText): Vector {
  let said: unknown
  try {
    parse(textOfUri(uri))
  } catch (error) {
    said = error
  }
  if (!(said instanceof Refused) || said.part !== part) {
    throw new Error(`${name}: the reference says ${String(said)}, not ${part}`)
  }
  const comment = 'part: a word that the error must say'
  return { name, spec: '§4', input: { uri }, expect: 'E_URI', output: { part }, comment }
}

/** The same bytes with the lowest spare bit of the last character set. */
function spareBits(text: string): string {
  return text.slice(0, -1) + nextOf(text.slice(-1))
}

function nextOf(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet.charAt(alphabet.indexOf(character) + 1)
}
