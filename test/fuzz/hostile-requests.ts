// Seeded hostile requests with structure: messages built from the protocol's own tables with values that mean something
// to a broker (its topics, real record batches, edges of ranges), then often damaged. One seed gives one sequence.

import type { AnyApi } from '../../src/protocol/api.ts';
import { type AnyField, type Fields, isCarried, isNullable } from '../../src/protocol/field.ts';
import { requestHeaderVersion, writeRequestHeader } from '../../src/protocol/headers.ts';
import { Writer } from '../../src/protocol/writer.ts';
import { CrcTable, encodeBatch, renewCrc } from '../../src/wasm/oracle.ts';
import { hostileRequestFrames, mutated, SeededRandom } from '../protocol/frame-fuzzer.ts';

const INT_EDGES: readonly number[] = [0, 1, 2, -1, -2, -3, -4, -5, 127, 1000];
const WIDE_EDGES: readonly number[] = [-(2 ** 31), 2 ** 31 - 1, 2 ** 24, 65_536, -32_768, 32_767];
const CONFIG_NAMES: readonly string[] = [
  'retention.ms',
  'retention.bytes',
  'segment.bytes',
  'segment.ms',
  'max.message.bytes',
  'message.max.bytes',
  'cleanup.policy',
  'num.partitions',
  'log.retention.ms',
  'message.timestamp.type',
  'compression.type',
  'no.such.config',
  '__proto__',
];
const CONFIG_VALUES: readonly string[] = [
  '',
  '-1',
  '0',
  '1',
  '14',
  '1048576',
  'delete',
  'compact',
  'CreateTime',
  'LogAppendTime',
  'NaN',
  '1e9',
];
/** Partition counts stay small: a request for many is legitimate, and would measure the machine. */
const COUNT_VALUES: readonly number[] = [-1, 0, 1, 2, 3, 5, -2, -(2 ** 31), 2 ** 31 - 1];

export interface HostileOptions {
  readonly apis: readonly AnyApi[];
  /** Names that exist, may exist, and cannot. */
  readonly topicNames: readonly string[];
}

export class HostileRequests {
  readonly #random: SeededRandom;
  readonly #options: HostileOptions;
  readonly #golden: Generator<Uint8Array, never>;
  readonly #crc = new CrcTable();
  readonly #topicIds: string[] = [];
  #correlationId = 0;

  constructor(seed: number, options: HostileOptions) {
    this.#random = new SeededRandom(seed);
    this.#options = options;
    this.#golden = hostileRequestFrames(seed);
  }

  /** An id that the broker has told, to be used from now on. */
  learnTopicId(id: string): void {
    this.#topicIds.push(id);
  }

  /** The next frame: one in four is a golden frame damaged, the others are built here and half of them damaged. */
  next(): Uint8Array {
    if (this.#random.next(4) === 0) return this.#golden.next().value;
    const frame = this.#built();
    return this.#random.next(2) === 0 ? frame : mutated(frame, this.#random);
  }

  /** Frames of every API in every version, one after the other: as built, and once more damaged. */
  *inTurn(): Generator<Uint8Array, void> {
    for (const api of this.#options.apis) {
      const [first, last] = api.versions;
      for (let version = first; version <= last; version++) {
        yield this.#of(api, version);
        yield mutated(this.#of(api, version), this.#random);
      }
    }
  }

  #built(): Uint8Array {
    const api = this.#random.pick(this.#options.apis);
    const [first, last] = api.versions;
    return this.#of(api, first + this.#random.next(last - first + 1));
  }

  #of(api: AnyApi, apiVersion: number): Uint8Array {
    this.#correlationId = (this.#correlationId + 1) | 0;
    const writer = new Writer();
    const header = { apiKey: api.key, apiVersion, correlationId: this.#correlationId, clientId: this.#clientId() };
    writeRequestHeader(writer, header, requestHeaderVersion(api, apiVersion));
    api.writeRequest(writer, this.#message(api.request, apiVersion), apiVersion);
    return writer.finishFlat();
  }

  #clientId(): string | null {
    return this.#random.pick(['fuzzer', '', null, 'x'.repeat(300), '\u0000"\\']);
  }

  #message(fields: Fields, version: number): Record<string, unknown> {
    const message: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields)) {
      if (isCarried(field, version)) message[name] = this.#field(name, field, version);
    }
    return message;
  }

  #field(name: string, field: AnyField, version: number): unknown {
    if (isNullable(field, version) && this.#random.next(4) === 0) return null;
    const { kind, fields, element } = field.type;
    if (kind === 'struct' && fields !== undefined) return this.#message(fields, version);
    if (kind === 'array') {
      const length = this.#random.pick([0, 1, 1, 1, 2, 3]);
      return Array.from({ length }, () =>
        fields === undefined && element !== undefined
          ? this.#field(name, element, version)
          : this.#message(fields ?? {}, version),
      );
    }
    return this.#scalar(name, kind);
  }

  #scalar(name: string, kind: string): unknown {
    const random = this.#random;
    switch (kind) {
      case 'boolean':
        return random.next(2) === 0;
      case 'string':
        return this.#string(name);
      case 'uuid':
        return this.#topicIds.length > 0 && random.next(4) > 0 ? random.pick(this.#topicIds) : 'AAAAAAAAAAAAAAAAAAAAAQ';
      case 'records':
        return this.#records();
      case 'bytes':
        return Uint8Array.from({ length: random.next(20) }, () => random.next(256));
      case 'float64':
        return random.pick([0, -1, 1.5, Number.MAX_VALUE]);
      default:
        return this.#number(name, kind);
    }
  }

  #string(name: string): string {
    const random = this.#random;
    if (/config.*name|configurationkeys/i.test(name)) return random.pick(CONFIG_NAMES);
    if (/value/i.test(name)) return random.pick(CONFIG_VALUES);
    if (/resourcename/i.test(name)) return random.pick(['', '1', '2', ...this.#options.topicNames]);
    if (random.next(20) === 0)
      return random.pick(['', '__proto__', 'x'.repeat(32_767), '..', 'a/b', '\ud83d\ude00', ...CONFIG_NAMES]);
    return random.pick(this.#options.topicNames);
  }

  #number(name: string, kind: string): number {
    const random = this.#random;
    if (/numpartitions|^count$/i.test(name)) return random.pick(COUNT_VALUES);
    if (/maxwait|timeout/i.test(name)) return random.pick([0, 1, 5, -1, 30_000]);
    if (/partition/i.test(name) && random.next(4) > 0) return random.next(3);
    if (kind === 'int8') return random.pick([0, 1, 2, 3, 4, -1, 127, -128]);
    if (kind === 'int16') return random.pick([...INT_EDGES, 32_767, -32_768]);
    if (kind === 'uint16') return random.pick([0, 1, 65_535]);
    const edges = random.next(3) === 0 ? WIDE_EDGES : INT_EDGES;
    if (kind === 'int64' && random.next(4) === 0)
      return random.pick([Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 1.75e12]);
    return random.pick(edges);
  }

  /** A batch as a client would write it, often damaged, sometimes with a checksum that hides the damage. */
  #records(): Uint8Array {
    const random = this.#random;
    const base = random.pick([0, 1, 1_750_000_000_000, -1]);
    const records = Array.from({ length: 1 + random.next(4) }, () => ({
      timestamp: base + random.pick([0, 1, 5]),
      key: random.next(2) === 0 ? null : new Uint8Array(random.next(10)),
      value: random.next(8) === 0 ? null : new Uint8Array(random.pick([0, 1, 100, 1000])),
      headers: random.next(4) === 0 ? [{ key: 'h', value: null }] : [],
    }));
    const attributes = random.next(4) === 0 ? random.pick([1, 2, 3, 4, 7, 8, 16, 32, 48]) : 0;
    const producerId = random.next(4) === 0 ? random.pick([0, 1, 1000]) : -1;
    const batch = encodeBatch(this.#crc, records, { attributes, producerId, producerEpoch: producerId < 0 ? -1 : 0 });
    if (random.next(2) === 0) return batch;
    const damaged = mutated(batch, random);
    if (damaged.length > 61 && random.next(2) === 0) renewCrc(this.#crc, damaged);
    return damaged;
  }
}
