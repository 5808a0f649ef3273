// The answers of a broker that refuses: to a produce request for some of its topics, to commits as a whole. What is not
// refused goes on to the broker, and both become one answer.

import type { ResponseFrame } from '../broker/request-handler.ts';
import { bytesOnly } from '../core/file-range.ts';
import type { AnyApi } from '../protocol/api.ts';
import {
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  type RequestHeader,
  readRequestHeader,
} from '../protocol/headers.ts';
import { produce } from '../protocol/messages/00-produce.ts';
import { offsetCommit } from '../protocol/messages/08-offset-commit.ts';
import { endTxn } from '../protocol/messages/26-end-txn.ts';
import { txnOffsetCommit } from '../protocol/messages/28-txn-offset-commit.ts';
import { Reader } from '../protocol/reader.ts';
import { flatten } from '../protocol/writer.ts';

/** Passes a request on to the broker. */
export type Forward = (frame: Uint8Array) => Promise<ResponseFrame | undefined>;

/** What a refusal makes of a request. Undefined: it is none of its business. */
export type Refusal = (frame: Uint8Array, forward: Forward) => (() => Promise<ResponseFrame | undefined>) | undefined;

const NO_OFFSET = -1;

function open(api: AnyApi, frame: Uint8Array): { readonly header: RequestHeader; readonly reader: Reader } {
  const reader = new Reader(frame);
  return { header: readRequestHeader(reader, () => api), reader };
}

function framed(chunks: Uint8Array[]): ResponseFrame {
  return { chunks, byteLength: chunks.reduce((sum, { byteLength }) => sum + byteLength, 0) };
}

export interface ProduceRefusal {
  readonly errorCode: number;
  /** Whether a topic, by name or by id (as Kafka prints it), is refused. */
  readonly isRefused: (topic: { readonly name: string; readonly topicId: string }) => boolean;
}

export function refuseProduce({ errorCode, isRefused }: ProduceRefusal): Refusal {
  return (frame, forward) => {
    const { header, reader } = open(produce, frame);
    const { apiVersion: version, correlationId, clientId } = header;
    const request = produce.decodeRequest(reader, version);
    const refused = request.topicData.filter(isRefused);
    if (refused.length === 0) return undefined;
    const responses = refused.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: NO_OFFSET })),
    }));
    return async () => {
      const others = request.topicData.filter((topic) => !isRefused(topic));
      const isAnswered = request.acks !== 0;
      if (others.length === 0) {
        return isAnswered ? framed(encodeResponseFrame(produce, { responses }, { version, correlationId })) : undefined;
      }
      const rest = { ...request, topicData: others };
      const answer = await forward(flatten(encodeRequestFrame(produce, rest, { version, correlationId, clientId })));
      if (answer === undefined) return undefined;
      const { body } = decodeResponseFrame(produce, version, flatten(bytesOnly(answer.chunks)));
      const merged = { ...body, responses: [...body.responses, ...responses] };
      return framed(encodeResponseFrame(produce, merged, { version, correlationId }));
    };
  };
}

export interface CommitRefusal {
  readonly errorCode: number;
  /** Absent, of every group. */
  readonly groupId?: string | undefined;
}

/** Commits by consumers and within transactions. */
export function refuseCommit({ errorCode, groupId }: CommitRefusal): Refusal {
  const isRefused = (group: string): boolean => groupId === undefined || groupId === group;
  return (frame) => {
    const isPlain = apiKeyOf(frame) === offsetCommit.key;
    const { header, reader } = open(isPlain ? offsetCommit : txnOffsetCommit, frame);
    const { apiVersion: version, correlationId } = header;
    if (isPlain) {
      const request = offsetCommit.decodeRequest(reader, version);
      if (!isRefused(request.groupId)) return undefined;
      const topics = request.topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      }));
      return async () => framed(encodeResponseFrame(offsetCommit, { topics }, { version, correlationId }));
    }
    const request = txnOffsetCommit.decodeRequest(reader, version);
    if (!isRefused(request.groupId)) return undefined;
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    }));
    return async () => framed(encodeResponseFrame(txnOffsetCommit, { topics }, { version, correlationId }));
  };
}

export interface TransactionEndRefusal {
  readonly errorCode: number;
  /** Absent, of every producer. */
  readonly transactionalId?: string | undefined;
}

/** The end of a transaction, be it commit or abort. */
export function refuseTransactionEnd({ errorCode, transactionalId }: TransactionEndRefusal): Refusal {
  return (frame) => {
    const { header, reader } = open(endTxn, frame);
    const { apiVersion: version, correlationId } = header;
    const request = endTxn.decodeRequest(reader, version);
    if (transactionalId !== undefined && transactionalId !== request.transactionalId) return undefined;
    return async () => framed(encodeResponseFrame(endTxn, { errorCode }, { version, correlationId }));
  };
}

/** The first two bytes of a request. */
export function apiKeyOf(frame: Uint8Array): number {
  return ((frame[0] ?? 0) << 8) | (frame[1] ?? 0);
}
