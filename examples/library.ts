/**
 * The library in ten lines: a node in memory takes bytes in and gives them back under their key.
 * @module
 */
import { createNode, parseUri } from '../src/index.ts'

const node = await createNode({})
const { uri } = await node.insert(new Blob(['a shoal is a crowd of fish']).stream())
const key = parseUri(uri)
if (key.type !== 'chk') throw new Error('an insert gives a CHK')
const found = await node.fetch(key)
if (found.type !== 'found') throw new Error(`nobody has ${uri}: ${found.type}`)
console.log(uri, await new Response(found.stream).text())
await node.close()
