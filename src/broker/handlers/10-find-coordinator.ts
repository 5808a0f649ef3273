// FindCoordinator (API key 10), versions 0 to 6.
//
// Behaviour: this broker coordinates every group and every transactional id; it is told under the address by which the
// client may reach it. Share groups (key type 2) are not served.
// Versions: 1 key types; 4 several keys (KIP-699); 5 abortable errors of transactions (KIP-890); 6 share groups.

import type { ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { findCoordinator } from '../../protocol/messages/10-find-coordinator.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';

type Coordinator = NonNullable<ResponseInput<typeof findCoordinator>['coordinators']>[number];

const KEY_TYPES = { group: 0, transaction: 1 } as const;
const KEYS_VERSION = 4;

export const findCoordinatorHandler: Handler<typeof findCoordinator.request, typeof findCoordinator.response> = {
  api: findCoordinator,
  versions: findCoordinator.versions,
  handle(services, request, call) {
    const { keyType } = request;
    const keys = call.version >= KEYS_VERSION ? request.coordinatorKeys : [request.key];
    const coordinators = keys.map((key) => coordinator(services, { key, keyType }, call));
    const [first] = coordinators;
    if (call.version >= KEYS_VERSION || first === undefined) return { coordinators };
    const { nodeId, host, port, errorCode, errorMessage } = first;
    return { nodeId, host, port, errorCode, errorMessage };
  },
};

function coordinator(
  services: BrokerServices,
  { key, keyType }: { readonly key: string; readonly keyType: number },
  call: Call,
): Coordinator {
  const refusal = refusalOf(key, keyType);
  if (refusal !== undefined) {
    return {
      key,
      nodeId: -1,
      host: '',
      port: -1,
      errorCode: call.note(ERROR_CODES.INVALID_REQUEST),
      errorMessage: refusal,
    };
  }
  const { host, port } = services.advertised(call.connection);
  return { key, nodeId: services.metadata.nodeId, host, port, errorCode: ERROR_CODES.NONE, errorMessage: '' };
}

function refusalOf(key: string, keyType: number): string | undefined {
  if (keyType === KEY_TYPES.transaction && key === '') return 'A transactional id cannot be empty.';
  if (keyType === KEY_TYPES.group || keyType === KEY_TYPES.transaction) return undefined;
  return `Key type ${keyType} is not served.`;
}
