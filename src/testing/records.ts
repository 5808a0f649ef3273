// Records as a test waits for them: those that are there, those that come, and words for what did not come.

import type { Client } from '../client/client.ts';
import type { Isolation } from '../client/isolation.ts';
import type { ConsumedRecord } from '../client/record.ts';
import { LogFault } from '../core/fault.ts';

export interface WaitForRecordsOptions {
  /** How many. Default 1. */
  readonly count?: number | undefined;
  /** Which records count; by default all. */
  readonly where?: ((record: ConsumedRecord) => boolean) | undefined;
  /** How long to wait, in real milliseconds. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** `read_committed` waits for transactions to end. Default `read_uncommitted`. */
  readonly isolation?: Isolation | undefined;
}

/** Records that are shown where not enough came. */
const SHOWN_MAX = 10;
const SHOWN_CHARACTERS_MAX = 80;

/** Everything of a topic as it is now, by partition and offset. */
export async function recordsOf(client: Client, topic: string, isolation?: Isolation): Promise<ConsumedRecord[]> {
  const consumer = client.consumer(isolation === undefined ? {} : { isolation });
  try {
    await consumer.assign([{ topic, from: 'beginning' }]);
    const records: ConsumedRecord[] = [];
    for await (const record of consumer.records({ untilEnd: true })) records.push(record);
    return records.sort((one, other) => one.partition - other.partition || one.offset - other.offset);
  } finally {
    await consumer.close();
  }
}

export interface RecordWait extends WaitForRecordsOptions {
  readonly client: Client;
  readonly topic: string;
  /** Resolves when the wait is over. */
  readonly deadline: Promise<unknown>;
}

/**
 * The first records that count, in the order in which they came, as soon as there are so many. Resolves with all seen
 * so far where there are fewer at the deadline.
 */
export async function collect(
  wait: RecordWait,
): Promise<{ readonly matched: ConsumedRecord[]; readonly seen: ConsumedRecord[] }> {
  const { client, topic, count = 1, where = () => true, isolation, deadline } = wait;
  const consumer = client.consumer(isolation === undefined ? {} : { isolation });
  const seen: ConsumedRecord[] = [];
  const matched: ConsumedRecord[] = [];
  const reading = async (): Promise<void> => {
    await consumer.assign([{ topic, from: 'beginning' }]);
    for await (const record of consumer) {
      seen.push(record);
      if (where(record)) matched.push(record);
      if (matched.length >= count) return;
    }
  };
  try {
    if (count > 0) {
      const read = reading();
      // What it ends with after the deadline is nobody's business.
      read.catch(() => undefined);
      await Promise.race([read, deadline]);
    }
    return { matched, seen };
  } finally {
    await consumer.close();
  }
}

/** The fault of a wait whose records did not come: what was waited for, and what is there instead. */
export function missing(
  { topic, count = 1, timeoutMs }: WaitForRecordsOptions & { readonly topic: string },
  { matched, seen }: { readonly matched: readonly ConsumedRecord[]; readonly seen: readonly ConsumedRecord[] },
): LogFault {
  const which = matched.length === seen.length ? '' : ` that count, of ${seen.length} there are`;
  const shown = seen.slice(-SHOWN_MAX).map(line);
  const left = seen.length > SHOWN_MAX ? `the last ${SHOWN_MAX}:` : 'these:';
  const list = seen.length === 0 ? 'The topic is empty.' : `The topic has ${left}\n${shown.join('\n')}`;
  const waited = `waited ${timeoutMs} ms for ${count} ${count === 1 ? 'record' : 'records'} in "${topic}"`;
  return new LogFault('ERR_TIMEOUT', `${waited} and got ${matched.length}${which}. ${list}`);
}

function line(record: ConsumedRecord): string {
  const key = record.key === null ? '' : ` key ${quoted(record.keyText())}`;
  return `  ${record.partition}:${record.offset}${key} ${record.value === null ? 'tombstone' : quoted(record.text())}`;
}

function quoted(text: string): string {
  const cut = text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
  return JSON.stringify(cut);
}
