// ApiVersions (API key 18), versions 0 to 4.
//
// Behaviour: lists the handlers that exist. A version that is not served is answered in version 0 with error 35 and
// the range of ApiVersions itself, so that the client can ask again (KIP-511); the response header is version 0 always.
// Versions: 3 flexible, client software name and version (KIP-511), features (KIP-584).

import type { ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { apiVersions } from '../../protocol/messages/18-api-versions.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices, ServedApi } from '../services.ts';

type Response = ResponseInput<typeof apiVersions>;

const SOFTWARE_VERSION = 3;
/** What KIP-511 allows in the name and the version of a client's software. */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export const apiVersionsHandler: Handler<typeof apiVersions.request, typeof apiVersions.response> = {
  api: apiVersions,
  versions: apiVersions.versions,
  handle(services, request, call) {
    const { clientSoftwareName, clientSoftwareVersion } = request;
    const valid = SOFTWARE.test(clientSoftwareName) && SOFTWARE.test(clientSoftwareVersion);
    if (call.version >= SOFTWARE_VERSION && !valid) {
      return { errorCode: call.note(ERROR_CODES.INVALID_REQUEST), apiKeys: [] };
    }
    return { errorCode: ERROR_CODES.NONE, apiKeys: services.apis.map(range) };
  },
};

function range({ key, advertisedFrom, versionMax }: ServedApi): Response['apiKeys'][number] {
  return { apiKey: key, minVersion: advertisedFrom, maxVersion: versionMax };
}

/** The answer, in version 0, to a request in a version that is not served. */
export function unsupportedApiVersions(services: BrokerServices, call: Call): Response {
  return {
    errorCode: call.note(ERROR_CODES.UNSUPPORTED_VERSION),
    apiKeys: services.apis.filter(({ key }) => key === apiVersions.key).map(range),
  };
}
