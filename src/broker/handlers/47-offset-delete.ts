// OffsetDelete (API key 47), version 0.
//
// Behaviour: deletes committed offsets of topics that the group does not consume; those that it does are refused one by
// one. A group with members whose topics cannot be told is refused as a whole (KIP-496).

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { offsetDelete } from '../../protocol/messages/47-offset-delete.ts';
import type { Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';

type Request = RequestOf<typeof offsetDelete>;
type Topics = ResponseInput<typeof offsetDelete>['topics'];

interface Wish {
  readonly topic: string;
  readonly partition: number;
}

export const offsetDeleteHandler: Handler<typeof offsetDelete.request, typeof offsetDelete.response> = {
  api: offsetDelete,
  versions: offsetDelete.versions,
  async handle(services, request, call) {
    const wishes = request.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex })),
    );
    const known = wishes.filter((wish) => isKnown(services, wish));
    const result = await services.groups.offsets.delete(request.groupId, known);
    if (typeof result === 'number') return { errorCode: call.note(result), topics: [] };
    const codes = new Map(known.map((wish, index) => [wish, result[index] ?? ERROR_CODES.NONE]));
    const codeOf = (index: number): number => {
      const wish = wishes[index];
      return (wish && codes.get(wish)) ?? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
    };
    return { errorCode: ERROR_CODES.NONE, topics: answers(request, (index) => call.note(codeOf(index))) };
  },
};

function isKnown({ router }: BrokerServices, { topic, partition }: Wish): boolean {
  return router.topic(topic)?.partitions[partition] !== undefined;
}

/** The request's own shape, each partition with its code, counted through all topics. */
function answers(request: Request, codeOf: (index: number) => number): Topics {
  let next = 0;
  return request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: codeOf(next++) })),
  }));
}
