/**
 * What the journal is called in a data directory (spec §11.12).
 * @module
 */
export const JOURNAL_FOLDER = 'journal.d'
