import { Duplex } from 'node:stream';
import { describe, expect, it, test } from 'vitest';
import { FrameWriter, Staging } from '../../src/platform/node/frame-writer.ts';
import type { WriteNow } from '../../src/platform/node/socket-writes.ts';
import { WriteTurn } from '../../src/platform/node/write-turn.ts';

/** A socket whose writes wait until the test lets them through. */
function heldSocket(writeNow?: WriteNow) {
  const waiting: (() => void)[] = [];
  const received: Buffer[] = [];
  const socket = new Duplex({
    read: () => undefined,
    writev: (chunks, done) => {
      for (const { chunk } of chunks) received.push(Buffer.from(chunk));
      waiting.push(done);
    },
    write: (chunk, _encoding, done) => {
      received.push(Buffer.from(chunk));
      waiting.push(done);
    },
  });
  const events: string[] = [];
  const writer = new FrameWriter({
    socket,
    staging: new Staging(),
    turn: new WriteTurn(),
    writeNow,
    onWritten: () => events.push('written'),
    onFinished: () => events.push('finished'),
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    writer,
    turn,
    received,
    events,
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

/** A frame of text with nothing before it. */
function send(writer: FrameWriter, text: string): void {
  const bytes = Buffer.from(text);
  writer.enqueue(0, [bytes], bytes.byteLength);
}

/** An operating system that takes so many bytes of each write, one number after the other, and then none. */
function taking(...amounts: number[]) {
  const taken: string[] = [];
  const writeNow: WriteNow = (block, start, bytes) => {
    const amount = Math.min(bytes, amounts.shift() ?? 0);
    taken.push(Buffer.from(block.subarray(start, start + amount)).toString());
    return amount;
  };
  return { taken, writeNow };
}

describe('frames that the operating system takes at once', () => {
  it('leave past the socket, those of a tick together, and are written before the next ones', async () => {
    const { taken, writeNow } = taking(100, 100);
    const { writer, turn, received, events } = heldSocket(writeNow);
    send(writer, 'one ');
    send(writer, 'two ');
    writer.releaseAfter(() => events.push('released'));
    expect(writer.bufferedBytes).toBe(8);
    await turn();
    expect(events).toEqual(['released', 'written']);
    send(writer, 'three');
    writer.finish();
    expect(taken).toEqual(['one two ', 'three']);
    expect(received).toEqual([]);
    expect({ sent: writer.sentBytes, buffered: writer.bufferedBytes }).toEqual({ sent: 13, buffered: 0 });
    expect(events.slice(2)).toEqual(['finished', 'written']);
  });

  it('and what it does not take goes through the socket, with everything behind it', async () => {
    const { taken, writeNow } = taking(4, 0, 100);
    const { writer, turn, received, events, letThrough } = heldSocket(writeNow);
    send(writer, 'one two');
    await turn();
    expect(events).toEqual([]);
    send(writer, 'three');
    await turn();
    expect(received.map(String)).toEqual(['two']);
    expect(writer.bufferedBytes).toBe(12);
    await letThrough();
    await letThrough();
    send(writer, 'four');
    await turn();
    expect(taken).toEqual(['one ', '', 'four']);
    expect(received.map(String)).toEqual(['two', 'three']);
    expect({ sent: writer.sentBytes, buffered: writer.bufferedBytes }).toEqual({ sent: 16, buffered: 0 });
  });

  it('are small: large ones are given to the socket as they are', async () => {
    const { taken, writeNow } = taking(1_000_000);
    const { writer, turn, received } = heldSocket(writeNow);
    writer.enqueue(4, [new Uint8Array(5000)], 5000);
    await turn();
    expect(taken).toEqual([]);
    expect(received.map((chunk) => chunk.byteLength)).toEqual([4, 5000]);
  });
});

test('what connections have to write at the end of a tick leaves in their order, and what comes meanwhile next', async () => {
  const turn = new WriteTurn();
  const order: string[] = [];
  turn.add(() => {
    order.push('first');
    turn.add(() => order.push('third'));
  });
  turn.add(() => order.push('second'));
  expect(order).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(['first', 'second', 'third']);
});
