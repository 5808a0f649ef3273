// Every API that the broker serves. ApiVersions tells clients exactly this.

import { type Route, route } from '../dispatch.ts';
import { produceHandler } from './00-produce.ts';
import { fetchHandler } from './01-fetch.ts';
import { listOffsetsHandler } from './02-list-offsets.ts';
import { metadataHandler } from './03-metadata.ts';
import { apiVersionsHandler } from './18-api-versions.ts';
import { createTopicsHandler } from './19-create-topics.ts';
import { deleteTopicsHandler } from './20-delete-topics.ts';
import { deleteRecordsHandler } from './21-delete-records.ts';
import { initProducerIdHandler } from './22-init-producer-id.ts';
import { offsetForLeaderEpochHandler } from './23-offset-for-leader-epoch.ts';
import { addPartitionsToTxnHandler } from './24-add-partitions-to-txn.ts';
import { endTxnHandler } from './26-end-txn.ts';
import { writeTxnMarkersHandler } from './27-write-txn-markers.ts';
import { describeConfigsHandler } from './32-describe-configs.ts';
import { describeLogDirsHandler } from './35-describe-log-dirs.ts';
import { createPartitionsHandler } from './37-create-partitions.ts';
import { incrementalAlterConfigsHandler } from './44-incremental-alter-configs.ts';
import { describeClusterHandler } from './60-describe-cluster.ts';
import { describeProducersHandler } from './61-describe-producers.ts';
import { describeTransactionsHandler } from './65-describe-transactions.ts';
import { listTransactionsHandler } from './66-list-transactions.ts';

export const ROUTES: readonly Route[] = [
  route(produceHandler),
  route(fetchHandler),
  route(listOffsetsHandler),
  route(metadataHandler),
  route(apiVersionsHandler),
  route(createTopicsHandler),
  route(deleteTopicsHandler),
  route(deleteRecordsHandler),
  route(initProducerIdHandler),
  route(offsetForLeaderEpochHandler),
  route(addPartitionsToTxnHandler),
  route(endTxnHandler),
  route(writeTxnMarkersHandler),
  route(describeConfigsHandler),
  route(describeLogDirsHandler),
  route(createPartitionsHandler),
  route(incrementalAlterConfigsHandler),
  route(describeClusterHandler),
  route(describeProducersHandler),
  route(describeTransactionsHandler),
  route(listTransactionsHandler),
];
