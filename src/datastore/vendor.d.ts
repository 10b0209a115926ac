/** The few signatures of rocksdb-native that we use: the list is our real surface. */
declare module 'rocksdb-native' {
  interface ReadBatch {
    get(key: Uint8Array): Promise<Uint8Array | null>
    tryFlush(): void
  }

  interface WriteBatch {
    tryPut(key: Uint8Array, value: Uint8Array): void
    tryDelete(key: Uint8Array): void
    flush(): Promise<void>
  }

  export default class RocksDB {
    constructor(
      path: string,
      options: { writeBufferSize: number; maxBackgroundJobs: number; maxOpenFiles: number },
    )
    ready(): Promise<void>
    read(options: { capacity: number; autoDestroy: true }): ReadBatch
    write(options: { capacity: number; autoDestroy: true }): WriteBatch
    iterator(
      range: { gt?: Uint8Array; gte?: Uint8Array; lte?: Uint8Array },
      options: { capacity: number; limit: number },
    ): AsyncIterable<{ key: Uint8Array; value: Uint8Array }>
    flush(): Promise<void>
    compactRange(): Promise<void>
    close(): Promise<void>
  }
}
