// DescribeLogDirs (API key 35), versions 1 to 5.
//
// Behaviour: the one data directory, with the size of every partition asked for (null: all); unknown ones are left out.
// Versions: 2 flexible; 3 error code; 4 bytes of the disk (KIP-827); 5 cordoned (KIP-1066).

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeLogDirs } from '../../protocol/messages/35-describe-log-dirs.ts';
import type { Handler } from '../handler.ts';
import type { RoutedPartition, RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';

type Request = RequestOf<typeof describeLogDirs>;
type Topic = ResponseInput<typeof describeLogDirs>['results'][number]['topics'][number];

export const describeLogDirsHandler: Handler<typeof describeLogDirs.request, typeof describeLogDirs.response> = {
  api: describeLogDirs,
  versions: describeLogDirs.versions,
  handle(services, request) {
    const space = services.directory.space();
    return {
      results: [
        {
          errorCode: ERROR_CODES.NONE,
          logDir: services.directory.path,
          topics: request.topics === null ? allTopics(services) : namedTopics(services, request.topics),
          totalBytes: space?.totalBytes ?? -1,
          usableBytes: space?.usableBytes ?? -1,
        },
      ],
    };
  },
};

function allTopics({ router }: BrokerServices): Topic[] {
  return Array.from(router.topics(), ({ name, partitions }) => ({ name, partitions: sizes(partitions) }));
}

function namedTopics({ router }: BrokerServices, wishes: NonNullable<Request['topics']>): Topic[] {
  const wanted = new Map<RoutedTopic, Set<number>>();
  for (const { topic: name, partitions } of wishes) {
    const topic = router.topic(name);
    if (topic === undefined) continue;
    const indexes = wanted.get(topic) ?? new Set();
    wanted.set(topic, indexes);
    for (const index of partitions) indexes.add(index);
  }
  return Array.from(wanted, ([topic, indexes]) => ({
    name: topic.name,
    partitions: sizes(topic.partitions.filter(({ index }) => indexes.has(index))),
  }));
}

function sizes(partitions: readonly RoutedPartition[]): Topic['partitions'] {
  return partitions.map(({ index, state }) => ({
    partitionIndex: index,
    partitionSize: state?.sizeBytes ?? 0,
    offsetLag: 0,
    isFutureKey: false,
  }));
}
