/**
 * `shoal demo`: a private network on this machine, with something in it to look at.
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Arguments, Command } from './command.ts'
import { startDemoNetwork, type DemoNetwork, type DemoNode } from './demo-network.ts'
import { CommandError, EXIT_DONE } from './failures.ts'
import { untilAborted, writeLine, type Io } from './io.ts'
import { createProgress } from './progress.ts'
import { parseWhole } from './values.ts'

const DEFAULT_NODES = 6
const MIN_NODES = 2
/** One process each; also the most peers a node keeps. */
const MAX_NODES = 32

export const demoCommand: Command = {
  name: 'demo',
  summary: 'Run a private network on this machine and print key URLs to paste',
  details: [
    'Every node is a process of its own with a gateway of its own. Nothing leaves this machine, and',
    'Ctrl-C ends all of it and removes what it kept.',
  ],
  operands: [],
  options: {
    nodes: {
      type: 'string',
      value: 'N',
      help: `how many nodes, ${MIN_NODES} to ${MAX_NODES} (default: ${DEFAULT_NODES})`,
    },
  },
  run: demo,
}

async function demo(given: Arguments, io: Io): Promise<number> {
  const text = given.text('nodes') ?? String(DEFAULT_NODES)
  const count = parseWhole('--nodes', text, MIN_NODES, MAX_NODES)
  const directory = await mkdtemp(join(tmpdir(), 'shoal-demo-'))
  // Also where the process is ended at once by a second Ctrl-C.
  const removeNow = (): void => {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
  process.once('exit', removeNow)
  try {
    await runNetwork(directory, count, io)
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    process.off('exit', removeNow)
  }
  return EXIT_DONE
}

async function runNetwork(directory: string, count: number, io: Io): Promise<void> {
  const { signal } = io
  const progress = createProgress(io.stderr, `starting ${count} nodes`, () => '')
  const onServing = (serving: number): void => {
    progress.show(serving, 2 * count) // half the way: they serve, and have yet to meet
  }
  const network = await startDemoNetwork({ directory, count, onServing, signal }).finally(() => {
    progress.clear()
  })
  try {
    for (const node of network.nodes) void report(node, io)
    await network.untilConnected((connected) => {
      progress.show(count + connected, 2 * count)
    })
    progress.clear()
    await showSamples(network, io)
    await untilAborted(signal)
    writeLine(io.stderr, 'ending the nodes…')
  } finally {
    progress.clear()
    await network.close()
  }
}

/** A node that ends before it was told to is told to the person. */
async function report(node: DemoNode, io: Io): Promise<void> {
  const words = await node.ended
  if (words !== undefined) writeLine(io.stderr, `node ${node.number} ended by itself: ${words}`)
}

async function showSamples(network: DemoNetwork, io: Io): Promise<void> {
  const first = network.nodes[0]
  const last = network.nodes.at(-1)
  if (first === undefined || last === undefined) throw new CommandError('no node is up')
  // Loaded here, so that the other commands start without tar.
  const { insertSamples } = await import('./demo-samples.ts')
  const samples = await insertSamples(first.gateway, io.signal)
  const lines = [
    `${network.nodes.length} nodes, one process each; nothing leaves this machine:`,
    ...network.nodes.map(({ number, gateway }) => `  node ${number}  ${gateway.href}`),
    '',
    `Inserted through node 1. Paste one into a browser: node ${last.number} fetches it from the others.`,
    ...samples.map(({ title, uri }) => `  ${title.padEnd(8)}${last.gateway.href}${uri}`),
    '',
    'Ctrl-C ends the demo and removes its files.',
  ]
  for (const line of lines) writeLine(io.stdout, line)
}
