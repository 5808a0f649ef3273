// What is answered for a command whose owner was lost before it replied.

import { unreachable } from '../core/assert.ts';
import type { FaultRecord } from '../core/fault.ts';
import type { AppendReply, PartitionCommand, PartitionReply, ReadReply } from './commands.ts';

const FAULT: FaultRecord = {
  code: 'ERR_WORKER_LOST',
  message: 'the thread that owned the partition ended before it answered; the partition is being opened again',
};

const LOST = { outcome: 'worker-lost', fault: FAULT } as const;
const NO_RECORDS = new Uint8Array(0);

/** The reply to an append whose fate is unknown: it may nevertheless have reached the log. */
export const LOST_APPEND: AppendReply = {
  ...LOST,
  baseOffset: -1,
  lastOffset: -1,
  logAppendTimeMs: -1,
  state: undefined,
};

/** The `worker-lost` reply to `command`. */
export function lostReply(command: PartitionCommand): PartitionReply {
  switch (command.kind) {
    case 'append':
    case 'write-marker':
      return LOST_APPEND;
    case 'describe-producers':
      return { ...LOST, producers: [] };
    case 'fetch': {
      const read: ReadReply = {
        ...LOST,
        records: NO_RECORDS,
        state: undefined,
        divergingEpoch: undefined,
        abortedTransactions: undefined,
      };
      return { reads: command.reads.map(() => read) };
    }
    case 'list-offset':
      return { ...LOST, offset: -1, timestamp: -1, leaderEpoch: -1 };
    case 'epoch-end':
      return { ...LOST, leaderEpoch: -1, endOffset: -1 };
    case 'maintain':
      return { finished: true, states: [], faults: [] };
    case 'open':
    case 'delete-records':
    case 'configure':
    case 'close':
    case 'remove':
      return { ...LOST, state: undefined };
    default:
      return unreachable(command);
  }
}
