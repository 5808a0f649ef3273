// DeleteTopics (API key 20). Deletes topics by name, in `topicNames`, and from version 6 on also by id, in `topics`
// (KIP-516).

import { api } from '../api.ts';
import { array, int16, int32, string, uuid } from '../schema.ts';

export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexibleFrom: 4,
  request: {
    topics: array(
      {
        name: string({ nullableFrom: 6, default: null }),
        topicId: uuid(),
      },
      { from: 6 },
    ),
    topicNames: array(string(), { to: 5, ignorable: true }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    responses: array({
      name: string({ nullableFrom: 6 }),
      topicId: uuid({ from: 6, ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ from: 5, nullableFrom: 5, default: null, ignorable: true }),
    }),
  },
});
