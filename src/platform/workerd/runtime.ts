// What is used of the Workers runtime, as types of our own: a project that depends on this package needs no other types
// for it, and those of `@cloudflare/workers-types` fit. Nothing here exists at run time.

/** What SQLite takes and gives. */
export type SqlValue = ArrayBuffer | string | number | null;

export interface SqlCursor {
  /** Rows as arrays, in the order of the columns. */
  raw(): Iterable<SqlValue[]>;
}

/** The SQLite database of one Durable Object. */
export interface SqlDatabase {
  exec(query: string, ...bindings: (SqlValue | Uint8Array)[]): SqlCursor;
  readonly databaseSize: number;
}

/** The storage of one Durable Object, of a class that is declared to have SQLite. */
export interface ObjectStorage {
  readonly sql: SqlDatabase;
  /** Resolves when every write so far is durable. */
  sync(): Promise<void>;
  /** Runs all of `action` or, where it throws, none of it. */
  transactionSync<T>(action: () => T): T;
  setAlarm(time: number): Promise<void>;
  deleteAlarm(): Promise<void>;
}

/** A WebSocket as a Durable Object holds it. */
export interface ObjectSocket {
  readonly bufferedAmount?: number;
  send(message: ArrayBuffer | Uint8Array | string): void;
  close(code?: number, reason?: string): void;
  /** Keeps a small value with the socket while the object sleeps. */
  serializeAttachment(value: unknown): void;
  deserializeAttachment(): unknown;
}

/** The first argument of a Durable Object's constructor. */
export interface ObjectState {
  readonly id: { toString(): string; readonly name?: string | undefined };
  readonly storage: ObjectStorage;
  /** Lets no event in before the promise has settled; the object is reset where it rejects. */
  blockConcurrencyWhile<T>(action: () => Promise<T>): Promise<T>;
  acceptWebSocket(socket: ObjectSocket): void;
  getWebSockets(): ObjectSocket[];
  abort(reason?: string): void;
}
