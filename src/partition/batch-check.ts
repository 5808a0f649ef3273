// Turns what the kernels say of a record batch into the outcome that its producer is told.

import {
  STATUS_ATTRIBUTES,
  STATUS_COUNT,
  STATUS_CRC,
  STATUS_FIELD_RANGE,
  STATUS_LENGTH,
  STATUS_MAGIC,
  STATUS_OFFSET_DELTA,
  STATUS_RECORD,
  STATUS_TRAILING_BYTES,
  STATUS_TRUNCATED,
} from '../../assembly/shared/status.ts';
import type { LogConfig } from '../storage/log-config.ts';
import type { BatchSummary } from '../wasm/kernels.ts';
import type { AppendOrigin, PartitionOutcome } from './commands.ts';

/** What speaks against a batch. */
export interface Refusal {
  readonly outcome: PartitionOutcome;
  readonly message: string;
}

/** One refusal for every status but `ok`; the codes are assembly/shared/status.ts. */
const REFUSALS: ReadonlyMap<number, Refusal> = new Map<number, Refusal>([
  [STATUS_TRUNCATED, corrupt('the batch is shorter than its length field promises')],
  [STATUS_LENGTH, corrupt('the batch length is smaller than a batch header')],
  [STATUS_MAGIC, invalid('the magic is not 2: only record batches of message format v2 are taken')],
  [STATUS_CRC, corrupt('the CRC does not match the batch')],
  [STATUS_ATTRIBUTES, { outcome: 'unsupported-compression', message: 'the attributes name an unknown codec or bit' }],
  [STATUS_COUNT, invalid('the record count is not positive, or more than the batch can hold')],
  [STATUS_OFFSET_DELTA, invalid('the last offset delta is not the record count less one')],
  [STATUS_FIELD_RANGE, invalid('a 64-bit field lies outside of the range -2^53 to 2^53')],
  [STATUS_RECORD, invalid('a record leads outside of its bounds, or its offset delta is out of order')],
  [STATUS_TRAILING_BYTES, invalid('bytes are left over behind the last record')],
]);

const UNKNOWN = corrupt('the batch does not pass its check');

function corrupt(message: string): Refusal {
  return { outcome: 'corrupt-message', message };
}

function invalid(message: string): Refusal {
  return { outcome: 'invalid-record', message };
}

/** The refusal that belongs to a kernel's status other than ok. */
export function statusRefusal(status: number): Refusal {
  return REFUSALS.get(status) ?? UNKNOWN;
}

/** Checks, beyond the batch's own consistency, what may be said of a producer at all. */
export function producerRefusal(summary: BatchSummary, origin: AppendOrigin): Refusal | undefined {
  if (summary.isControl) return invalid('a producer may not write control batches');
  if (summary.producerId < 0) {
    return summary.isTransactional ? invalid('a transactional batch needs a producer id') : undefined;
  }
  if (summary.producerEpoch < 0) return invalid('a batch with a producer id needs a producer epoch');
  const isOrdered = summary.baseSequence >= 0 || origin === 'coordinator';
  return isOrdered ? undefined : invalid('a batch with a producer id needs a sequence');
}

/** Checks the batch's times against what this partition takes. */
export function timeRefusal(summary: BatchSummary, config: LogConfig, nowMs: number): Refusal | undefined {
  if (config.stampsLogAppendTime) return undefined;
  if (summary.hasLogAppendTime) return invalid('a producer may not set the timestamp type LogAppendTime');
  return timestampRefusal(summary, config, nowMs);
}

/** Bounds on create times: message.timestamp.before.max.ms and message.timestamp.after.max.ms (KIP-937). */
function timestampRefusal(summary: BatchSummary, config: LogConfig, nowMs: number): Refusal | undefined {
  const { baseTimestamp, recordsMaxTimestamp: maxTimestamp } = summary;
  const late = maxTimestamp > nowMs + config.timestampAfterMaxMs;
  const early = baseTimestamp >= 0 && baseTimestamp < nowMs - config.timestampBeforeMaxMs;
  if (!late && !early) return undefined;
  const [timestamp, key] = late
    ? [maxTimestamp, 'message.timestamp.after.max.ms']
    : [baseTimestamp, 'message.timestamp.before.max.ms'];
  return {
    outcome: 'invalid-timestamp',
    message: `timestamp ${timestamp} is farther from the broker's time ${nowMs} than ${key} allows`,
  };
}
