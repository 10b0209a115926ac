/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Keywords } from '../../src/content/keyword.ts'
import { publisherFromSeed } from '../../src/keys/signed.ts'

const publisher = publisherFromSeed(new Uint8Array(32).fill(9))

describe('words', () => {
  test('a word is derived once, two at a time, and few are remembered', async () => {
    const finish: (() => void)[] = []
    const derived: string[] = []
    const keywords = new Keywords(async (word) => {
      derived.push(word)
      await new Promise<void>((resolve) => finish.push(resolve))
      return { publisher, key: publisher.documentKey(word) }
    })
    const all = ['a', 'a', 'b', 'c'].map((word) => keywords.of(word))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(derived, ['a', 'b'])
    finish.shift()?.()
    await all[0]
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(derived, ['a', 'b', 'c'])
    for (const done of finish.splice(0)) done()
    assert.equal(await all[0], await all[1])
    await Promise.all(all)
    await keywords.of('a')
    assert.equal(derived.length, 3)
  })

  test('a word that fails is tried anew, and too many waiting are refused', async () => {
    let fails = true
    const keywords = new Keywords((word) =>
      fails
        ? Promise.reject(new Error('no memory'))
        : Promise.resolve({ publisher, key: publisher.documentKey(word) }),
    )
    await assert.rejects(keywords.of('a'), /no memory/)
    fails = false
    await keywords.of('a')
    const stuck = new Keywords(() => new Promise(() => {}))
    for (let i = 0; i < 258; i++) void stuck.of(`w${i}`)
    await assert.rejects(stuck.of('one more'), { code: 'E_BUSY' })
  })
})
