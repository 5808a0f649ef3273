import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeGateway } from '../net/json-fixture.ts';
import { startMemoryBroker } from '../net/memory-broker.ts';
import { corpusMessages, corpusRequests } from './corpus.ts';
import { attackSession } from './json-target.ts';
import { RequestTarget } from './request-target.ts';

describe('the corpus of requests', () => {
  let target: RequestTarget;

  beforeAll(async () => {
    target = await RequestTarget.start();
  });

  afterAll(async () => {
    await target.close();
  });

  for (const { name, frame } of corpusRequests()) {
    it(`is survived: ${name}`, async () => {
      await target.attack([frame]);
    });
  }
});

describe('the corpus of json messages', () => {
  it('is answered message by message', async () => {
    const running = await startMemoryBroker();
    const gateway = makeGateway(running);
    const messages = corpusMessages();
    const answered = await attackSession(gateway, [
      '{"op":"create-topic","topic":"alpha"}',
      ...messages.map(({ text }) => text),
    ]);
    expect(answered).toBe(messages.length + 1);
    gateway.close();
    await running.close();
  });
});
