// ApiVersions (API key 18). Which APIs and versions the broker understands: the first request of a connection. A
// version that the broker does not know is answered with UNSUPPORTED_VERSION in the form of version 0, and the
// response header is version 0 at every version (KIP-511). Version 3 adds the client's name and the features
// (KIP-584); 4 allows features whose lowest version is 0.

import { api } from '../api.ts';
import { array, boolean, int16, int32, int64, string } from '../schema.ts';

export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 4],
  flexibleFrom: 3,
  request: {
    clientSoftwareName: string({ from: 3, ignorable: true }),
    clientSoftwareVersion: string({ from: 3, ignorable: true }),
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    }),
    throttleTimeMs: int32({ from: 1, ignorable: true }),
    supportedFeatures: array(
      {
        name: string(),
        minVersion: int16(),
        maxVersion: int16(),
      },
      { from: 3, tag: 0, ignorable: true },
    ),
    finalizedFeaturesEpoch: int64({ from: 3, default: -1, tag: 1, ignorable: true }),
    finalizedFeatures: array(
      {
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      },
      { from: 3, tag: 2, ignorable: true },
    ),
    zkMigrationReady: boolean({ from: 3, default: false, tag: 3, ignorable: true }),
  },
});
