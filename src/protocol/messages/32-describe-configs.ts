// DescribeConfigs (API key 32). Configs of topics (type 2) and brokers (4), with their sources. Version 3 adds type and
// documentation (KIP-569).

import { api } from '../api.ts';
import { array, boolean, int8, int16, int32, string } from '../schema.ts';

export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleFrom: 4,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullableFrom: 0 }),
    }),
    includeSynonyms: boolean({ default: false }),
    includeDocumentation: boolean({ from: 3, default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullableFrom: 0, default: null }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullableFrom: 0 }),
        readOnly: boolean(),
        configSource: int8({ default: -1 }),
        isSensitive: boolean(),
        synonyms: array(
          {
            name: string(),
            value: string({ nullableFrom: 0 }),
            source: int8(),
          },
          { default: [] },
        ),
        configType: int8({ from: 3, default: 0, ignorable: true }),
        documentation: string({ from: 3, nullableFrom: 0, ignorable: true }),
      }),
    }),
  },
});
