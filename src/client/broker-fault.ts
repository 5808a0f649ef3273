// Kafka's errors as a caller of the client meets them: a LogFault with code ERR_BROKER that knows its Kafka name.

import { LogFault } from '../core/fault.ts';
import { errorOf } from '../protocol/errors.ts';

/** A broker's refusal. `error` is Kafka's name for it, for example `UNKNOWN_TOPIC_OR_PARTITION`. */
export class BrokerFault extends LogFault {
  readonly error: string;
  readonly errorCode: number;
  /** Whether the same request may succeed later (Kafka's own classification). */
  readonly retriable: boolean;

  /**
   * `about` says what was refused, for example `produce to orders-3`; `detail` is the broker's own sentence, if any.
   * `retriable` is for where the caller knows better than the table.
   */
  constructor(errorCode: number, about: string, detail?: string | null, known?: { readonly retriable: boolean }) {
    const error = errorOf(errorCode);
    const sentence = detail === undefined || detail === null || detail === '' ? error.description : detail;
    super('ERR_BROKER', `${about}: ${error.name} (${errorCode}): ${sentence}`);
    this.error = error.name;
    this.errorCode = errorCode;
    this.retriable = known?.retriable ?? error.retriable;
  }
}

/** Whether trying again may help: retriable Kafka errors, lost connections and timeouts. */
export function isRetriable(error: unknown): boolean {
  if (error instanceof BrokerFault) return error.retriable;
  return error instanceof LogFault && (error.code === 'ERR_CONNECTION' || error.code === 'ERR_TIMEOUT');
}

/** What was thrown, as an error. One that is not a LogFault is a bug, and is passed on as it is: never retried. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
