/**
 * The contract of `Transport`: run on every implementation.
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { MAX_FRAME_BYTES } from '../../src/routing/net/transport.ts'
import type { Link, LinkHandlers, Transport } from '../../src/routing/net/transport.ts'

export interface TransportPair {
  readonly a: Transport
  readonly b: Transport
  readonly aPublicKey: Uint8Array
  readonly bPublicKey: Uint8Array
  /** Lets time pass until the promise settles; rejects when that takes too long. */
  settle<T>(promise: Promise<T>): Promise<T>
  /** Lets time pass: enough for whatever happens by itself on a link that is up. */
  pass(): Promise<void>
  /** Called after both transports are closed. */
  release(): Promise<void>
}

/** What one side saw, and a way to wait for it. */
export interface Seen {
  readonly links: Link[]
  readonly frames: Uint8Array[]
  drains: number
  /** Times that a frame began to arrive. */
  progress: number
  closes: number
  /** Dials that came to nothing. */
  readonly failures: { readonly publicKey: Uint8Array; readonly wasRefused: boolean }[]
  /** Resolves when `check` holds; looked at after every event. */
  until(check: () => boolean): Promise<void>
}

/** Opens a transport that dials whom it finds and whom it lost, and records; `decide` false refuses. */
export async function record(
  transport: Transport,
  handshake: Uint8Array,
  { decide = () => true, onframe = () => {} }: RecordOptions = {},
): Promise<Seen> {
  const waiting = new Set<() => void>()
  const happened = (): void => waiting.forEach((look) => look())
  const seen: Seen = {
    links: [],
    frames: [],
    drains: 0,
    progress: 0,
    closes: 0,
    failures: [],
    until: (check) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!check()) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
  }
  const handlersOf = (link: Link): LinkHandlers => ({
    onframe: (frame) => {
      seen.frames.push(Uint8Array.from(frame))
      onframe(frame, link)
      happened()
    },
    onprogress: () => {
      seen.progress++
      happened()
    },
    ondrain: () => {
      seen.drains++
      happened()
    },
    onclose: () => {
      seen.closes++
      transport.dial(link.remotePublicKey)
      happened()
    },
  })
  await transport.open({
    handshake: () => handshake,
    onlink: (link) => {
      seen.links.push(link)
      setImmediate(happened)
      return decide(link) ? handlersOf(link) : undefined
    },
    onfound: (publicKey) => transport.dial(publicKey),
    onfailed: (publicKey, wasRefused) => {
      seen.failures.push({ publicKey, wasRefused })
      happened()
    },
  })
  return seen
}

export interface RecordOptions {
  readonly decide?: (link: Link) => boolean
  readonly onframe?: (frame: Uint8Array, link: Link) => void
}

const HELLO_A = Uint8Array.of(1, 2, 3)
const HELLO_B = new Uint8Array(5000).fill(7)

/** A frame of `bytes` bytes that starts with `number`. */
export function frameOf(number: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes).fill(number)
  new DataView(frame.buffer).setUint32(0, number)
  return frame
}

export function transportSuite(name: string, makePair: () => Promise<TransportPair>): void {
  const withPair = async (run: (pair: TransportPair) => Promise<void>): Promise<void> => {
    const pair = await makePair()
    try {
      await run(pair)
    } finally {
      await pair.settle(Promise.all([pair.a.close(), pair.b.close()]))
      await pair.release()
    }
  }
  const linked = async (pair: TransportPair, options?: RecordOptions): Promise<[Seen, Seen]> => {
    const a = await record(pair.a, HELLO_A)
    const b = await record(pair.b, HELLO_B, options)
    await pair.settle(Promise.all([a, b].map((seen) => seen.until(() => isUp(seen)))))
    return [a, b]
  }
  const isUp = (seen: Seen): boolean => seen.links.length > seen.closes
  const current = (seen: Seen): Link => seen.links.at(-1) as Link

  describe(`${name}: the contract of a transport`, { concurrency: 4 }, () => {
    it('links two open nodes once, and gives each the other key and handshake', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        assert.deepEqual(Uint8Array.from(current(a).remotePublicKey), pair.bPublicKey)
        assert.deepEqual(Uint8Array.from(current(b).remotePublicKey), pair.aPublicKey)
        assert.deepEqual(Uint8Array.from(current(a).remoteHandshake), HELLO_B)
        assert.deepEqual(Uint8Array.from(current(b).remoteHandshake), HELLO_A)
        await pair.pass()
        assert.equal(a.links.length - a.closes, 1)
        assert.equal(b.links.length - b.closes, 1)
      }))

    it('carries frames of all sizes both ways, whole and in order', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        const sizes = [4, 256, 32_791, 5, 2_048, 2_049, MAX_FRAME_BYTES, 256, 256, 65_000, 4]
        const frames = sizes.map((bytes, number) => frameOf(number, bytes))
        for (const frame of frames) {
          current(a).send(frame)
          current(b).send(frame)
        }
        const all = (seen: Seen) => seen.until(() => seen.frames.length === frames.length)
        await pair.settle(Promise.all([all(a), all(b)]))
        assert.deepEqual(b.frames, frames)
        assert.deepEqual(a.frames, frames)
      }))

    it('carries many small frames and answers sent from inside onframe, in order', () =>
      withPair(async (pair) => {
        const answer = (frame: Uint8Array, link: Link): void => {
          link.send(frameOf(frame[3] as number, 3000))
        }
        const [a, b] = await linked(pair, { onframe: answer })
        for (let number = 0; number < 200; number++) current(a).send(frameOf(number, 256))
        await pair.settle(a.until(() => a.frames.length === 200))
        const numbers = Array.from({ length: 200 }, (_, number) => number)
        assert.deepEqual(b.frames.map(firstNumber), numbers)
        assert.deepEqual(a.frames.map(firstNumber), numbers)
      }))

    it('does not lose what is sent from inside onlink', () =>
      withPair(async (pair) => {
        const decide = (link: Link): boolean => {
          for (let number = 0; number < 5; number++) link.send(frameOf(number, 1000 * number + 4))
          return true
        }
        const [a] = await linked(pair, { decide })
        await pair.settle(a.until(() => a.frames.length >= 5))
        assert.deepEqual(a.frames.slice(-5).map(firstNumber), [0, 1, 2, 3, 4])
      }))

    it('says false when a link is full, and ondrain when there is room again', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        let sent = 0
        for (let round = 1; round <= 3; round++) {
          while (current(a).send(frameOf(sent++, 32_768))) assert.ok(sent < 1000, 'never full')
          await pair.settle(a.until(() => a.drains >= round))
        }
        await pair.settle(b.until(() => b.frames.length === sent))
        assert.deepEqual(
          b.frames.map(firstNumber),
          b.frames.map((_, number) => number),
        )
      }))

    it('tells both sides once when one side closes, and nothing after that', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        const [aLink, bLink] = [current(a), current(b)]
        const [aCloses, bCloses] = [a.closes, b.closes]
        aLink.close()
        aLink.close()
        assert.equal(a.closes, aCloses, 'not from inside close()')
        assert.equal(aLink.send(frameOf(1, 4)), false)
        bLink.send(frameOf(2, 4))
        const closed = [a.until(() => a.closes > aCloses), b.until(() => b.closes > bCloses)]
        await pair.settle(Promise.all(closed))
        assert.equal(bLink.send(frameOf(3, 4)), false)
        assert.equal(a.frames.length, 0)
        bLink.close()
      }))

    it('links again after a link was lost', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        const [aLink, bLink] = [current(a), current(b)]
        aLink.close()
        const again = [
          a.until(() => isUp(a) && current(a) !== aLink),
          b.until(() => isUp(b) && current(b) !== bLink),
        ]
        await pair.settle(Promise.all(again))
        current(a).send(frameOf(9, 9))
        await pair.settle(b.until(() => b.frames.length === 1))
      }))

    it('closes a link that onlink refuses, and hands it no frame', () =>
      withPair(async (pair) => {
        const a = await record(pair.a, HELLO_A)
        const b = await record(pair.b, HELLO_B, { decide: () => false })
        await pair.settle(b.until(() => b.links.length > 0))
        await pair.pass()
        await pair.settle(a.until(() => a.closes === a.links.length))
        assert.equal(b.closes, 0)
        assert.equal((b.links[0] as Link).send(frameOf(1, 4)), false)
      }))

    it('tells the dialer and the dialed apart, and binds both to the same bytes', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        assert.notEqual(current(a).isInitiator, current(b).isInitiator)
        assert.ok(current(a).channelBinding.length >= 32)
        assert.deepEqual(
          Uint8Array.from(current(a).channelBinding),
          Uint8Array.from(current(b).channelBinding),
        )
      }))

    it('ends a link that is dropped, and does not dial again by itself', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        const closes = [a.closes, b.closes]
        pair.a.drop(pair.bPublicKey)
        assert.equal(a.closes, closes[0], 'not from inside drop()')
        await pair.settle(b.until(() => b.closes > (closes[1] as number)))
        pair.a.drop(pair.bPublicKey)
        pair.a.drop(new Uint8Array(32))
      }))

    it('says so when a dial comes to nothing', () =>
      withPair(async (pair) => {
        const [a] = await linked(pair)
        const failures = a.failures.length
        pair.a.dial(pair.aPublicKey)
        await pair.settle(a.until(() => a.failures.length > failures))
        assert.deepEqual(Uint8Array.from(a.failures.at(-1)?.publicKey ?? []), pair.aPublicKey)
      }))

    it('says so when there is a link already, which stays, and not inside the call', () =>
      withPair(async (pair) => {
        const [a] = await linked(pair)
        const [failures, closes] = [a.failures.length, a.closes]
        pair.a.dial(pair.bPublicKey)
        assert.equal(a.failures.length, failures)
        await pair.settle(a.until(() => a.failures.length > failures))
        assert.equal(a.failures.at(-1)?.wasRefused, true)
        assert.deepEqual([a.closes, isUp(a)], [closes, true])
      }))

    it('does not let a banned peer come back', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        current(a).close({ ban: true })
        await pair.settle(b.until(() => !isUp(b)))
        const { length } = a.links
        await pair.pass()
        assert.equal(a.links.length, length)
        assert.ok(!isUp(b))
      }))

    it('ends the link over a frame that is too long', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        const [aCloses, bCloses] = [a.closes, b.closes]
        current(a).send(frameOf(1, MAX_FRAME_BYTES + 1))
        const closed = [a.until(() => a.closes > aCloses), b.until(() => b.closes > bCloses)]
        await pair.settle(Promise.all(closed))
        assert.equal(b.frames.length, 0)
      }))

    it('closes its links with itself, and may be closed again, and before it was opened', () =>
      withPair(async (pair) => {
        const [a, b] = await linked(pair)
        await pair.settle(Promise.all([pair.a.close(), pair.a.close()]))
        assert.equal(a.closes, a.links.length)
        await pair.settle(b.until(() => b.closes === b.links.length))
        await pair.settle(pair.a.close())
        await assert.rejects(record(pair.a, HELLO_A), { code: 'E_CLOSED' })
      }))
  })
}

function firstNumber(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(0)
}
