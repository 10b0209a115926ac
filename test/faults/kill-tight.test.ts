/**
 * A hundred kills of a store that is full and evicts all the time: what it still has is right, and the
 * outbox is whole (spec §11.5).
 */
import { testKills } from '../helpers/fault-kill-test.ts'

testKills('kill -9: a full store never has a wrong block, and loses nothing of the outbox', false)
