// Produce (API key 0), versions 3 to 13; version 0 is advertised too, because librdkafka otherwise turns compression
// off (KAFKA-18659), and refused when used.
//
// Behaviour: one record batch per partition goes to the partition's owner unread. acks=1 is answered when the
// operating system has it, acks=-1 when stable storage has it (or, with millrace.acks.all.flush=false, like acks=1),
// acks=0 not at all: as in Kafka, an error then ends the connection, so that the client looks its metadata up again.
// timeoutMs bounds the wait for other replicas; with none there is nothing to wait for.
// Records of a transaction go to a partition only as long as it is part of the transaction.
// Versions: 5 log start offset (KIP-207); 7 zstd (KIP-110); 8 record errors and message (KIP-467); 9 flexible; 10 current leader
// (KIP-951); 11 TRANSACTION_ABORTABLE; 12 partitions join their transaction with the records (KIP-890); 13 topic ids
// (KIP-516).

import { present } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import type { AppendReply } from '../../partition/commands.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES, errorOf } from '../../protocol/errors.ts';
import { fastProduce } from '../../protocol/fast/00-produce.ts';
import { produce } from '../../protocol/messages/00-produce.ts';
import type { Call, Handler } from '../handler.ts';
import { errorOfReply } from '../outcome-errors.ts';
import { Pending } from '../pending.ts';
import type { RoutedPartition, RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { isInternalTopic } from '../topic-names.ts';
import { Enlistment, enlist, hasTransactionalRecords } from '../transactions/transactional-produce.ts';
import { holdsZstd, ZSTD_PRODUCE_VERSION } from '../zstd-versions.ts';

type Request = RequestOf<typeof produce>;
type Response = ResponseInput<typeof produce>;
type TopicData = Request['topicData'][number];
type PartitionData = TopicData['partitionData'][number];
type TopicResponse = Response['responses'][number];
type PartitionResponse = TopicResponse['partitionResponses'][number];

const ACKS_NONE = 0;
const ACKS_LEADER = 1;
const ACKS_ALL = -1;
/** From this version on a topic is named by its id alone. */
const TOPIC_ID_VERSION = 13;

export const produceHandler: Handler<typeof produce.request, typeof produce.response> = {
  api: produce,
  versions: produce.versions,
  fast: fastProduce,
  handle(services, request, call) {
    const { version } = call;
    const run = new ProduceRun(services, request, call);
    if (!hasTransactionalRecords(request)) {
      run.append(new Enlistment(services, request, { version }));
      return run;
    }
    const topicOf = (data: TopicData): RoutedTopic | undefined => route(services, data, version);
    enlist(services, { request, version, topicOf }, (enlistment) => run.append(enlistment));
    return run;
  },
};

/** An append under way, and where its response belongs. */
class PendingAppend {
  readonly partition: RoutedPartition;
  readonly responses: PartitionResponse[];
  readonly at: number;
  reply: AppendReply | undefined;

  constructor(partition: RoutedPartition, responses: PartitionResponse[]) {
    this.partition = partition;
    this.responses = responses;
    this.at = responses.length;
  }
}

/** One produce request under way: it is answered once the last of its appends has been, which keeps the frame until then. */
class ProduceRun extends Pending<Response | undefined> {
  readonly #services: BrokerServices;
  readonly #request: Request;
  readonly #call: Call;
  readonly #responses: TopicResponse[] = [];
  readonly #appends: PendingAppend[] = [];
  /** Appends that are not answered, and one more until all are under way. */
  #unanswered = 1;

  constructor(services: BrokerServices, request: Request, call: Call) {
    super();
    this.#services = services;
    this.#request = request;
    this.#call = call;
  }

  /** Every append is under way when this returns. */
  append(enlistment: Enlistment): void {
    const { acks, topicData } = this.#request;
    const durable = acks === ACKS_ALL && this.#services.config.settings.flushesForAcksAll;
    try {
      for (const data of topicData) this.#appendTopic(data, { durable, enlistment });
      this.#answered();
    } catch (error) {
      this.reject(error);
    }
  }

  #appendTopic(topicData: TopicData, options: { readonly durable: boolean; readonly enlistment: Enlistment }): void {
    const { version } = this.#call;
    const { acks } = this.#request;
    const topic = route(this.#services, topicData, version);
    const partitionResponses: PartitionResponse[] = [];
    for (const data of topicData.partitionData) {
      const partition = topic?.partitions[data.index];
      const error = refusal(topic, { partition, data, acks, version, enlistment: options.enlistment });
      if (error !== ERROR_CODES.NONE || partition === undefined || data.records === null) {
        partitionResponses.push(refused(data.index, this.#call.note(error), partition));
      } else {
        this.#appendPartition(new PendingAppend(partition, partitionResponses), data.records, options.durable);
      }
    }
    this.#responses.push({ name: topicData.name, topicId: topicData.topicId, partitionResponses });
  }

  #appendPartition(append: PendingAppend, records: Uint8Array, durable: boolean): void {
    append.responses.push(NOT_ANSWERED);
    this.#appends.push(append);
    this.#unanswered++;
    this.#services.executor.append(append.partition.handle, records, durable).then(
      (reply) => {
        append.reply = reply;
        this.#answered();
      },
      (error: unknown) => this.reject(error),
    );
  }

  #answered(): void {
    this.#unanswered--;
    if (this.#unanswered > 0) return;
    for (const append of this.#appends) {
      const reply = present(append.reply, 'reply');
      append.responses[append.at] = answer(this.#services, this.#call, { partition: append.partition, reply });
    }
    const { errorCode } = this.#call;
    if (this.#request.acks !== ACKS_NONE) this.fulfil({ responses: this.#responses });
    else if (errorCode === 0) this.fulfil(undefined);
    else this.reject(new LogFault('ERR_BROKER', `produce with acks=0 failed with ${errorOf(errorCode).name}`));
  }
}

function route({ router }: BrokerServices, { topicId, name }: TopicData, version: number): RoutedTopic | undefined {
  return version >= TOPIC_ID_VERSION ? router.topicById(topicId) : router.topic(name);
}

const NOT_ANSWERED: PartitionResponse = { index: 0, errorCode: ERROR_CODES.UNKNOWN_SERVER_ERROR, baseOffset: -1 };

interface Append {
  readonly partition: RoutedPartition | undefined;
  readonly data: PartitionData;
  readonly acks: number;
  readonly version: number;
  readonly enlistment: Enlistment;
}

/** What speaks against an append before its owner is asked: Kafka's error code, or 0. */
function refusal(topic: RoutedTopic | undefined, append: Append): number {
  const { partition, data, acks, version, enlistment } = append;
  if (acks !== ACKS_LEADER && acks !== ACKS_ALL && acks !== ACKS_NONE) return ERROR_CODES.INVALID_REQUIRED_ACKS;
  if (topic === undefined) {
    return version >= TOPIC_ID_VERSION ? ERROR_CODES.UNKNOWN_TOPIC_ID : ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
  }
  if (partition === undefined) return ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
  if (isInternalTopic(topic.name)) return ERROR_CODES.INVALID_TOPIC_EXCEPTION;
  if (partition.state === undefined) return partition.unavailable;
  if (data.records === null || data.records.length === 0) return ERROR_CODES.INVALID_RECORD;
  if (version < ZSTD_PRODUCE_VERSION && holdsZstd(data.records)) return ERROR_CODES.UNSUPPORTED_COMPRESSION_TYPE;
  const inSync = topic.record.partitions[data.index]?.inSyncReplicas.length ?? 0;
  if (acks === ACKS_ALL && inSync < topic.settings.minInsyncReplicas) return ERROR_CODES.NOT_ENOUGH_REPLICAS;
  return enlistment.refusal(partition, data.records);
}

function refused(index: number, errorCode: number, partition: RoutedPartition | undefined): PartitionResponse {
  const errorMessage = partition?.fault?.message ?? null;
  return { index, errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, errorMessage };
}

function answer(
  services: BrokerServices,
  call: Call,
  { partition, reply }: { readonly partition: RoutedPartition; readonly reply: AppendReply },
): PartitionResponse {
  const { index } = partition;
  const logStartOffset = (reply.state ?? partition.state)?.logStartOffset ?? -1;
  if (reply.outcome === 'ok') {
    const { baseOffset, logAppendTimeMs } = reply;
    return { index, errorCode: ERROR_CODES.NONE, baseOffset, logAppendTimeMs, logStartOffset, errorMessage: null };
  }
  const errorCode = call.note(errorOfReply(services, partition, reply.outcome));
  const errorMessage = reply.fault?.message ?? null;
  return { index, errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset, errorMessage };
}
