// A tab's worker: waits until the log is its to have, opens it, and serves all tabs of the origin until it ends.

import { asError } from '../../client/broker-fault.ts';
import { STANDARD_CLOCK } from '../../client/client-clock.ts';
import { STANDARD_RANDOM } from '../../client/client-random.ts';
import { type FaultRecord, LogFault } from '../../core/fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { UplinkStatus } from '../../uplink/uplink.ts';
import { hasLocks, live, whenAborted } from './lifelines.ts';
import { type BrokerSettings, NAMES, type SharedMessage, type WorkerEvent, type WorkerRequest } from './messages.ts';
import { WorkerBroker } from './worker-broker.ts';

export class WorkerHost {
  readonly #post: (event: WorkerEvent) => void;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #workerId = '';
  #shared: BroadcastChannel | undefined;
  #broker: WorkerBroker | undefined;
  #leading: Promise<void> | undefined;

  constructor(post: (event: WorkerEvent) => void, logger: Logger) {
    this.#post = post;
    this.#logger = logger;
  }

  receive(request: WorkerRequest): void {
    switch (request.kind) {
      case 'start':
        this.#workerId = request.workerId;
        this.#start(request.settings).catch((error: unknown) => this.#fail(error));
        return;
      case 'connect':
        this.#broker?.connect(request.port, request.tabId, request.subprotocol);
        return;
      case 'online':
        this.#broker?.wakeUplink();
        return;
      case 'close':
        this.#close().catch((error: unknown) => this.#fail(error));
    }
  }

  async #start(settings: BrokerSettings): Promise<void> {
    if (!hasLocks()) {
      // Without locks a tab can know nothing of the others, and has the log for itself.
      await this.#lead(settings);
      return;
    }
    await live(NAMES.worker(settings.name, this.#workerId), this.#closing.signal);
    this.#post({ kind: 'alive' });
    const { signal } = this.#closing;
    const lead = async (): Promise<void> => {
      this.#leading = this.#lead(settings);
      await this.#leading;
    };
    await navigator.locks.request(NAMES.log(settings.name), { signal }, lead).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  /** Resolves when the log has been closed. */
  async #lead(settings: BrokerSettings): Promise<void> {
    const broker = await WorkerBroker.open({
      settings,
      clock: STANDARD_CLOCK,
      random: STANDARD_RANDOM,
      logger: this.#logger,
      onUplink: () => this.#announce(),
    });
    this.#broker = broker;
    this.#listen(settings.name);
    this.#post({ kind: 'serving', storage: broker.storage });
    this.#announce();
    await whenAborted(this.#closing.signal);
    this.#shared?.close();
    await broker.close();
  }

  #listen(name: string): void {
    const shared = new BroadcastChannel(NAMES.shared(name));
    this.#shared = shared;
    shared.onmessage = ({ data }: MessageEvent<SharedMessage>) => {
      if (data.kind === 'who') this.#announce();
      if (data.kind !== 'connect' || data.workerId !== this.#workerId) return;
      this.#broker?.connect(new BroadcastChannel(data.channel), data.tabId, data.subprotocol);
    };
  }

  #announce(): void {
    const broker = this.#broker;
    if (broker === undefined || this.#closing.signal.aborted) return;
    const uplink: UplinkStatus | undefined = broker.uplinkStatus;
    const message: SharedMessage = { kind: 'leader', workerId: this.#workerId, storage: broker.storage, uplink };
    this.#shared?.postMessage(message);
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#leading;
    this.#post({ kind: 'closed' });
  }

  #fail(error: unknown): void {
    this.#closing.abort();
    this.#post({ kind: 'failed', fault: recordOf(error) });
  }
}

function recordOf(error: unknown): FaultRecord {
  return error instanceof LogFault ? error.toRecord() : { code: 'ERR_STORAGE', message: asError(error).message };
}
