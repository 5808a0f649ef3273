// DescribeLogDirs (API key 35). Sizes of partitions by log directory. Version 4 adds the size of the volume (KIP-827);
// 5 tells of cordoned directories (KIP-1066).

import { api } from '../api.ts';
import { array, boolean, int16, int32, int64, string } from '../schema.ts';

export const describeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 5],
  flexibleFrom: 2,
  request: {
    topics: array(
      {
        topic: string(),
        partitions: array(int32()),
      },
      { nullableFrom: 0 },
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ from: 3, ignorable: true }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: boolean(),
        }),
      }),
      totalBytes: int64({ from: 4, default: -1, ignorable: true }),
      usableBytes: int64({ from: 4, default: -1, ignorable: true }),
      isCordoned: boolean({ from: 5, default: false, ignorable: true }),
    }),
  },
});
