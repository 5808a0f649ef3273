// The fault for bytes that do not follow the protocol. It collects the path of the field on the way out of the codec.

import { LogFault } from '../core/fault.ts';

/** ERR_MALFORMED_FRAME with the path of the field: `Fetch v4 request: topics[2].partitions: length 9 exceeds ...`. */
export class FrameFault extends LogFault {
  readonly #reason: string;
  #path = '';
  #frame = '';

  constructor(reason: string) {
    super('ERR_MALFORMED_FRAME', reason);
    this.#reason = reason;
  }

  /** Puts a field name or an `[index]` in front of the path. */
  inside(segment: string): this {
    const joint = this.#path === '' || this.#path.startsWith('[') ? '' : '.';
    this.#path = `${segment}${joint}${this.#path}`;
    return this.#compose();
  }

  /** Names the frame: `Produce v9 request`. */
  of(frame: string): this {
    this.#frame = frame;
    return this.#compose();
  }

  #compose(): this {
    this.message = [this.#frame, this.#path, this.#reason].filter((part) => part !== '').join(': ');
    return this;
  }
}

/** Adds `segment` to the path of a FrameFault; any other error passes unchanged. */
export function inside(error: unknown, segment: string): unknown {
  return error instanceof FrameFault ? error.inside(segment) : error;
}
