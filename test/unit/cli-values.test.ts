/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { defaultDataDir } from '../../src/cli/data-dir.ts'
import { UsageError } from '../../src/cli/failures.ts'
import { parsePastedKey } from '../../src/cli/pasted-key.ts'
import { formatBar } from '../../src/cli/progress.ts'
import {
  formatBytes,
  parseBootstrap,
  parseGatewayUrl,
  parseListenAddress,
  parsePort,
  parseSize,
} from '../../src/cli/values.ts'

const MIB = 1024 ** 2

test('sizes are read in binary and decimal units', () => {
  const size = (text: string): number => parseSize('--store-size', text, 0, 1e15)
  assert.equal(size('10GiB'), 10 * 1024 ** 3)
  assert.equal(size('10gib'), 10 * 1024 ** 3)
  assert.equal(size('500MB'), 500e6)
  assert.equal(size('64 MiB'), 64 * MIB)
  assert.equal(size('64M'), 64 * MIB)
  assert.equal(size('1.5KiB'), 1536)
  assert.equal(size('0'), 0)
  assert.equal(size('67108864'), 64 * MIB)
})

test('a size that is none, or out of range, is refused with option, value and range', () => {
  for (const text of [
    '',
    'x',
    '-1',
    '1e3',
    'GiB',
    '10 XiB',
    '1..5GiB',
    '63MiB',
    '65MiB',
    '1  GiB',
  ]) {
    assert.throws(
      () => parseSize('--store-size', text, 64 * MIB, 64 * MIB),
      (error) =>
        error instanceof UsageError &&
        error.message.includes('--store-size') &&
        error.message.includes(JSON.stringify(text)) &&
        error.message.includes('64 MiB to 64 MiB'),
      text,
    )
  }
})

test('ports are whole numbers from 0 to 65535', () => {
  assert.equal(parsePort('--port', '0'), 0)
  assert.equal(parsePort('--port', '65535'), 65_535)
  for (const text of ['', '-1', '65536', '80.0', '0x50', 'http']) {
    assert.throws(() => parsePort('--port', text), /^UsageError: --port: .*0 to 65535/, text)
  }
})

test('bootstrap is a list of host:port, or none', () => {
  assert.equal(parseBootstrap('--bootstrap', 'none'), 'none')
  assert.deepEqual(parseBootstrap('--bootstrap', '127.0.0.1:1, a.example:65535'), [
    { host: '127.0.0.1', port: 1 },
    { host: 'a.example', port: 65_535 },
  ])
  const many = Array.from({ length: 17 }, () => 'a:1').join(',')
  for (const text of ['', 'a', 'a:', ':1', 'a:0', 'a:65536', 'a:1,', 'a:1,none', 'a b:1', many]) {
    assert.throws(() => parseBootstrap('--bootstrap', text), UsageError, text)
  }
})

test('a gateway is named by its origin, with or without the scheme', () => {
  assert.equal(parseGatewayUrl('--gateway', 'http://127.0.0.1:9/').href, 'http://127.0.0.1:9/')
  assert.equal(parseGatewayUrl('--gateway', 'localhost:8889').href, 'http://localhost:8889/')
  assert.equal(parseGatewayUrl('--gateway', '[::1]:8888').href, 'http://[::1]:8888/')
  assert.equal(parseGatewayUrl('--gateway', 'https://a:1').href, 'https://a:1/')
  for (const text of ['', 'ftp://a/', 'http://a/path', 'http://a/?q', 'http://u:p@a/', 'a:99999']) {
    assert.throws(() => parseGatewayUrl('--gateway', text), UsageError, text)
  }
})

test('addresses to listen on are addresses', () => {
  for (const text of ['127.0.0.1', '::1', '0.0.0.0', 'localhost']) {
    assert.equal(parseListenAddress('--host', text), text)
  }
  for (const text of ['', 'example.org', '127.0.0.1:80', '256.0.0.1']) {
    assert.throws(() => parseListenAddress('--host', text), UsageError, text)
  }
})

test('sizes are told in the unit a person would use', () => {
  const told = [0, 1023, 1024, 1536, 10 * 1024 ** 3, 3000 * 1024 ** 4].map(formatBytes)
  assert.deepEqual(told, ['0 B', '1023 B', '1 KiB', '1.5 KiB', '10 GiB', '3000 TiB'])
})

test('a bar is empty at nothing, full at all, and absent without a total', () => {
  assert.match(formatBar(0, 10), /^\[\.{24}\] {3}0 %$/)
  assert.match(formatBar(5, 10), /^\[#{12}\.{12}\] {2}50 %$/)
  assert.match(formatBar(11, 10), /^\[#{24}\] 100 %$/)
  assert.match(formatBar(0, 0), /100 %$/)
  assert.equal(formatBar(5, undefined), '')
})

test('the data directory follows each platform', () => {
  assert.equal(defaultDataDir('linux', {}, '/home/a'), '/home/a/.local/share/shoal')
  assert.equal(defaultDataDir('linux', { XDG_DATA_HOME: '/d' }, '/home/a'), '/d/shoal')
  assert.equal(
    defaultDataDir('linux', { XDG_DATA_HOME: 'd' }, '/home/a'),
    '/home/a/.local/share/shoal',
  )
  assert.equal(
    defaultDataDir('darwin', {}, '/Users/a'),
    '/Users/a/Library/Application Support/shoal',
  )
  assert.equal(defaultDataDir('win32', { LOCALAPPDATA: 'C:\\L' }, 'C:\\U'), 'C:\\L\\shoal')
  assert.equal(defaultDataDir('win32', {}, 'C:\\U'), 'C:\\U\\AppData\\Local\\shoal')
})

test('a pasted key becomes a path, whatever its spelling', () => {
  const path = (text: string): string => parsePastedKey(text).path
  assert.equal(path('CHK@a,b,c/film.webm'), '/CHK@a,b,c/film.webm')
  assert.equal(path('  CHK@a,b,c\n'), '/CHK@a,b,c')
  assert.equal(path('CHK%40a%2Cb%2Cc'), '/CHK%40a%2Cb%2Cc')
  assert.equal(path('freenet:CHK@a,b,c'), '/freenet:CHK@a,b,c')
  assert.equal(path('urn:eris:ABC'), '/urn:eris:ABC')
  assert.equal(path('CHK@a,b,c/a film?#100%é'), '/CHK@a,b,c/a%20film%3F%23100%25%C3%A9')
  assert.equal(path('CHK@a,b,c/../x'), '/CHK@a,b,c/../x')
  assert.equal(path('http://localhost:8888/CHK@a,b,c/f.txt?download#x'), '/CHK@a,b,c/f.txt')
})

test('a pasted URL names its gateway only on this machine', () => {
  const gateway = (text: string): string | undefined => parsePastedKey(text).gateway?.href
  assert.equal(gateway('http://127.0.0.1:8893/CHK@a,b,c'), 'http://127.0.0.1:8893/')
  assert.equal(gateway('http://localhost/CHK@a,b,c'), 'http://localhost/')
  assert.equal(gateway('https://localhost:8893/CHK@a,b,c'), 'https://localhost:8893/')
  const label = 'a'.repeat(52)
  assert.equal(gateway(`http://${label}.localhost:8893/CHK@a,b,c`), 'http://localhost:8893/')
  assert.equal(gateway(`http://${label}.localhost.elsewhere.example/CHK@a,b,c`), undefined)
  assert.equal(gateway('http://elsewhere.example/CHK@a,b,c'), undefined)
  assert.equal(gateway('http://127.0.0.1.elsewhere.example/CHK@a,b,c'), undefined)
  assert.equal(gateway('http://a@elsewhere.example/CHK@a,b,c'), undefined)
  assert.equal(gateway('CHK@a,b,c'), undefined)
})

test('what cannot be a key is refused before anything is asked', () => {
  for (const text of [
    '',
    ' ',
    'film.webm',
    'api/v1/status',
    'http://localhost:8888/',
    '/x/CHK@a',
  ]) {
    assert.throws(() => parsePastedKey(text), UsageError, text)
  }
})
