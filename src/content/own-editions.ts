/**
 * The editions that this node publishes (spec §9.8): each decided in its turn, looked at again later,
 * and published anew where another machine's has taken its place.
 * @module
 */
import { KeyedLock } from '../datastore/keyed-lock.ts'
import type { Address } from '../keys/block.ts'
import { documentAddress } from '../keys/signed.ts'
import type { DocumentKey, Publisher } from '../keys/signed.ts'
import { ClaimChecker } from './claims.ts'
import type { Check, CheckOutcome, Claim } from './claims.ts'
import { withClient } from './client-insert.ts'
import type { ClientInsert } from './client-insert.ts'
import { decodeDocument } from './document.ts'
import type { DocumentBody } from './document.ts'
import { publishEdition } from './edition.ts'
import type { EditionParts, PublishedEdition } from './edition.ts'
import { STALE_EDITIONS, sendAgain, viewEdition } from './edition-view.ts'
import type { EditionView, OwnEdition } from './edition-view.ts'
import { HeldBlocks, withdrawEdition } from './held-blocks.ts'
import type { InsertContext } from './insert.ts'
import { HEAD_PLACE, bytesOfBody, openHead } from './signed-document.ts'

/** What editions ask of the keyring; throws ShoalError E_NO_KEY, E_STORE_IO, E_STORE_FULL. */
export interface EditionKeyring {
  lastEdition(name: string, document: string): number
  /** `publicKey`: that of the key that is meant, which may have been removed meanwhile. */
  setEdition(name: string, document: string, edition: number, publicKey: Uint8Array): Promise<void>
  claims(): readonly Claim[]
  addClaim(claim: Claim): Promise<void>
  dropClaim(claim: Pick<Claim, 'key' | 'document' | 'edition'>): Promise<void>
}

/** One document of one key: what publications take turns for. */
export interface Place {
  /** Of the key in the keyring. */
  readonly name: string
  readonly document: string
  readonly publisher: Publisher
  readonly key: DocumentKey
}

export type OwnEditionsParts = Omit<EditionParts, 'held'> & {
  readonly keyring: EditionKeyring
  /** @throws ShoalError E_NO_KEY */
  readonly placeOf: (name: string, document: string) => Place
  readonly insertContext: InsertContext
  /** Aborted before `close`. */
  readonly closing: AbortSignal
}

export class OwnEditions {
  readonly #parts: OwnEditionsParts
  readonly #held = new HeldBlocks()
  /** Editions of one document are decided and committed one after the other. */
  readonly #turns = new KeyedLock()
  readonly #checker: ClaimChecker

  constructor(parts: OwnEditionsParts) {
    this.#parts = parts
    const { clock, network, keyring, placeOf } = parts
    const held = keyring.claims()
    for (const { key, document, edition } of held) {
      this.#held.hold(placeOf(key, document).key, edition)
    }
    const check = (pending: Check): Promise<CheckOutcome> => this.#check(pending)
    this.#checker = new ClaimChecker({ clock, peers: network.peers, check, held })
  }

  /** Whether the outbox must keep this block to itself for now. */
  isHeld(address: Address): boolean {
    return this.#held.has(address)
  }

  /** A peer has come: editions that nobody could be asked about can be checked. */
  wake(): void {
    this.#checker.wake()
  }

  close(): Promise<void> {
    return this.#checker.close()
  }

  /** The next edition, in the document's turn; the insert is committed when it resolves. */
  publish(place: Place, body: DocumentBody, insert: ClientInsert): Promise<PublishedEdition> {
    return this.#inTurn(place, () => this.#publish(place, body, insert))
  }

  #inTurn<T>({ name, document }: Place, task: () => Promise<T>): Promise<T> {
    return this.#turns.runAlways(`${name}\n${document}`, task)
  }

  async #publish(
    place: Place,
    body: DocumentBody,
    insert: ClientInsert,
  ): Promise<PublishedEdition> {
    const { keyring, names, outbox } = this.#parts
    const { name, document, publisher, key } = place
    insert.signal.throwIfAborted()
    const lastEdition = keyring.lastEdition(name, document)
    const claimed = (edition: number): Promise<void> =>
      keyring.setEdition(name, document, edition, publisher.publicKey)
    const work = { publisher, key, body, lastEdition, claimed, ...insert }
    const published = await publishEdition(work, { ...this.#parts, held: this.#held })
    const { edition, headBlock, isHeld } = published
    const claim = { key: name, document, edition, body: bytesOfBody(body) }
    try {
      if (isHeld) await keyring.addClaim(claim)
      await insert.sink.commit()
    } catch (error) {
      // in this order: nothing of it may slip out in between, nor be taken for published in the next turn
      await outbox.discard(insert.sink.insertId)
      if (isHeld) await this.#forgetHeld(place, claim)
      throw error
    }
    names.noteOwn(key, edition, headBlock)
    this.#checker.add(claim, isHeld)
    await this.#settleOlder(place, claim, isHeld)
    return published
  }

  /** What is out makes older editions that still wait pointless; the newest content is what counts. */
  async #settleOlder(place: Place, newest: Claim, isNewestHeld: boolean): Promise<void> {
    for (const { claim, isHeld } of this.#checker.older(newest)) {
      if (isHeld && isNewestHeld) continue
      try {
        if (isHeld) await this.#forgetHeld(place, claim)
        this.#checker.drop(claim)
      } catch {
        // its own check does it later; what was asked for is done
      }
    }
  }

  async #check({ claim, isHeld, isFirst, isPatient }: Check): Promise<CheckOutcome> {
    const place = this.#parts.placeOf(claim.key, claim.document)
    if (isHeld && !(await this.#isWaiting(place, claim))) {
      await this.#forgetHeld(place, claim)
      return 'done'
    }
    const { body } = decodeDocument(claim.body)
    const verdict = await this.#judge(place, { edition: claim.edition, body }, { isHeld, isFirst })
    if (verdict === 'lost') {
      await this.#publishAgain(place, claim, body)
      // not before the new edition is safe: a crash must not leave the content with neither
      if (isHeld) await this.#forgetHeld(place, claim)
      return 'done'
    }
    if (!isHeld) return verdict === 'ours' ? 'ours' : 'later'
    if (verdict === 'unknown' && isPatient) return 'later'
    await this.#letGo(place, claim)
    this.#checker.add(claim, false)
    return 'done'
  }

  async #judge(
    { key }: Place,
    own: OwnEdition,
    how: Pick<Check, 'isHeld' | 'isFirst'>,
  ): Promise<Verdict> {
    const { network, clock, closing } = this.#parts
    const context = { network, clock, signal: closing }
    const view = await viewEdition(key, own, context)
    const verdict = verdictOf(view, { ...how, ...own })
    if (verdict !== 'ours' || how.isHeld || how.isFirst) return verdict
    await sendAgain(key, own, { ...context, view })
    return verdictOf(await viewEdition(key, own, context), { ...how, ...own })
  }

  /** The same content as the next edition, unless this node has published a newer one since. */
  #publishAgain(place: Place, claim: Claim, body: DocumentBody): Promise<void> {
    return this.#inTurn(place, async () => {
      if (!(await this.#isNewest(place, claim))) return
      await withClient(undefined, this.#parts.insertContext, (insert) =>
        this.#publish(place, body, insert),
      )
    })
  }

  /**
   * In the document's turn. Not by the number that the keyring remembers: a publication that failed,
   * or that a crash undid, has raised it as well. Of one that is safe the claim is here, or after a
   * crash, as long as an older edition is held, the head in the outbox.
   */
  async #isNewest({ name, document, key }: Place, claim: Claim): Promise<boolean> {
    if (!this.#checker.isNewest(claim)) return false
    const { outbox, keyring } = this.#parts
    const block = await outbox.get(documentAddress(key, HEAD_PLACE))
    const waiting = block === undefined ? -1 : (openHead(key, block)?.edition ?? -1)
    // one beyond all that was published here is another machine's, which was announced here
    const isOwn = waiting <= keyring.lastEdition(name, document)
    return !isOwn || waiting <= claim.edition
  }

  /** Whether the edition is still in the outbox: not where a crash undid it, or it was withdrawn. */
  async #isWaiting({ key }: Place, { edition }: Claim): Promise<boolean> {
    const address = documentAddress(key, { kind: 'edition', edition })
    return (await this.#parts.outbox.get(address)) !== undefined
  }

  async #forgetHeld(place: Place, claim: Claim): Promise<void> {
    await withdrawEdition(this.#parts.outbox, place.key, claim.edition)
    await this.#letGo(place, claim)
  }

  async #letGo(place: Place, claim: Claim): Promise<void> {
    await this.#parts.keyring.dropClaim(claim)
    this.#held.release(place.key, claim.edition)
    // a newer edition's head may have waited for this
    this.#parts.insertContext.added()
  }
}

type Verdict = 'ours' | 'lost' | 'free' | 'unknown'

/** What a later look says of an edition that this node published. */
function verdictOf(
  { shows, headEdition, isHeadOther }: EditionView,
  { edition, isHeld, isFirst }: { edition: number; isHeld: boolean; isFirst: boolean },
): Verdict {
  if (isHeadOther || shows === 'other') return 'lost'
  const ahead = headEdition - edition
  // beyond a held edition, others have gone on without it; beyond one that was in its place, that is
  // their right
  if (isHeld ? ahead > 0 : isFirst && ahead >= STALE_EDITIONS) return 'lost'
  if (shows === 'nothing') return 'free'
  return shows === 'ours' && !isHeld && ahead < 0 ? 'unknown' : shows
}
