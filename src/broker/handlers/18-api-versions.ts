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
/** The first version in which a feature's lowest version may be 0: older clients take that for malformed (KAFKA-17011). */
const ZERO_FEATURE_VERSION = 4;

/**
 * What clients look for beside versions of requests: they bump epochs at the end of every transaction only where
 * `transaction.version` is 2 (KIP-890). All are finalized at their highest.
 */
const FEATURES = [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }] as const;
/** Clients take features over whose epoch is above that of what they know; it never changes here. */
const FINALIZED_FEATURES_EPOCH = 0;

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
    return {
      errorCode: ERROR_CODES.NONE,
      apiKeys: services.apis.map(range),
      supportedFeatures: FEATURES.filter(({ minVersion }) => minVersion > 0 || call.version >= ZERO_FEATURE_VERSION),
      finalizedFeaturesEpoch: FINALIZED_FEATURES_EPOCH,
      finalizedFeatures: FEATURES.map(({ name, maxVersion }) => ({
        name,
        maxVersionLevel: maxVersion,
        minVersionLevel: maxVersion,
      })),
    };
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
