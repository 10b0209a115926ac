/**
 * How a node stands towards its network, for programs and in words: one text for the command line, the
 * pages and the answers of the gateway.
 * @module
 */

export interface ConnectionStatus {
  /**
   * `alone`: it was told to meet nobody; `solving`: it works on its position proof, and meets nobody
   * before; `failed`: it cannot join; `seeking`: it looks for peers; `connected`: it has some.
   */
  readonly state: 'alone' | 'solving' | 'failed' | 'seeking' | 'connected'
  /** How long it has had no peers, ms; 0 while it has some. */
  readonly withoutPeersMs: number
  /** While `solving`. */
  readonly work: SolvingWork | undefined
  /** Whether the DHT answered the last time; undefined: not known, or not asked. */
  readonly dhtAnswers: boolean | undefined
  /** All of this in one or two sentences, with what can be done about it. */
  readonly words: string
}

/** How far the puzzle of a position proof is. Which try succeeds is chance. */
export interface SolvingWork {
  readonly tries: number
  /** Tries that it takes on average; in 1 of 20 cases it takes three times as many. */
  readonly expectedTries: number
  readonly elapsedMs: number
}

export interface ConnectionFacts extends Omit<ConnectionStatus, 'words'> {
  readonly isPrivate: boolean
  readonly peers: number
  /** Why it cannot join, where it has `failed`. */
  readonly failure: string | undefined
}

/** The status, with its words. They tell no key and nobody's address. */
export function connectionStatus(facts: ConnectionFacts): ConnectionStatus {
  const { state, work, dhtAnswers } = facts
  const withoutPeersMs = Math.round(facts.withoutPeersMs)
  return { state, withoutPeersMs, work, dhtAnswers, words: wordsOf(facts) }
}

function wordsOf(facts: ConnectionFacts): string {
  const { work = { tries: 0, expectedTries: 1, elapsedMs: 0 } } = facts
  switch (facts.state) {
    case 'alone':
      return 'This node was started without a way to others.'
    case 'solving':
      return `This node is solving its place on the ring, once: ${workText(work)}. It meets others when that is done.`
    case 'failed':
      return `This node cannot join the network: ${facts.failure ?? 'why is not known.'}`
    case 'seeking':
      return seekingText(facts)
    case 'connected':
      return `Connected to ${facts.peers === 1 ? '1 peer' : `${facts.peers} peers`}.`
  }
}

/** `43 % of the expected work after 3 s, of about 8 s`. */
export function workText(work: SolvingWork): string {
  const { tries, expectedTries, elapsedMs } = work
  const percent = Math.floor((100 * tries) / expectedTries)
  const after = `${percent} % of the expected work after ${seconds(elapsedMs)}`
  if (tries === 0) return after
  if (tries > expectedTries) return `${after}, chance decides when it ends`
  return `${after}, of about ${seconds(expectedMs(work))}`
}

/** What is said once, when the first tries have shown how fast this machine is. */
export function forecastText(work: SolvingWork): string {
  const about = seconds(expectedMs(work))
  return `solving its place on the ring, once: about ${about} of work, by chance up to three times that`
}

function expectedMs({ tries, expectedTries, elapsedMs }: SolvingWork): number {
  return (elapsedMs / tries) * expectedTries
}

function seekingText({ withoutPeersMs, dhtAnswers, isPrivate }: ConnectionFacts): string {
  const sentences = [`No peers for ${durationText(withoutPeersMs)}: looking for them.`]
  if (dhtAnswers === true) sentences.push('The DHT answers.')
  if (dhtAnswers === false) {
    sentences.push('The DHT does not answer: is this machine online, and may it send UDP?')
  }
  if (isPrivate) sentences.push('Private network: peers with another key are not seen.')
  return sentences.join(' ')
}

function durationText(ms: number): string {
  if (ms < 90_000) return seconds(ms)
  const minutes = Math.round(ms / 60_000)
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
