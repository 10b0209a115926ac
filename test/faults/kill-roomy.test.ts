/**
 * A hundred kills of a store that stays far from full: whatever was there for good is there (spec §11.5).
 */
import { testKills } from '../helpers/fault-kill-test.ts'

testKills('kill -9: a store far from full keeps all that was there for good', true)
