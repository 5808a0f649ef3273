// The one class for operating faults (disk, corruption, limits, configuration) and the table of their codes.
// The README's error table is checked against this one by a test. Protocol outcomes are not faults: they are values.

/** Every fault code with what it means and what to do about it. */
export const FAULTS = {
  ERR_CORRUPT_LOG:
    'A stored batch or file does not pass its own check. The fault names segment, offset and reason; restore the segment from a copy or delete the partition.',
  ERR_STORAGE:
    'The store refused an operation (disk full, input/output error, read-only file system). The partition is read-only until it is reopened; mend the disk and restart the broker.',
  ERR_PARTITION_READ_ONLY:
    'An earlier storage fault closed this partition for writes. The fault names the first cause; restart the broker once it is mended.',
  ERR_DATA_DIRECTORY_LOCKED: 'Another process owns the data directory. Stop it, or choose another one with --data-dir.',
  ERR_DATA_DIRECTORY_UNREADABLE:
    'The data directory, or a file that describes it, cannot be read or does not belong to this broker.',
  ERR_OFFSET_OUT_OF_RANGE: 'The offset lies outside the log: below its log start offset or above its end.',
  ERR_WORKER_LOST: 'The worker that owned the partition ended. The partition is reopened; send the request again.',
  ERR_CONFIG:
    'A configuration value is unknown, unsupported or malformed. The fault names the key and what is allowed.',
  ERR_MALFORMED_FRAME: 'Bytes from the network do not follow the protocol. The fault names the field.',
  ERR_LISTEN: 'A listener could not bind to its address.',
  ERR_CONNECTION: 'The broker could not be reached, or the connection to it ended.',
  ERR_BROKER: 'The broker answered with a Kafka error. The fault names the error code and what it was about.',
  ERR_TIMEOUT: 'No answer came within the time allowed.',
  ERR_CLOSED: 'The object was used after it had been closed.',
  ERR_UNSUPPORTED: 'The operation, version or compression codec is not supported here. The fault names it.',
  ERR_UPLINK_POSITION:
    'The remote broker has forgotten where an uplink stood (its offsets.retention.minutes), and whether the last transaction before that was committed cannot be told. Choose `unresolved: resend` or `skip`.',
  ERR_USAGE: 'The command or call was given an argument that it cannot take. The fault names the argument.',
} as const;

/** A documented, stable fault code. */
export type FaultCode = keyof typeof FAULTS;

/** Plain data for crossing threads: a cloned Error loses its class and code. */
export interface FaultRecord {
  readonly code: FaultCode;
  readonly message: string;
}

/** An operating fault: `code` is stable and documented in {@link FAULTS}, `message` says what and where. */
export class LogFault extends Error {
  override readonly name = 'LogFault';
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  toRecord(): FaultRecord {
    return { code: this.code, message: this.message };
  }

  static fromRecord(record: FaultRecord): LogFault {
    return new LogFault(record.code, record.message);
  }
}
