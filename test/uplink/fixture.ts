// Two brokers in one process, an uplink from the one to the other, and a connection between them that breaks where a
// test says.

import { InProcessOpener } from '../../src/client/in-process-transport.ts';
import type { ClientTransport, TransportEvents, TransportOpener } from '../../src/client/transport.ts';
import { createPortableCodecs } from '../../src/compression/portable-codecs.ts';
import { LogFault } from '../../src/core/fault.ts';
import type { Clock, TimerHandle } from '../../src/core/platform.ts';
import { type EmbeddedBroker, openEmbeddedBroker } from '../../src/embedded/embedded-broker.ts';
import { systemClock, systemRandom } from '../../src/platform/node/clock.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import type { UplinkMemory } from '../../src/uplink/positions.ts';
import { Uplink, type UplinkOptions, type UplinkStatus } from '../../src/uplink/uplink.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { all } from '../client/fixture.ts';
import { silentLogger } from '../support/silent-logger.ts';

const wasm = loadWasmModule('plain');
const CONFIG = { 'transaction.state.log.num.partitions': '1', 'offsets.topic.num.partitions': '1' };

export function openBroker(store = new MemoryStore(), config: Record<string, string> = {}): Promise<EmbeddedBroker> {
  return openEmbeddedBroker({
    store,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    wasm,
    codecs: createPortableCodecs(wasm),
    config: { ...CONFIG, ...config },
  });
}

/** Waits are a hundredth of what is asked for; long polls too. */
export const hastyClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, task): TimerHandle {
    const timer = setTimeout(task, delayMs / 100);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A frame's way, and whether it got through. */
export type FrameStep = 'request' | 'response';

/** Opens connections to a broker, each frame of which may be the last. */
export class BreakableOpener implements TransportOpener {
  readonly name = 'the remote broker';
  readonly #inner: TransportOpener;
  readonly #onFrame: (step: FrameStep) => 'pass' | 'break';
  readonly #open = new Set<BreakableTransport>();
  isDown = false;

  constructor(broker: EmbeddedBroker, onFrame: (step: FrameStep) => 'pass' | 'break' = () => 'pass') {
    this.#inner = new InProcessOpener(broker.handler);
    this.#onFrame = onFrame;
  }

  async open(_address: undefined, events: TransportEvents): Promise<ClientTransport> {
    if (this.isDown) throw new LogFault('ERR_CONNECTION', 'the remote broker is down');
    const transport = new BreakableTransport(events, (step) => (this.isDown ? 'break' : this.#onFrame(step)));
    this.#open.add(transport);
    await transport.connect(this.#inner);
    return transport;
  }

  /** Ends every connection, and lets none be opened. */
  goDown(): void {
    this.isDown = true;
    for (const transport of this.#open) transport.break();
    this.#open.clear();
  }
}

class BreakableTransport implements ClientTransport {
  readonly #events: TransportEvents;
  readonly #onFrame: (step: FrameStep) => 'pass' | 'break';
  #inner: ClientTransport | undefined;
  #hasEnded = false;

  constructor(events: TransportEvents, onFrame: (step: FrameStep) => 'pass' | 'break') {
    this.#events = events;
    this.#onFrame = onFrame;
  }

  async connect(opener: TransportOpener): Promise<void> {
    this.#inner = await opener.open(undefined, {
      onFrame: (frame) => {
        if (this.#hasEnded) return;
        if (this.#onFrame('response') === 'pass') this.#events.onFrame(frame);
        else this.break();
      },
      onClose: () => this.break(),
    });
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#hasEnded) return;
    if (this.#onFrame('request') === 'pass') this.#inner?.send(parts);
    else queueMicrotask(() => this.break());
  }

  whenWritable(): Promise<void> | undefined {
    return this.#inner?.whenWritable();
  }

  close(): void {
    this.break();
  }

  abort(): void {
    this.break();
  }

  break(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#inner?.close();
    this.#events.onClose(new LogFault('ERR_CONNECTION', 'the connection broke'));
  }
}

export class TextMemory implements UplinkMemory {
  text: string | undefined;

  load(): string | undefined {
    return this.text;
  }

  save(text: string): void {
    this.text = text;
  }
}

export interface Sides {
  readonly local: EmbeddedBroker;
  readonly remote: TransportOpener;
  readonly memory: UplinkMemory;
}

export class WatchedUplink {
  readonly uplink: Uplink;
  readonly states: UplinkStatus[] = [];
  #changed: (() => void)[] = [];

  constructor({ local, remote, memory }: Sides, options: Partial<UplinkOptions> = {}) {
    this.uplink = new Uplink({
      id: 'test',
      topics: [{ topic: 'notes', remoteTopic: 'notes' }],
      local: new InProcessOpener(local.handler),
      remote,
      memory,
      kernels: Kernels.create(wasm),
      codecs: createPortableCodecs(wasm),
      clock: hastyClock,
      random: systemRandom,
      logger: silentLogger,
      onStatus: (status) => {
        this.states.push(status);
        for (const wake of this.#changed.splice(0)) wake();
      },
      ...options,
    });
  }

  async until(isReached: (status: UplinkStatus) => boolean): Promise<UplinkStatus> {
    while (!isReached(this.uplink.status)) await new Promise<void>((resolve) => this.#changed.push(resolve));
    return this.uplink.status;
  }

  /** Everything is there. */
  idle(): Promise<UplinkStatus> {
    return this.until(({ state }) => state === 'idle');
  }
}

export async function produce(broker: EmbeddedBroker, values: readonly string[], topic = 'notes'): Promise<void> {
  const client = broker.client();
  const producer = client.producer({ lingerMs: 0 });
  await producer.send({ topic, messages: values.map((value) => ({ value })) });
  await producer.close();
  client.close();
}

/** Values by partition, as readers of committed records see them. */
export async function committedValues(broker: EmbeddedBroker, topic = 'notes'): Promise<string[][]> {
  const client = broker.client();
  const consumer = client.consumer({ isolation: 'read_committed' });
  await consumer.assign([{ topic, from: 'beginning' }]);
  const values: string[][] = [];
  for (const record of await all(consumer.records({ untilEnd: true }))) {
    values[record.partition] ??= [];
    values[record.partition]?.push(record.text());
  }
  await consumer.close();
  client.close();
  return values;
}
