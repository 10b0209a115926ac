/**
 * An insert that its client may give up, until something of it is sent that the rest must follow (spec
 * §9.8): what a public edition leads to must be there, whatever becomes of the client.
 * @module
 */
import { linkAbort } from '../signals.ts'
import type { BlockSink } from './block-sink.ts'
import { withSink } from './insert.ts'
import type { InsertContext } from './insert.ts'

export interface ClientInsert {
  readonly sink: BlockSink
  /** The node's end, and until `sending` was called the client's. */
  readonly signal: AbortSignal
  /** Throws where the client has given up, who cannot any more from then on. */
  readonly sending: () => void
}

/** As `withSink`; `context.signals` end it at any time. */
export async function withClient<T>(
  client: AbortSignal | undefined,
  context: InsertContext,
  work: (insert: ClientInsert) => Promise<T>,
): Promise<T> {
  const link = linkAbort([client])
  try {
    const signals = [...context.signals, link.signal]
    return await withSink({ ...context, signals }, (sink, signal) => {
      const sending = (): void => {
        signal.throwIfAborted()
        link.unlink()
      }
      return work({ sink, signal, sending })
    })
  } finally {
    link.unlink()
  }
}
