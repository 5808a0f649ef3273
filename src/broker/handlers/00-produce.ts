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

import { LogFault } from '../../core/fault.ts';
import type { AppendReply } from '../../partition/commands.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES, errorOf } from '../../protocol/errors.ts';
import { produce } from '../../protocol/messages/00-produce.ts';
import type { Call, Handler } from '../handler.ts';
import { errorOfReply } from '../outcome-errors.ts';
import type { RoutedPartition, RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { isInternalTopic } from '../topic-names.ts';
import { Enlistment, enlist, hasTransactionalRecords } from '../transactions/transactional-produce.ts';
import { holdsZstd, ZSTD_PRODUCE_VERSION } from '../zstd-versions.ts';

type Request = RequestOf<typeof produce>;
type Response = ResponseInput<typeof produce>;
type TopicData = Request['topicData'][number];
type PartitionData = TopicData['partitionData'][number];
type PartitionResponse = Response['responses'][number]['partitionResponses'][number];

const ACKS_NONE = 0;
const ACKS_LEADER = 1;
const ACKS_ALL = -1;
/** From this version on a topic is named by its id alone. */
const TOPIC_ID_VERSION = 13;

/** An append under way, and where its response belongs. */
interface PendingAppend {
  readonly partition: RoutedPartition;
  readonly responses: PartitionResponse[];
  readonly at: number;
  readonly reply: Promise<AppendReply>;
}

export const produceHandler: Handler<typeof produce.request, typeof produce.response> = {
  api: produce,
  versions: produce.versions,
  handle(services, request, call) {
    const { version } = call;
    if (!hasTransactionalRecords(request)) {
      return serve(services, { request, call, enlistment: new Enlistment(services, request, { version }) });
    }
    return new Promise((resolve, reject) => {
      const topicOf = (data: TopicData): RoutedTopic | undefined => route(services, data, version);
      enlist(services, { request, version, topicOf }, (enlistment) => {
        serve(services, { request, call, enlistment }).then(resolve, reject);
      });
    });
  },
};

interface Subject {
  readonly request: Request;
  readonly call: Call;
  readonly enlistment: Enlistment;
}

/** Every append is under way when this returns; the promise is that of the answer. */
async function serve(services: BrokerServices, subject: Subject): Promise<Response | undefined> {
  const { request, call } = subject;
  const pending: PendingAppend[] = [];
  const response = append(services, subject, pending);
  // Awaiting one after the other keeps the frame until the last is done.
  for (const { partition, responses, at, reply } of pending) {
    responses[at] = answer(services, call, { partition, reply: await reply });
  }
  if (request.acks !== ACKS_NONE) return response;
  if (call.errorCode === 0) return undefined;
  throw new LogFault('ERR_BROKER', `produce with acks=0 failed with ${errorOf(call.errorCode).name}`);
}

function route({ router }: BrokerServices, { topicId, name }: TopicData, version: number): RoutedTopic | undefined {
  return version >= TOPIC_ID_VERSION ? router.topicById(topicId) : router.topic(name);
}

function append(services: BrokerServices, { request, call, enlistment }: Subject, pending: PendingAppend[]): Response {
  const { acks } = request;
  const durable = acks === ACKS_ALL && services.config.settings.flushesForAcksAll;
  const responses: Response['responses'][number][] = [];
  for (const topicData of request.topicData) {
    const topic = route(services, topicData, call.version);
    const partitionResponses: PartitionResponse[] = [];
    for (const data of topicData.partitionData) {
      const partition = topic?.partitions[data.index];
      const error = refusal(topic, { partition, data, acks, version: call.version, enlistment });
      if (error !== ERROR_CODES.NONE || partition === undefined || data.records === null) {
        partitionResponses.push(refused(data.index, call.note(error), partition));
        continue;
      }
      const at = partitionResponses.length;
      const reply = services.executor.append(partition.handle, data.records, durable);
      partitionResponses.push(NOT_ANSWERED);
      pending.push({ partition, responses: partitionResponses, at, reply });
    }
    responses.push({ name: topicData.name, topicId: topicData.topicId, partitionResponses });
  }
  return { responses };
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
  return { index, errorCode, baseOffset: -1, errorMessage: partition?.fault?.message ?? null };
}

function answer(
  services: BrokerServices,
  call: Call,
  { partition, reply }: { readonly partition: RoutedPartition; readonly reply: AppendReply },
): PartitionResponse {
  const logStartOffset = (reply.state ?? partition.state)?.logStartOffset ?? -1;
  if (reply.outcome === 'ok') {
    const { baseOffset, logAppendTimeMs } = reply;
    return { index: partition.index, errorCode: 0, baseOffset, logAppendTimeMs, logStartOffset };
  }
  return {
    index: partition.index,
    errorCode: call.note(errorOfReply(services, partition, reply.outcome)),
    baseOffset: -1,
    logStartOffset,
    errorMessage: reply.fault?.message ?? null,
  };
}
