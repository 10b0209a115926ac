/**
 * A driver with no network: one router, whatever is put into it, and the rules that its outputs must
 * keep, checked after each input. Timers and writes wait until the test lets them happen.
 * @module
 */
import assert from 'node:assert/strict'
import { homePosition } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import type { Message, RequestMessage } from '../../src/routing/messages.ts'
import { MAX_OPEN_PER_PEER } from '../../src/routing/peers.ts'
import type { Input, Output, PeerId } from '../../src/routing/ports.ts'
import { distance } from '../../src/routing/position.ts'
import { Router } from '../../src/routing/router.ts'
import { createSeededRng } from './rng.ts'

/** Answers after which a request is over for who asked. */
const LAST_ANSWERS = new Set(['found', 'not-found', 'overload', 'timeout', 'receipt'])

export class RouterChecker {
  readonly router: Router
  nowMs = 0
  readonly position: number
  /** Positions of the peers that are connected. */
  readonly peers = new Map<PeerId, number>()
  /** Timers that run, and when they are due. */
  readonly timers = new Map<number, number>()
  /** Writes that wait. */
  readonly writes: { ticket: number; block: Block }[] = []
  /** Requests that the router sent and no last answer came for: `peer/id`. */
  readonly sent = new Map<string, RequestMessage>()
  /** Requests that peers sent and that are not over: `peer/id`. */
  readonly #inbound = new Map<string, RequestMessage>()
  /** When a FETCH of the greedy phase was last answered not-found, by peer and address. */
  readonly #missed = new Map<string, number>()
  readonly #local = new Set<number>()
  #usedTimers = 0

  constructor(seed: number, position: number) {
    this.position = position
    this.router = new Router({ position, rng: createSeededRng(seed) })
  }

  /** Puts `input` in and checks what comes out. */
  input(input: Input): readonly Output[] {
    this.#note(input)
    const outputs = this.router.handle(input, this.nowMs)
    for (const output of outputs) this.#check(output)
    // the driver ends the link of a peer that is banned
    for (const output of outputs) {
      if (output.type === 'ban' && this.peers.has(output.peer)) {
        this.input({ type: 'peer-down', peer: output.peer })
      }
    }
    return outputs
  }

  /** Lets everything that waits happen, timers in order: whatever was asked for is over then. */
  settle(): void {
    for (let steps = 0; this.timers.size > 0 || this.writes.length > 0; steps++) {
      assert.ok(steps < 100_000, 'it does not come to rest')
      const write = this.writes.shift()
      if (write !== undefined) this.input({ type: 'kept', isKept: true, ...write })
      else this.fire()
    }
  }

  /** Fires the timer that is due first. */
  fire(): void {
    let first: number | undefined
    for (const [timer, atMs] of this.timers) {
      if (first === undefined || atMs < (this.timers.get(first) as number)) first = timer
    }
    if (first === undefined) return
    this.nowMs = Math.max(this.nowMs, this.timers.get(first) as number)
    this.timers.delete(first)
    this.input({ type: 'timer', timer: first })
  }

  #note(input: Input): void {
    if (input.type === 'peer-up') this.peers.set(input.peer, input.position)
    if (input.type === 'peer-down') this.#drop(input.peer)
    if (input.type === 'fetch' || input.type === 'fetch-newest' || input.type === 'insert') {
      this.#local.add(input.id)
    }
    if (input.type === 'abort') this.#local.delete(input.id)
    if (input.type === 'message' && this.peers.has(input.from)) {
      this.#noteMessage(input.from, input.message)
    }
  }

  #drop(peer: PeerId): void {
    this.peers.delete(peer)
    for (const open of [this.#inbound, this.sent]) {
      for (const name of open.keys()) if (name.startsWith(`${peer}/`)) open.delete(name)
    }
  }

  #noteMessage(from: PeerId, message: Message): void {
    if (message.type === 'neighbors' || message.type === 'has') return
    const name = `${from}/${message.id}`
    if (message.type === 'fetch' || message.type === 'insert') this.#inbound.set(name, message)
    if (message.type === 'cancel') this.#inbound.delete(name)
  }

  #check(output: Output): void {
    switch (output.type) {
      case 'send':
        this.#checkSend(output.to, output.message)
        break
      case 'start-timer':
        assert.ok(output.delayMs >= 0 && output.delayMs < 300_000, `a timer of ${output.delayMs}`)
        assert.ok(output.timer > this.#usedTimers, 'a timer number is used once')
        this.#usedTimers = output.timer
        this.timers.set(output.timer, this.nowMs + output.delayMs)
        break
      case 'stop-timer':
        assert.ok(this.timers.delete(output.timer), 'only a timer that runs is stopped')
        break
      case 'keep':
        if (output.ticket !== undefined) {
          this.writes.push({ ticket: output.ticket, block: output.block })
        }
        break
      case 'fetched':
      case 'inserted':
        assert.ok(this.#local.delete(output.id), 'a request ends once, and not when taken back')
        break
      case 'ban':
        break
    }
  }

  #checkSend(to: PeerId, message: Message): void {
    assert.ok(this.peers.has(to), `${message.type} to a peer that is gone`)
    if (message.type === 'has') {
      this.#checkHint(to, message.address)
      return
    }
    assert.ok('id' in message)
    const name = `${to}/${message.id}`
    if (message.type === 'fetch' || message.type === 'insert') {
      this.#checkRequest(to, message)
      this.sent.set(name, message)
      const open = this.router.load.asked
      assert.ok(open <= this.peers.size * MAX_OPEN_PER_PEER, 'open requests are bounded')
    } else if (LAST_ANSWERS.has(message.type)) {
      this.#noteAnswer(to, message.type, this.#inbound.get(name))
      assert.ok(this.#inbound.delete(name), `${message.type} to a request that is over`)
    }
  }

  #noteAnswer(to: PeerId, type: Message['type'], request: RequestMessage | undefined): void {
    if (request?.type !== 'fetch' || request.phase !== 'greedy' || type !== 'not-found') return
    this.#missed.set(`${to}/${mapKey(request.address)}`, this.nowMs)
  }

  /** Only who was told not-found in the last minute hears that the block is here, and once. */
  #checkHint(to: PeerId, address: Address): void {
    const name = `${to}/${mapKey(address)}`
    const missedMs = this.#missed.get(name)
    assert.ok(missedMs !== undefined && this.nowMs - missedMs < 60_000, 'a hint that is owed')
    this.#missed.delete(name)
  }

  #checkRequest(to: PeerId, { address, credit, home, phase }: RequestMessage): void {
    assert.ok(credit >= 1 && credit <= 16, `credit ${credit}`)
    if (phase === 'copy') return
    const target = homePosition(address, home)
    const [own, there] = [this.position, this.peers.get(to) as number]
    assert.ok(
      distance(there, target) < distance(own, target),
      'every greedy step is strictly nearer',
    )
  }
}
