// Who has the log: what a tab knows of it, and how it gets a connection there.

import { LogFault } from '../../core/fault.ts';
import type { Clock } from '../../core/platform.ts';
import type { Subprotocol } from '../../net/subprotocol.ts';
import type { UplinkStatus } from '../../uplink/uplink.ts';
import { hasLocks, whenEnded } from './lifelines.ts';
import type { LinkTarget } from './link-opener.ts';
import { NAMES, type SharedMessage, type StorageKind } from './messages.ts';

/** How long a tab waits for somebody to have the log: recovery after a crash takes its time. */
const LEADER_TIMEOUT_MS = 30_000;

/** A worker that has the log. */
export interface Leader {
  readonly workerId: string;
  readonly storage: StorageKind;
  readonly lost: AbortController;
}

export interface LeaderWatchOptions {
  readonly name: string;
  readonly tabId: string;
  readonly clock: Clock;
  /** A port to this tab's own worker. */
  readonly connectOwn: (subprotocol: Subprotocol) => MessagePort;
  readonly onUplink: (status: UplinkStatus) => void;
}

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  readonly #shared: BroadcastChannel;
  #leader: Leader | undefined;
  #ownWorkerId = '';
  #waiting: (() => void)[] = [];
  #connections = 0;
  #isClosed = false;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
    this.#shared = new BroadcastChannel(NAMES.shared(options.name));
    this.#shared.onmessage = ({ data }: MessageEvent<SharedMessage>) => {
      if (data.kind !== 'leader') return;
      this.found(data.workerId, data.storage);
      if (data.uplink !== undefined) options.onUplink(data.uplink);
    };
    this.#ask();
  }

  get current(): Leader | undefined {
    return this.#leader;
  }

  /** Whether it is this tab's own worker. */
  get isOwn(): boolean {
    return this.#leader !== undefined && this.#leader.workerId === this.#ownWorkerId;
  }

  /** This tab's worker, from now on. */
  set ownWorkerId(workerId: string) {
    this.#ownWorkerId = workerId;
  }

  found(workerId: string, storage: StorageKind): void {
    if (this.#isClosed || this.#leader?.workerId === workerId) return;
    this.#leader?.lost.abort();
    const lost = new AbortController();
    this.#leader = { workerId, storage, lost };
    if (hasLocks()) {
      whenEnded(NAMES.worker(this.#options.name, workerId), lost.signal, () => this.lost(workerId));
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** That worker has the log no more. */
  lost(workerId: string): void {
    if (this.#leader?.workerId !== workerId) return;
    const { lost } = this.#leader;
    this.#leader = undefined;
    lost.abort();
    this.#ask();
  }

  /** The worker that has the log, as soon as there is one. Throws ERR_TIMEOUT, ERR_CLOSED. */
  async target(subprotocol: Subprotocol): Promise<LinkTarget> {
    const leader = await this.#whenFound();
    return { connect: () => this.#connect(leader, subprotocol), lost: leader.lost.signal };
  }

  close(): void {
    this.#isClosed = true;
    this.#leader?.lost.abort();
    this.#leader = undefined;
    this.#shared.close();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #connect({ workerId }: Leader, subprotocol: Subprotocol): MessagePort | BroadcastChannel {
    if (workerId === this.#ownWorkerId) return this.#options.connectOwn(subprotocol);
    const { tabId } = this.#options;
    this.#connections++;
    const channel = `${NAMES.tab(this.#options.name, tabId)}:${this.#connections}`;
    const place = new BroadcastChannel(channel);
    const message: SharedMessage = { kind: 'connect', workerId, channel, tabId, subprotocol };
    this.#shared.postMessage(message);
    return place;
  }

  #ask(): void {
    if (this.#isClosed) return;
    const message: SharedMessage = { kind: 'who' };
    this.#shared.postMessage(message);
  }

  async #whenFound(): Promise<Leader> {
    if (this.#leader === undefined && !this.#isClosed) await this.#wait();
    if (this.#isClosed) throw new LogFault('ERR_CLOSED', 'the broker of this tab is closed');
    if (this.#leader !== undefined) return this.#leader;
    throw new LogFault('ERR_TIMEOUT', `nobody has had the log ${this.#options.name} for ${LEADER_TIMEOUT_MS} ms`);
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.schedule(LEADER_TIMEOUT_MS, resolve);
      this.#waiting.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
