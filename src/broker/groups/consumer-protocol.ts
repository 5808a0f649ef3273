// The little that the broker reads and writes of what consumers say to each other in a classic group (protocol type
// `consumer`), as it has to once the same consumers are members of a KIP-848 group.
//
//   subscription   version (int16), topics, user data, from 1 on the partitions owned, from 2 on their generation, from 3
//                  on the rack
//   assignment     version (int16), partitions, user data
//
// A version beyond those known begins like the last one that is. Clients are in the field whose subscriptions say a version
// and end before its fields: those that are missing are taken to be empty.

import { LogFault } from '../../core/fault.ts';
import { Reader } from '../../protocol/reader.ts';
import { Writer } from '../../protocol/writer.ts';

export const CONSUMER_PROTOCOL_TYPE = 'consumer';
const VERSION_MAX = 3;
const OWNED_VERSION = 1;
const GENERATION_VERSION = 2;
const RACK_VERSION = 3;
const STRING_BYTES_MIN = 2;
const INT32_BYTES = 4;
const TOPIC_BYTES_MIN = STRING_BYTES_MIN + INT32_BYTES;

export interface NamedPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface EmbeddedSubscription {
  readonly version: number;
  readonly topics: readonly string[];
  readonly owned: readonly NamedPartitions[];
  readonly rackId: string | null;
}

export interface EmbeddedAssignment {
  readonly partitions: readonly NamedPartitions[];
  /** The assignor said more than partitions: members need it, and only that assignor can make it. */
  readonly hasUserData: boolean;
}

/** The topics subscribed to; undefined where the bytes are no subscription. */
export function subscribedTopics(metadata: Uint8Array): readonly string[] | undefined {
  return attempt(() => {
    const reader = new Reader(metadata);
    reader.int16();
    return topicNames(reader);
  });
}

/** Undefined where the bytes are no subscription. */
export function readSubscription(metadata: Uint8Array): EmbeddedSubscription | undefined {
  return attempt(() => {
    const reader = new Reader(metadata);
    const version = reader.int16();
    const topics = topicNames(reader);
    userData(reader);
    const has = (from: number): boolean => version >= from && reader.remaining > 0;
    const owned = has(OWNED_VERSION) ? topicPartitions(reader) : [];
    if (has(GENERATION_VERSION)) reader.int32();
    const rackId = has(RACK_VERSION) ? nullableText(reader) : null;
    return { version, topics, owned, rackId };
  });
}

/** Undefined where the bytes are no assignment; none at all are none. */
export function readAssignment(assignment: Uint8Array): EmbeddedAssignment | undefined {
  if (assignment.length === 0) return { partitions: [], hasUserData: false };
  return attempt(() => {
    const reader = new Reader(assignment);
    reader.int16();
    const partitions = topicPartitions(reader);
    return { partitions, hasUserData: userData(reader) > 0 };
  });
}

/** An assignment for a member whose subscription has this version. */
export function writeAssignment(version: number, topics: readonly NamedPartitions[]): Uint8Array {
  const writer = new Writer();
  writer.int16(Math.max(0, Math.min(VERSION_MAX, version)));
  writer.int32(topics.length);
  for (const { topic, partitions } of topics) {
    writer.text(topic, false);
    writer.int32(partitions.length);
    for (const partition of partitions) writer.int32(partition);
  }
  writer.int32(-1);
  return writer.finishFlat();
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof LogFault) return undefined;
    throw error;
  }
}

function topicNames(reader: Reader): string[] {
  const count = reader.elements(reader.int32Length(), STRING_BYTES_MIN);
  return Array.from({ length: count }, () => reader.text(reader.int16Length()));
}

function topicPartitions(reader: Reader): NamedPartitions[] {
  const count = reader.elements(reader.int32Length(), TOPIC_BYTES_MIN);
  return Array.from({ length: count }, () => {
    const topic = reader.text(reader.int16Length());
    const length = reader.elements(reader.int32Length(), INT32_BYTES);
    return { topic, partitions: Array.from({ length }, () => reader.int32()) };
  });
}

/** Passes over the user data and tells how many bytes it has. */
function userData(reader: Reader): number {
  const length = Math.max(0, reader.int32Length());
  reader.view(length);
  return length;
}

function nullableText(reader: Reader): string | null {
  const length = reader.int16Length();
  return length < 0 ? null : reader.text(length);
}
