/** The form of an insert as it is described and as it is read. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { assertDescribed, assertMatches, operations } from '../helpers/openapi.ts'

interface FormSchema {
  readonly required: readonly string[]
  readonly properties: Readonly<Record<string, { readonly enum?: readonly string[] }>>
}

const OPERATION = 'POST /api/v1/insert'
const FORM = operations().get(OPERATION)?.requestBody?.content['multipart/form-data']
const SCHEMA = (FORM?.schema ?? {}) as FormSchema

/** A value of each field, and what the node is told then. */
const GOOD: Readonly<Record<string, readonly [value: string, told: object]>> = {
  name: ['b.txt', { name: 'b.txt' }],
  type: ['text/html', { contentType: 'text/html' }],
  convergent: ['on', { convergent: true }],
  urn: ['on', { bare: true }],
  word: ['hello', { word: 'hello' }],
}
const PLAIN = { name: 'a.txt', convergent: false, bare: false }

async function send(fields: Readonly<Record<string, string>>) {
  const node = createFakeNode()
  const sent = request(createApp({ node, logger: silentLogger })).post('/api/v1/insert')
  for (const [name, value] of Object.entries(fields)) {
    if (name !== 'file') sent.field(name, value)
  }
  if (fields['file'] !== undefined) sent.attach('file', Buffer.from(fields['file']), 'a.txt')
  const { status, type, text, body } = await sent
  assertDescribed(OPERATION, { status, type, text, body: body as unknown })
  const { signal: _signal, ...told } = node.calls.insert[0] ?? {}
  return { status, told }
}

test('every field that the description gives the form of an insert means what it says', async () => {
  assert.deepEqual(Object.keys(SCHEMA.properties).sort(), [...Object.keys(GOOD), 'file'].sort())
  assert.deepEqual(await send({ file: 'x' }), { status: 201, told: PLAIN })
  for (const [field, [value, told]] of Object.entries(GOOD)) {
    const fields = { [field]: value, file: 'x' }
    assertMatches(SCHEMA, fields, field)
    assert.deepEqual(await send(fields), { status: 201, told: { ...PLAIN, ...told } }, field)
  }
})

test('the form of an insert takes the flags that the description allows it, and no other', async () => {
  for (const [field, { enum: allowed }] of Object.entries(SCHEMA.properties)) {
    for (const value of allowed ?? []) {
      const { status, told } = await send({ [field]: value, file: 'x' })
      const isOn = ['1', 'true', 'on'].includes(value)
      const expected = isOn ? { ...PLAIN, ...GOOD[field]?.[1] } : PLAIN
      assert.deepEqual([status, told], [201, expected], `${field}=${value}`)
    }
    const odd = { [field]: 'perhaps', file: 'x' }
    if (allowed === undefined) continue
    assert.throws(() => assertMatches(SCHEMA, odd, field))
    assert.equal((await send(odd)).status, 400, field)
  }
})

test('the form of an insert needs what the description needs, and what that does not name says nothing', async () => {
  assert.deepEqual(SCHEMA.required, ['file'])
  assert.equal((await send({ name: 'b.txt' })).status, 400)
  assert.deepEqual(await send({ submit: 'Go', pinned: '1', file: 'x' }), {
    status: 201,
    told: PLAIN,
  })
  const inQuery =
    operations()
      .get(OPERATION)
      ?.parameters.map(({ name }) => name) ?? []
  for (const name of inQuery.filter((one) => !(one in SCHEMA.properties))) {
    assert.equal((await send({ [name]: '1', file: 'x' })).status, 400, name)
  }
})

test('no other operation takes a form', () => {
  const types = [...operations()].flatMap(([operation, { requestBody }]) =>
    Object.keys(requestBody?.content ?? {}).map((type) => `${operation} ${type}`),
  )
  const forms = types.filter((type) => type.includes('multipart'))
  assert.deepEqual(forms, [`${OPERATION} multipart/form-data`])
})
