/**
 * The version of this package; a test compares it with `package.json`.
 * @module
 */

export const VERSION = '0.1.0'
