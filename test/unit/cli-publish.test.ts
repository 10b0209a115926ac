/** @module */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'

import { runCli, scriptGateway, sendJson, type ScriptedGateway } from '../helpers/cli-io.ts'
import { untar } from '../helpers/untar.ts'

const USK = 'USK@pk,rk,extra/my-site/4'
const LINK = { link: '</api/v1/inserts/7>; rel="status"' }

let site = ''
before(async () => {
  site = join(await mkdtemp(join(tmpdir(), 'shoal-cli-publish-')), 'my-site')
  await mkdir(site)
  await writeFile(join(site, 'index.html'), '<h1>hello</h1>')
})
after(() => rm(join(site, '..'), { recursive: true, force: true }))

interface Scripted extends ScriptedGateway {
  /** Bodies of the publications, as text. */
  readonly bodies: readonly string[]
}

/** Answers a publication with `answer`, and a look at its spread with one block more each time. */
async function publishing(answer: object, status = 201): Promise<Scripted> {
  const bodies: string[] = []
  let spreadBlocks = 0
  const gateway = await scriptGateway(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    if (request.method === 'POST') {
      bodies.push(Buffer.concat(parts).toString('latin1'))
      sendJson(response, status, answer, LINK)
    } else {
      sendJson(response, 200, { blocks: 3, spreadBlocks: spreadBlocks++, peers: 2 })
    }
  })
  return { ...gateway, bodies }
}

test('a folder is published under its own name; the key is all that is printed; it ends when all has spread', async () => {
  const gateway = await publishing({ uri: USK, edition: 4, collisions: [], confirmed: true })
  const result = await runCli(['publish', 'me', site, '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual(result, { exit: 0, stdout: `${USK}\n`, stderr: '' })
  const looks = Array<string>(4).fill('GET /api/v1/inserts/7')
  assert.deepEqual(gateway.requests, [
    'POST /api/v1/publish?key=me&document=my-site&folder=1',
    ...looks,
  ])
  const entries = await untar(Readable.from([Buffer.from(gateway.bodies[0] ?? '', 'latin1')]))
  assert.deepEqual(
    entries.map(({ path, content }) => [path, content.toString()]),
    [['index.html', '<h1>hello</h1>']],
  )
})

test('files, stdin, and documents with a name of their own are asked for as such', async () => {
  const gateway = await publishing({ uri: USK, edition: 4 })
  const file = join(site, 'index.html')
  const to = ['--gateway', gateway.url, '--no-wait']
  const stdin = Readable.from([Buffer.from('from a pipe')])
  await runCli(['publish', 'me', file, ...to])
  await runCli(['publish', 'me', file, '--document', 'my home', '--fixed', ...to])
  await runCli(['publish', 'me', '-', '--document', 'log', ...to], { stdin })
  await runCli(['publish', 'me', `${site}/.`, ...to])
  await gateway.close()
  assert.deepEqual(gateway.requests, [
    'POST /api/v1/publish?key=me&document=index.html&name=index.html',
    'POST /api/v1/publish?key=me&document=my+home&fixed=1&name=index.html',
    'POST /api/v1/publish?key=me&document=log',
    'POST /api/v1/publish?key=me&document=my-site&folder=1',
  ])
  assert.equal(gateway.bodies[2], 'from a pipe')
})

test('editions that another machine took first are told on stderr', async () => {
  const gateway = await publishing({ uri: USK, edition: 4, collisions: [2, 3], confirmed: true })
  const { exit, stdout, stderr } = await runCli(['publish', 'me', site, '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual([exit, stdout], [0, `${USK}\n`])
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    'edition 2 was taken by another machine (E_COLLISION): published as 4',
    'edition 3 was taken by another machine (E_COLLISION): published as 4',
  ])
})

test('an edition that could not be checked is told on stderr', async () => {
  const gateway = await publishing({ uri: USK, edition: 4, collisions: [], confirmed: false })
  const to = ['--no-wait', '--gateway', gateway.url]
  const { exit, stdout, stderr } = await runCli(['publish', 'me', site, ...to])
  const fixed = await runCli(['publish', 'me', site, '--fixed', ...to])
  await gateway.close()
  assert.deepEqual([exit, stdout], [0, `${USK}\n`])
  assert.equal(
    stderr,
    'not confirmed yet: the node looks later whether another machine took edition 4\n',
  )
  assert.equal(
    fixed.stderr,
    'not confirmed yet: whether another machine published this document is not known\n',
  )
})

test('where parts have faded a folder or a file is sent a second time, whole, and no third time', async () => {
  const faded = { detail: 'Parts are gone; publish again.', code: 'E_FADED' }
  const files: string[][] = []
  let failures = 1
  const gateway = await scriptGateway(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts)
    const isFolder = request.url?.includes('folder=1') === true
    const entries = isFolder ? await untar(Readable.from([body])) : []
    files.push(isFolder ? entries.map(({ path }) => path) : [body.toString()])
    if (failures-- > 0) sendJson(response, 409, faded)
    else sendJson(response, 201, { uri: USK, edition: 4, collisions: [], confirmed: true })
  })
  const to = ['--gateway', gateway.url, '--no-wait']
  const stderr =
    'parts of what was published before are gone from the network: everything is sent again\n'
  const folder = await runCli(['publish', 'me', site, ...to])
  assert.deepEqual(folder, { exit: 0, stdout: `${USK}\n`, stderr })
  failures = 1
  const file = await runCli(['publish', 'me', join(site, 'index.html'), ...to])
  assert.deepEqual(file, { exit: 0, stdout: `${USK}\n`, stderr })
  failures = 2
  const twice = await runCli(['publish', 'me', site, ...to])
  assert.deepEqual([twice.exit, twice.stdout], [1, ''])
  assert.equal(twice.stderr, `${stderr}shoal publish: ${faded.detail} (E_FADED)\n`)
  failures = 1
  const stdin = Readable.from([Buffer.from('from a pipe')])
  const piped = await runCli(['publish', 'me', '-', '--document', 'log', ...to], { stdin })
  await gateway.close()
  assert.deepEqual(piped, {
    exit: 1,
    stdout: '',
    stderr: `shoal publish: ${faded.detail} (E_FADED)\n`,
  })
  const page = '<h1>hello</h1>'
  const folders = ['index.html']
  assert.deepEqual(files, [folders, folders, [page], [page], folders, folders, ['from a pipe']])
})

test('a key that is not there is told with what makes one', async () => {
  const answer = { detail: 'There is no key "me".', code: 'E_NO_KEY' }
  const gateway = await publishing(answer, 404)
  const result = await runCli(['publish', 'me', site, '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual(result, {
    exit: 1,
    stdout: '',
    stderr: 'shoal publish: There is no key "me". (to make one: shoal key new me) (E_NO_KEY)\n',
  })
})

test('other refusals come in the gateway’s words', async () => {
  const gateway = await publishing({ detail: 'It exists.', code: 'E_COLLISION' }, 409)
  const result = await runCli(['publish', 'me', site, '--fixed', '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual(result, {
    exit: 1,
    stdout: '',
    stderr: 'shoal publish: It exists. (E_COLLISION)\n',
  })
})

test('what has no name needs --document', async () => {
  for (const path of ['-', '/']) {
    const { exit, stdout, stderr } = await runCli(['publish', 'me', path])
    assert.deepEqual([exit, stdout], [2, ''])
    assert.match(stderr, /^shoal publish: --document is missing/)
  }
  const { exit, stderr } = await runCli(['publish', 'me'])
  assert.equal(exit, 2)
  assert.match(stderr, /PATH is missing/)
})

test('an announced name is printed with its edition when the gateway has it, and awaited', async () => {
  const gateway = await publishing({ uri: USK, edition: 4 }, 202)
  const argv = ['announce', 'USK@pk,rk,extra/my site/0', '--gateway', gateway.url]
  const result = await runCli(argv)
  await gateway.close()
  assert.deepEqual(result, { exit: 0, stdout: `${USK}\n`, stderr: '' })
  assert.equal(
    gateway.requests[0],
    'POST /api/v1/announce?uri=USK%40pk%2Crk%2Cextra%2Fmy%2520site%2F0',
  )
  assert.equal(gateway.requests.length, 5)
})

test('a name that is not found is a failure, and what is no key a usage error', async () => {
  const gateway = await publishing({ detail: 'Nobody knows it.', code: 'E_NOT_FOUND' }, 404)
  const lost = await runCli(['announce', 'USK@pk,rk,extra/x/0', '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual(lost, {
    exit: 1,
    stdout: '',
    stderr: 'shoal announce: Nobody knows it. (E_NOT_FOUND)\n',
  })
  assert.equal((await runCli(['announce', 'me'])).exit, 2)
})
