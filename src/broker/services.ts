// What a handler works with. The broker makes it once; handlers keep nothing of their own.

import type { MetadataStore } from '../cluster/metadata-store.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock, Random } from '../core/platform.ts';
import type { RecordBatchCodec } from '../core/record-batch-codec.ts';
import type { PartitionExecutor } from '../partition/commands.ts';
import type { BrokerConfig } from './config/broker-config.ts';
import type { FetchSessions } from './fetch-sessions.ts';
import type { FetchWaits } from './fetch-waits.ts';
import type { Groups } from './groups/groups.ts';
import type { PartitionCheckpoints } from './partition-checkpoints.ts';
import type { ConnectionContext } from './request-handler.ts';
import type { Router } from './router.ts';
import type { TopicLifecycle } from './topic-lifecycle.ts';
import type { TransactionalOffsets } from './transactions/transactional-offsets.ts';
import type { Transactions } from './transactions/transactions.ts';

/** Where clients are told to connect. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface BrokerServices {
  readonly executor: PartitionExecutor;
  readonly metadata: MetadataStore;
  readonly directory: PartitionCheckpoints;
  readonly router: Router;
  readonly topics: TopicLifecycle;
  readonly fetchSessions: FetchSessions;
  readonly fetchWaits: FetchWaits;
  readonly groups: Groups;
  readonly transactions: Transactions;
  readonly transactionalOffsets: TransactionalOffsets;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Makes and reads the batches of logs that the broker itself keeps. */
  readonly recordBatches: RecordBatchCodec;
  /** As it stands now: dynamic changes replace it. */
  readonly config: BrokerConfig;
  advertised(connection: ConnectionContext): Endpoint;
  /** Records every partition's recovery point and log start offset; durable when it resolves. */
  checkpoint(): Promise<void>;
  /** Every API served, for ApiVersions. */
  readonly apis: readonly ServedApi[];
}

export interface ServedApi {
  readonly key: number;
  readonly name: string;
  readonly versionMin: number;
  /** First version to tell clients of. */
  readonly advertisedFrom: number;
  readonly versionMax: number;
}
