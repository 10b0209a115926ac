import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressLimits } from '../../src/routing/net/address-limits.ts'

/** How many links to these hosts, one after the other, are let in. */
function letIn(hosts: readonly (string | undefined)[]): number {
  const limits = new AddressLimits()
  let count = 0
  for (const host of hosts) {
    if (limits.isFull(host)) continue
    limits.opened(host)
    count++
  }
  return count
}

const upTo = (count: number, hostOf: (number: number) => string): string[] =>
  Array.from({ length: count }, (_, number) => hostOf(number))

test('two links to an IPv4 /24 and four to a /16 are let in, and no more', () => {
  assert.equal(letIn(upTo(9, (number) => `8.8.8.${number}`)), 2)
  assert.equal(letIn(upTo(9, (number) => `8.8.${number}.1`)), 4)
  assert.equal(letIn(upTo(9, (number) => `8.${number}.1.1`)), 9)
  assert.equal(letIn(upTo(9, (number) => `::ffff:8.8.8.${number}`)), 2)
})

test('two links to an IPv6 /48 and four to a /32 are let in, however it is written', () => {
  assert.equal(letIn(upTo(9, (number) => `2001:db8:1:${number}::1`)), 2)
  assert.equal(letIn(upTo(9, (number) => `2001:db8:${number + 1}::1`)), 4)
  assert.equal(letIn(upTo(9, (number) => `2001:${number + 1}::1`)), 9)
  assert.equal(letIn(['2001:db8::1', '2001:DB8:0:0::2', '2001:0db8:0:1:2:3:4:5']), 2)
})

test('loopback, private and link-local addresses, and none at all, are not counted', () => {
  for (const host of [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.1.1',
    '::1',
    'fe80::1%eth0',
    'fd00::1',
    '::ffff:10.0.0.1',
    'no address',
    undefined,
  ]) {
    assert.equal(letIn(Array.from({ length: 20 }, () => host)), 20, host)
  }
  assert.equal(letIn(upTo(20, () => '172.32.0.1')), 2)
})

test('a link that ends makes room, and leaves nothing behind', () => {
  const limits = new AddressLimits()
  for (let round = 0; round < 3; round++) {
    limits.opened('8.8.8.1')
    limits.opened('8.8.8.2')
    assert.ok(limits.isFull('8.8.8.3'))
    assert.ok(!limits.isFull('8.8.9.3'))
    limits.closed('8.8.8.1')
    assert.ok(!limits.isFull('8.8.8.3'))
    limits.closed('8.8.8.2')
  }
})
