// Sends the records of local topics to a remote broker, each once and in order, whenever that broker can be reached.
//
// Exactly once. A round of records goes out as one transaction of a producer whose transactional id is the uplink's own,
// and the positions that the round ends at are committed, as offsets of the uplink's group, in that same transaction. So
// the remote broker has the records of a round and the position behind them, or neither. Whatever happens in between, the
// way on is the same: begin anew, which ends what an earlier life left open, ask for the committed positions, and read
// the local log from there. Nothing on this side has to survive for that. Readers of the remote topics see each record
// once with `read_committed`; to others the records of an aborted round are visible, too, as with any transaction.
//
// The remote broker forgets a group's offsets some time after they were last used. For that time this side remembers,
// too (positions.ts): positions that are committed, and, before a transaction is ended, those that may be. New partitions
// get a committed position before their first records, so that a missing one always means a forgotten one.

import type { BackoffOptions } from '../client/backoff.ts';
import { backoffMs } from '../client/backoff.ts';
import { asError, BrokerFault, isRetriable } from '../client/broker-fault.ts';
import { delay } from '../client/client-clock.ts';
import type { Codecs } from '../client/compression.ts';
import type { TransportOpener } from '../client/transport.ts';
import { type FaultRecord, LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock, Random } from '../core/platform.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { UplinkMemory } from './positions.ts';
import { UplinkPositions } from './positions.ts';
import { UplinkSession, type UplinkTopic } from './uplink-session.ts';

const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 30_000 };
/** Records are joined into batches of this size, below every broker's default of message.max.bytes. */
const BATCH_BYTES = 512 * 1024;
/** Batches are halved down to this where the remote broker takes no larger ones. */
const BATCH_BYTES_MIN = 1024;
/** Stored bytes of one transaction; the memory that an uplink takes is a small multiple of it. */
const ROUND_BYTES = 4 * 1024 * 1024;
const TRANSACTION_TIMEOUT_MS = 60_000;
const TOO_LARGE: ReadonlySet<number> = new Set([ERROR_CODES.MESSAGE_TOO_LARGE, ERROR_CODES.RECORD_LIST_TOO_LARGE]);

export interface UplinkOptions {
  /**
   * Names the uplink in the remote cluster, as transactional id and group. It must be this log's alone: two logs with
   * one id keep fencing each other.
   */
  readonly id: string;
  readonly topics: readonly UplinkTopic[];
  readonly local: TransportOpener;
  readonly remote: TransportOpener;
  readonly memory: UplinkMemory;
  readonly kernels: Kernels;
  /** For local batches that are compressed and cannot be sent as they are. */
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What to do where nobody knows any more whether a transaction was committed: by default nothing is sent. */
  readonly unresolved?: 'resend' | 'skip' | undefined;
  /** Stored bytes of one transaction. Default 4 MiB. */
  readonly roundBytes?: number | undefined;
  readonly onStatus?: ((status: UplinkStatus) => void) | undefined;
}

export interface UplinkStatus {
  /**
   * `offline`: the remote broker cannot be reached; `failing`: it refuses, see `fault`. Both are tried again.
   * `sending`; `idle`: everything has arrived; `closed`.
   */
  readonly state: 'connecting' | 'offline' | 'failing' | 'sending' | 'idle' | 'closed';
  /** Records committed since the uplink was opened. */
  readonly sentRecords: number;
  /** Offsets between the positions and the ends of the local partitions; undefined until they are known. */
  readonly behind: number | undefined;
  readonly fault?: FaultRecord;
}

export class Uplink {
  readonly #options: UplinkOptions;
  readonly #positions: UplinkPositions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #session: UplinkSession | undefined;
  #waiting: AbortController | undefined;
  #batchBytes = BATCH_BYTES;
  #failures = 0;
  #status: UplinkStatus = { state: 'connecting', sentRecords: 0, behind: undefined };

  /** Begins at once. Throws ERR_DATA_DIRECTORY_UNREADABLE where `memory` holds something else. */
  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#positions = new UplinkPositions(options.memory);
    this.#running = this.#run();
  }

  get status(): UplinkStatus {
    return this.#status;
  }

  /** The network may be back: a wait before the next attempt ends now. */
  wake(): void {
    this.#waiting?.abort();
  }

  /** Stops. What is under way and not committed is sent again by the next uplink of this id. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#waiting?.abort();
    this.#session?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#runSession();
      } catch (error) {
        await this.#failed(asError(error));
      }
    }
    this.#tell({ state: 'closed' });
  }

  async #runSession(): Promise<void> {
    const { id, topics, local, remote, kernels, codecs, clock, random, unresolved, roundBytes } = this.#options;
    const session = new UplinkSession({
      id,
      topics,
      local,
      remote,
      kernels,
      codecs,
      clock,
      random,
      positions: this.#positions,
      unresolved,
      roundBytes: roundBytes ?? ROUND_BYTES,
      batchBytes: this.#batchBytes,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
    });
    this.#session = session;
    try {
      await session.open();
      while (!this.#closing.signal.aborted && (await this.#round(session)));
    } catch (error) {
      await session.abandon();
      throw error;
    } finally {
      session.close();
      this.#session = undefined;
    }
  }

  /** Sends what there is, or waits for something; false where the local topics are not what they were. */
  async #round(session: UplinkSession): Promise<boolean> {
    const { hasRecords, behind } = session;
    if (!hasRecords) {
      if (behind === 0) this.#tell({ state: 'idle', behind });
      return await session.whenChanged();
    }
    this.#tell({ state: 'sending', behind });
    const sent = await session.sendRound();
    this.#failures = 0;
    this.#tell({ sentRecords: this.#status.sentRecords + sent });
    return true;
  }

  async #failed(error: Error): Promise<void> {
    if (this.#closing.signal.aborted) return;
    if (this.#halvesBatches(error)) return;
    if (!(error instanceof LogFault))
      this.#options.logger.error('an uplink has failed', { id: this.#options.id, error });
    this.#failures++;
    const record =
      error instanceof LogFault ? error.toRecord() : { code: 'ERR_BROKER' as const, message: String(error) };
    const isOffline = !(error instanceof BrokerFault) && isRetriable(error);
    this.#tell({ state: isOffline ? 'offline' : 'failing', fault: record });
    this.#waiting = new AbortController();
    const { clock, random } = this.#options;
    await delay(clock, backoffMs(BACKOFF, this.#failures, random), this.#waiting.signal);
    this.#waiting = undefined;
  }

  #halvesBatches(error: Error): boolean {
    if (!(error instanceof BrokerFault) || !TOO_LARGE.has(error.errorCode)) return false;
    if (this.#batchBytes <= BATCH_BYTES_MIN) return false;
    this.#batchBytes /= 2;
    return true;
  }

  #tell(change: Partial<UplinkStatus>): void {
    const { fault: _fault, ...before } = this.#status;
    const status = { ...before, ...change };
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.#options.onStatus?.(status);
  }
}
