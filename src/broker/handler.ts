// The shape of a handler: one Kafka API, the versions served, and what happens with a request. Headers, codecs and
// correlation are done around it.

import type { Api } from '../protocol/api.ts';
import type { FastCodec } from '../protocol/fast-codec.ts';
import type { Decoded, Encodable, Fields } from '../protocol/schema.ts';
import type { GroupClient } from './groups/group-context.ts';
import type { Pending } from './pending.ts';
import type { ConnectionContext } from './request-handler.ts';
import type { BrokerServices } from './services.ts';

/** One request under way. */
export class Call {
  readonly version: number;
  readonly clientId: string | null;
  readonly connection: ConnectionContext;
  /** The first error code that the response carries; 0 for none. For the observer. */
  errorCode = 0;
  /** To be called once the response has been sent, or will not be. */
  release: (() => void) | undefined;

  constructor(version: number, clientId: string | null, connection: ConnectionContext) {
    this.version = version;
    this.clientId = clientId;
    this.connection = connection;
  }

  /** Remembers the first error, and returns the code. */
  note(errorCode: number): number {
    if (this.errorCode === 0) this.errorCode = errorCode;
    return errorCode;
  }
}

/** The client as groups keep it. */
export function groupClient({ clientId, connection }: Call): GroupClient {
  return { clientId: clientId ?? '', clientHost: `/${connection.clientHost}` };
}

export interface Handler<Request extends Fields, Response extends Fields> {
  readonly api: Api<Request, Response>;
  /** First and last version served, both inside the API's own. */
  readonly versions: readonly [number, number];
  /** For the requests that come most. */
  readonly fast?: FastCodec<Request, Response>;
  /** Answers the request, with undefined where the protocol has no answer or nobody waits for it. */
  handle(
    services: BrokerServices,
    request: Decoded<Request>,
    call: Call,
  ):
    | Encodable<Response>
    | undefined
    | Promise<Encodable<Response> | undefined>
    | Pending<Encodable<Response> | undefined>;
}
