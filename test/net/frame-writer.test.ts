import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { FrameWriter, Staging } from '../../src/platform/node/frame-writer.ts';

/** A socket whose writes wait until the test lets them through. */
function heldSocket() {
  const waiting: (() => void)[] = [];
  const socket = new Duplex({
    read: () => undefined,
    writev: (_chunks, done) => waiting.push(done),
    write: (_chunk, _encoding, done) => waiting.push(done),
  });
  const writer = new FrameWriter({
    socket,
    staging: new Staging(),
    onWritten: () => undefined,
    onFinished: () => undefined,
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    writer,
    turn,
    letThrough: async () => {
      waiting.shift()?.();
      await turn();
    },
  };
}

describe('memory of what is sent', () => {
  it('is released once the frames before it and it have been written, in order', async () => {
    const { writer, turn, letThrough } = heldSocket();
    const released: string[] = [];
    writer.enqueue(4, [new Uint8Array(900_000)], 900_000);
    writer.releaseAfter(() => released.push('first'));
    await turn();
    writer.enqueue(4, [new Uint8Array(900_000)], 900_000);
    writer.releaseAfter(() => released.push('second'));
    expect(released).toEqual([]);
    await letThrough();
    expect(released).toEqual(['first']);
    await letThrough();
    expect(released).toEqual(['first', 'second']);
  });

  it('is released after the last fragment of a frame that was begun', async () => {
    const { writer, turn, letThrough } = heldSocket();
    let isReleased = false;
    writer.enqueue(4, [new Uint8Array(100)], 100);
    await turn();
    writer.releaseAfter(() => {
      isReleased = true;
    });
    expect(isReleased).toBe(false);
    await letThrough();
    expect(isReleased).toBe(true);
  });

  it('is released when the socket has ended before', async () => {
    const { writer, turn, letThrough } = heldSocket();
    const released: string[] = [];
    writer.enqueue(4, [new Uint8Array(900_000)], 900_000);
    writer.releaseAfter(() => released.push('writing'));
    await turn();
    writer.enqueue(4, [new Uint8Array(900_000)], 900_000);
    writer.releaseAfter(() => released.push('queued'));
    writer.discard();
    expect(released).toEqual(['queued']);
    await letThrough();
    expect(released).toEqual(['queued', 'writing']);
  });

  it('is released at once when nothing is left to be written', () => {
    const { writer } = heldSocket();
    let isReleased = false;
    writer.releaseAfter(() => {
      isReleased = true;
    });
    expect(isReleased).toBe(true);
  });
});
