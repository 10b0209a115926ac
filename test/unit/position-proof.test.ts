/** Position proofs: solving, checking, and how much of it is done at a time. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { keepProof, keptProof } from '../../src/node-proof.ts'
import { NO_PROOF } from '../../src/routing/handshake.ts'
import { PUBLIC_PUZZLE, networkDefinition } from '../../src/routing/network.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'
import { ProofVerifier, solveProof, verifyProof } from '../../src/routing/position-proof.ts'
import { silentLogger } from '../../src/runtime.ts'

/** As the public network, but for what it costs. */
const easy: NetworkDefinition = {
  ...networkDefinition('shoal'),
  proof: { kind: 1, difficultyBits: 3, passes: 1, memoryKib: 8 },
}
const hard: NetworkDefinition = { ...easy, proof: { ...PUBLIC_PUZZLE, difficultyBits: 60 } }
const plain = networkDefinition('test')
const keyOf = (number: number): Uint8Array =>
  new Uint8Array(32).map((_, at) => (number >> (8 * (at % 4))) & 255)
const OWN = keyOf(1)

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-proof-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** Of that nonce; where it stems from no slow hash, the end is made up. */
const proofOf = (nonce: number): Uint8Array => {
  const proof = new Uint8Array(15)
  proof[0] = 1
  new DataView(proof.buffer).setUint32(1, nonce, true)
  return proof
}

const nonceOf = (proof: Uint8Array): number =>
  new DataView(proof.buffer, proof.byteOffset).getUint32(1, true)

test('a proof is good for the key and the network that it was solved for, and for no other', async () => {
  // 12 bits: one in 4,096 wrong ones would be good by chance; these are not
  const definition = { ...easy, proof: { ...PUBLIC_PUZZLE, difficultyBits: 12, memoryKib: 8 } }
  const proof = await solveProof(definition, OWN)
  assert.equal(proof.length, 15)
  assert.equal(proof[0], 1)
  assert.equal(await verifyProof(definition, OWN, proof), true)
  assert.equal(await verifyProof(definition, keyOf(2), proof), false)
  const other = { ...definition, hash: keyOf(3) }
  assert.equal(await verifyProof(other, OWN, proof), false)
  const cheaper = { ...definition, proof: { ...definition.proof, passes: 1 } }
  assert.equal(await verifyProof(cheaper, OWN, proof), false)
})

test('solving gives the first good nonce, the same every time', async () => {
  const tries: number[] = []
  const proof = await solveProof(easy, OWN, { onprogress: (count) => tries.push(count) })
  assert.deepEqual(await solveProof(easy, OWN), proof)
  const nonce = nonceOf(proof)
  // a puzzle that every nonce solves tells the ends of the hashes
  const bits = { ...easy.proof, difficultyBits: 0 }
  assert.equal(nonceOf(await solveProof({ ...easy, proof: bits }, OWN)), 0)
  assert.deepEqual(
    tries,
    tries.map((_, at) => at + 1),
  )
  assert.ok(tries.length >= nonce + 1 && tries.length <= nonce + 2)
})

test('a proof with another end than that of its hash is none: no position before the work', async () => {
  const proof = await solveProof(easy, OWN)
  for (let at = 1; at < proof.length; at++) {
    const changed = Uint8Array.from(proof)
    changed[at] = (proof[at] as number) ^ 1
    assert.equal(await verifyProof(easy, OWN, changed), false, `byte ${at}`)
  }
})

test('a proof that is cut off, too long, of another kind or for nothing is none', async () => {
  const proof = await solveProof(easy, OWN)
  const verifier = new ProofVerifier(easy)
  const wrong = [
    new Uint8Array(0),
    NO_PROOF,
    proof.subarray(0, 9),
    proof.subarray(0, 14),
    Uint8Array.of(...proof, 0),
    Uint8Array.of(0, ...proof.subarray(1)),
    Uint8Array.of(2, ...proof.subarray(1)),
    new Uint8Array(256).fill(1),
  ]
  for (const bytes of wrong) {
    assert.equal(await verifyProof(easy, OWN, bytes), false)
    assert.equal(verifier.known(OWN, bytes), false) // without any work
    assert.equal(await verifier.verify(OWN, bytes), 'invalid')
  }
  assert.equal(await verifyProof(plain, OWN, proof), false)
  assert.equal(await verifyProof(plain, OWN, NO_PROOF), true)
  assert.equal(await verifyProof(plain, OWN, Uint8Array.of(0, 0)), false)
})

test('what Argon2id cannot compute, as without memory, says nothing of the proof', async () => {
  const broken = { ...easy, proof: { ...PUBLIC_PUZZLE, passes: 0 } }
  await assert.rejects(verifyProof(broken, OWN, proofOf(0)))
  const verifier = new ProofVerifier(broken)
  for (let time = 0; time < 3; time++) assert.equal(await verifier.verify(OWN, proofOf(0)), 'busy')
})

test('solving ends when it is told to', async () => {
  const abort = new AbortController()
  const reason = new Error('enough')
  let tries = 0
  const onprogress = (): void => {
    tries++
    abort.abort(reason)
  }
  await assert.rejects(solveProof(hard, OWN, { signal: abort.signal, onprogress }), reason)
  assert.ok(tries <= 2)
  await assert.rejects(solveProof(easy, OWN, { signal: abort.signal }), reason)
})

test('the puzzle of the public network can be checked, and is not solved by chance', async () => {
  const shoal = networkDefinition('shoal')
  assert.deepEqual(shoal.proof, PUBLIC_PUZZLE)
  assert.equal(await verifyProof(shoal, OWN, proofOf(0)), false)
})

test('what is verified is known afterwards; a lie never is', async () => {
  const verifier = new ProofVerifier(easy)
  const proof = await solveProof(easy, OWN)
  assert.equal(verifier.known(OWN, proof), undefined)
  assert.equal(await verifier.verify(OWN, proof), 'valid')
  assert.equal(verifier.known(OWN, proof), true)
  assert.equal(await verifier.verify(OWN, proof), 'valid')
  const lie = proofOf(0)
  assert.equal(await verifier.verify(OWN, lie), 'invalid')
  assert.equal(verifier.known(OWN, lie), undefined)
  assert.equal(verifier.known(keyOf(2), proof), undefined)
})

test('2 proofs are checked at a time, 64 wait, and who comes then is refused', async () => {
  const verifier = new ProofVerifier(easy)
  const asked = Array.from({ length: 100 }, (_, at) => verifier.verify(keyOf(at), proofOf(at)))
  const verdicts = await Promise.all(asked)
  const busy = verdicts.map((verdict) => verdict === 'busy')
  assert.equal(busy.indexOf(true), 66)
  assert.equal(busy.lastIndexOf(false), 65)
  // and there is room again
  assert.notEqual(await verifier.verify(keyOf(100), proofOf(100)), 'busy')
})

test('one proof that is asked for many times at once is checked once, and takes one place', async () => {
  const verifier = new ProofVerifier(easy)
  const proof = await solveProof(easy, OWN)
  const asked = Array.from({ length: 1000 }, () => verifier.verify(OWN, proof))
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(['valid']))
})

test('4,096 good proofs are remembered; then the oldest goes', async () => {
  const anything = {
    ...easy,
    proof: { ...PUBLIC_PUZZLE, difficultyBits: 0, passes: 1, memoryKib: 8 },
  }
  const verifier = new ProofVerifier(anything)
  const proofs: Uint8Array[] = []
  for (let number = 0; number < 4097; number++) {
    const proof = await solveProof(anything, keyOf(number))
    assert.equal(await verifier.verify(keyOf(number), proof), 'valid')
    proofs.push(proof)
  }
  const known = proofs.map((proof, number) => verifier.known(keyOf(number), proof))
  assert.deepEqual(known, [undefined, ...Array.from({ length: 4096 }, () => true)])
})

test('checking a proof leaves the event loop free', async () => {
  const verdict = new ProofVerifier(hard).verify(OWN, proofOf(1))
  let turns = 0
  const count = (): void => {
    turns++
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  assert.equal(await verdict, 'invalid')
  clearImmediate(next)
  assert.ok(turns > 1)
})

/** A logger whose warnings the test reads. */
function collectWarnings() {
  const warnings: string[] = []
  return { warnings, logger: { ...silentLogger, warn: (text: string) => void warnings.push(text) } }
}

test('a proof is kept for its owner alone, and taken for that key and network only', async () => {
  const dataDir = join(folder, 'kept')
  const { warnings, logger } = collectWarnings()
  const request = { definition: easy, publicKey: OWN, logger }
  assert.equal(await keptProof(dataDir, request), undefined)
  const proof = await solveProof(easy, OWN)
  await keepProof(dataDir, proof, logger)
  assert.deepEqual(await keptProof(dataDir, request), proof)
  const file = join(dataDir, 'node.proof')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(new Uint8Array(await readFile(file)), proof)
  assert.deepEqual(warnings, [])
  assert.equal(await keptProof(dataDir, { ...request, publicKey: keyOf(7) }), undefined)
  assert.equal(warnings.length, 1)
})

test('a damaged proof is not taken, and a warning says so', async () => {
  const dataDir = join(folder, 'damaged')
  await mkdir(dataDir)
  for (const damage of [new Uint8Array(0), proofOf(0), new Uint8Array(5000)]) {
    await writeFile(join(dataDir, 'node.proof'), damage)
    const { warnings, logger } = collectWarnings()
    assert.equal(await keptProof(dataDir, { definition: easy, publicKey: OWN, logger }), undefined)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /^the file node\.proof is damaged/)
  }
})

test('a network without puzzles, and a node without a folder, need no file', async () => {
  const request = { publicKey: OWN, logger: silentLogger }
  const dataDir = join(folder, 'none')
  assert.deepEqual(await keptProof(dataDir, { ...request, definition: plain }), NO_PROOF)
  assert.equal(await keptProof(undefined, { ...request, definition: easy }), undefined)
  await keepProof(undefined, proofOf(1), silentLogger)
  await assert.rejects(stat(dataDir), { code: 'ENOENT' })
})

test('a proof in whose place there is a folder is an error that names it; one that cannot be written a warning', async () => {
  const dataDir = join(folder, 'folder')
  await mkdir(join(dataDir, 'node.proof'), { recursive: true })
  const { warnings, logger } = collectWarnings()
  await assert.rejects(keptProof(dataDir, { definition: easy, publicKey: OWN, logger }), {
    code: 'E_STORE_IO',
    message: 'node.proof is no file: move it away, it is made again.',
  })
  await keepProof(dataDir, proofOf(1), logger)
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /could not be written/)
})
