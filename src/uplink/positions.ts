// Where an uplink stands, as far as this side knows: the position of each local partition that is certainly committed,
// and those of a transaction whose end is not known. What the remote broker says goes before it; this is for the time when
// the remote broker has forgotten (offsets.retention.minutes).

import type { TopicPartition } from '../client/record.ts';
import { LogFault } from '../core/fault.ts';

/** A place for one small text that survives a crash whole: the old one or the new one. */
export interface UplinkMemory {
  load(): string | undefined;
  save(text: string): void;
}

/** A local partition and the offset up to which it has been sent; exclusive. */
export interface UplinkPosition extends TopicPartition {
  /** Id of the local topic: one that was created anew begins again. */
  readonly topicId: string;
  readonly offset: number;
}

interface Remembered {
  /** Cluster id of the remote broker: to another one nothing has been sent. */
  readonly clusterId: string;
  readonly committed: readonly UplinkPosition[];
  readonly pending: readonly UplinkPosition[];
}

const NOTHING: Remembered = { clusterId: '', committed: [], pending: [] };

/** What is known of a partition that the remote broker has no offset for. */
export interface LocalKnowledge {
  /** Undefined where nothing was ever committed. */
  readonly committed: number | undefined;
  /** The end of a transaction that may or may not have been committed. */
  readonly pending: number | undefined;
}

export class UplinkPositions {
  readonly #memory: UplinkMemory;
  readonly #committed = new Map<string, UplinkPosition>();
  #pending = new Map<string, UplinkPosition>();
  #clusterId = '';

  /** Throws ERR_DATA_DIRECTORY_UNREADABLE where the text is not one of these. */
  constructor(memory: UplinkMemory) {
    this.#memory = memory;
    const text = memory.load();
    const { clusterId, committed, pending } = text === undefined ? NOTHING : parse(text);
    this.#clusterId = clusterId;
    for (const position of committed) this.#committed.set(keyOf(position), position);
    for (const position of pending) this.#pending.set(keyOf(position), position);
  }

  /** The remote broker is of this cluster; what is known of another one is forgotten. */
  belongTo(clusterId: string): void {
    if (this.#clusterId === clusterId) return;
    this.#clusterId = clusterId;
    this.#committed.clear();
    this.#pending.clear();
  }

  knowledge(place: Omit<UplinkPosition, 'offset'>): LocalKnowledge {
    const key = keyOf(place);
    return { committed: this.#committed.get(key)?.offset, pending: this.#pending.get(key)?.offset };
  }

  /** Positions are about to be committed: from now on it is not known whether they are. */
  begin(positions: readonly UplinkPosition[]): void {
    this.#pending = new Map(positions.map((position) => [keyOf(position), position]));
    this.#save();
  }

  /** Positions are committed. */
  settle(positions: readonly UplinkPosition[]): void {
    for (const position of positions) this.#committed.set(keyOf(position), position);
    this.#pending = new Map();
    this.#save();
  }

  #save(): void {
    const remembered: Remembered = {
      clusterId: this.#clusterId,
      committed: [...this.#committed.values()],
      pending: [...this.#pending.values()],
    };
    this.#memory.save(JSON.stringify(remembered));
  }
}

function keyOf({ topic, partition, topicId }: Omit<UplinkPosition, 'offset'>): string {
  return `${topicId} ${topic}-${partition}`;
}

function parse(text: string): Remembered {
  try {
    const value: unknown = JSON.parse(text);
    if (isRemembered(value)) return value;
  } catch {
    // It is told below.
  }
  throw new LogFault('ERR_DATA_DIRECTORY_UNREADABLE', 'the positions of an uplink cannot be read');
}

function isRemembered(value: unknown): value is Remembered {
  return (
    typeof value === 'object' &&
    value !== null &&
    'clusterId' in value &&
    typeof value.clusterId === 'string' &&
    'committed' in value &&
    arePositions(value.committed) &&
    'pending' in value &&
    arePositions(value.pending)
  );
}

function arePositions(value: unknown): value is UplinkPosition[] {
  return Array.isArray(value) && value.every(isPosition);
}

function isPosition(value: unknown): value is UplinkPosition {
  return (
    typeof value === 'object' &&
    value !== null &&
    'topic' in value &&
    typeof value.topic === 'string' &&
    'topicId' in value &&
    typeof value.topicId === 'string' &&
    'partition' in value &&
    Number.isSafeInteger(value.partition) &&
    'offset' in value &&
    Number.isSafeInteger(value.offset)
  );
}
