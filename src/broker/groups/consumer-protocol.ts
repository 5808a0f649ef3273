// The little that the broker reads of what consumers say to each other in a classic group (protocol type `consumer`):
// the topics of a subscription. All versions begin like version 0: version, topics, user data.

import { LogFault } from '../../core/fault.ts';
import { Reader } from '../../protocol/reader.ts';

export const CONSUMER_PROTOCOL_TYPE = 'consumer';
const STRING_BYTES_MIN = 2;

/** The topics subscribed to; undefined where the bytes are no subscription. */
export function subscribedTopics(metadata: Uint8Array): string[] | undefined {
  try {
    const reader = new Reader(metadata);
    reader.int16();
    const topics: string[] = [];
    const count = reader.elements(reader.int32Length(), STRING_BYTES_MIN);
    for (let index = 0; index < count; index++) topics.push(reader.text(reader.int16Length()));
    return topics;
  } catch (error) {
    if (error instanceof LogFault) return undefined;
    throw error;
  }
}
