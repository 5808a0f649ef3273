// What tabs, their workers and the worker that has the log say to one another. Plain data: it crosses threads.

import type { FaultRecord } from '../../core/fault.ts';
import type { Subprotocol } from '../../net/subprotocol.ts';
import type { UplinkStatus } from '../../uplink/uplink.ts';
import type { UplinkTopic } from '../../uplink/uplink-session.ts';

/** Where the log is kept. */
export type StorageKind = 'opfs' | 'memory';

/** An uplink as it is asked for. */
export interface UplinkSettings {
  /** `ws://` or `wss://` URL of the remote broker. */
  readonly url: string;
  readonly topics: readonly UplinkTopic[];
  readonly id?: string | undefined;
  readonly unresolved?: 'resend' | 'skip' | undefined;
}

export interface BrokerSettings {
  /** Names the log within the origin. */
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  /** Undefined: private files, or memory where there are none. */
  readonly storage: StorageKind | undefined;
  /** A compiled module, or the URL of `millrace.wasm`. */
  readonly wasm: WebAssembly.Module | string;
  /** The same of `zstd.wasm`, which is loaded when it is needed. */
  readonly zstdWasm: WebAssembly.Module | string;
  readonly uplink: UplinkSettings | undefined;
}

/** Page to its own worker. */
export type WorkerRequest =
  | { readonly kind: 'start'; readonly settings: BrokerSettings; readonly workerId: string }
  | { readonly kind: 'connect'; readonly port: MessagePort; readonly tabId: string; readonly subprotocol: Subprotocol }
  /** The network may be back. */
  | { readonly kind: 'online' }
  | { readonly kind: 'close' };

/** Worker to its own page. */
export type WorkerEvent =
  /** Its life can be watched by its lock from here on. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'serving'; readonly storage: StorageKind }
  | { readonly kind: 'failed'; readonly fault: FaultRecord }
  | { readonly kind: 'closed' };

/** On the channel that all tabs of one log share. */
export type SharedMessage =
  /** Who has the log? */
  | { readonly kind: 'who' }
  | {
      readonly kind: 'leader';
      readonly workerId: string;
      readonly storage: StorageKind;
      readonly uplink: UplinkStatus | undefined;
    }
  /** The tab asks the worker for a connection on the channel of that name. */
  | {
      readonly kind: 'connect';
      readonly workerId: string;
      readonly channel: string;
      readonly tabId: string;
      readonly subprotocol: Subprotocol;
    };

/** On a connection. */
export type LinkMessage =
  | { readonly kind: 'open' }
  | { readonly kind: 'frame'; readonly frame: Uint8Array<ArrayBuffer> | string }
  /** Bytes that have been taken in since the last such word. */
  | { readonly kind: 'taken'; readonly bytes: number }
  | { readonly kind: 'close'; readonly reason: string };

/** Names of locks and channels. Whoever holds `log` has the log; the others are held for as long as somebody lives. */
export const NAMES = {
  log: (name: string): string => `millrace:${name}`,
  shared: (name: string): string => `millrace:${name}`,
  tab: (name: string, tabId: string): string => `millrace:${name}:tab:${tabId}`,
  worker: (name: string, workerId: string): string => `millrace:${name}:worker:${workerId}`,
} as const;
