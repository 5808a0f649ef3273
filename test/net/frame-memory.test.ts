import { describe, expect, it } from 'vitest';
import { FRAME_MEMORY_IDLE_BYTES_MAX } from '../../src/core/limits.ts';
import { FramePool } from '../../src/net/frame-memory.ts';
import { FrameSplitter, writeLength } from '../../src/net/kafka-tcp.ts';

function countingPool(): { readonly pool: FramePool; readonly allocated: number[] } {
  const allocated: number[] = [];
  const pool = new FramePool((bytes) => {
    allocated.push(bytes);
    return new Uint8Array(bytes);
  });
  return { pool, allocated };
}

describe('memory of frames', () => {
  it('is used again once it was given back, also by a view of it', () => {
    const { pool, allocated } = countingPool();
    const first = pool.take(100_000);
    pool.give(first.subarray(0, 10));
    expect(pool.take(70_000).buffer).toBe(first.buffer);
    expect(allocated).toEqual([131_072]);
  });

  it('is never that of two frames at a time', () => {
    const { pool } = countingPool();
    expect(pool.take(100_000).buffer).not.toBe(pool.take(100_000).buffer);
  });

  it('holds what was asked for, in every size', () => {
    const { pool } = countingPool();
    for (let bytes = 1; bytes < 9_000_000; bytes = Math.ceil(bytes * 1.7)) {
      expect(pool.take(bytes).byteLength).toBeGreaterThanOrEqual(bytes);
      expect(pool.take(2 ** Math.round(Math.log2(bytes))).byteLength).toBeGreaterThanOrEqual(
        2 ** Math.round(Math.log2(bytes)),
      );
    }
  });

  it('that was given back twice is a bug', () => {
    const { pool } = countingPool();
    const memory = pool.take(100_000);
    pool.give(memory);
    expect(() => pool.give(memory)).toThrow('taken once and given back once');
  });

  it('of others is left alone', () => {
    const { pool, allocated } = countingPool();
    pool.give(new Uint8Array(131_072));
    pool.take(131_072);
    expect(allocated).toEqual([131_072]);
  });

  it('that is idle has a bound', () => {
    const { pool, allocated } = countingPool();
    const size = 4 * 1024 * 1024;
    const count = FRAME_MEMORY_IDLE_BYTES_MAX / size + 3;
    const taken = Array.from({ length: count }, () => pool.take(size));
    for (const memory of taken) pool.give(memory);
    for (let index = 0; index < count; index++) pool.take(size);
    expect(allocated).toHaveLength(count + 3);
  });

  it('is shared by small Produce requests, and used again once all of them were given back', () => {
    const { pool, allocated } = countingPool();
    const request = new Uint8Array(3000).fill(7).fill(0, 0, 2);
    const wave = () => Array.from({ length: 60 }, () => pool.copy(request, 0, request.byteLength));
    for (let waves = 0; waves < 20; waves++) {
      const frames = wave();
      frames.forEach((frame, index) => {
        frame.fill(index, 2);
      });
      frames.forEach((frame, index) => {
        expect([frame.byteLength, frame[0], frame[2], frame[2999]]).toEqual([3000, 0, index, index]);
        pool.give(frame);
      });
    }
    // 60 requests of 3,000 bytes are in use at a time: three pieces of 64 KiB, and one that is being left.
    expect(allocated.length).toBeLessThanOrEqual(4);
  });

  it('of a small Produce request that nobody gives back is not used again', () => {
    const { pool } = countingPool();
    const request = new Uint8Array(1000).fill(1).fill(0, 0, 2);
    const kept = pool.copy(request, 0, 1000);
    for (let count = 0; count < 1000; count++) {
      const next = pool.copy(request, 0, 1000);
      next.fill(9);
      pool.give(next);
    }
    expect(kept).toEqual(request);
  });

  it('of other requests is their own, because somebody may keep a part of them', () => {
    const { pool } = countingPool();
    const request = new Uint8Array(1000).fill(1).fill(0, 0, 1);
    const frames = [pool.copy(request, 0, 1000), pool.copy(request, 0, 1000)];
    expect(frames.map(({ buffer }) => buffer.byteLength)).toEqual([1000, 1000]);
    expect(frames[0]?.buffer).not.toBe(frames[1]?.buffer);
  });

  it('takes frame after frame of a stream that is cut anywhere', () => {
    const { pool, allocated } = countingPool();
    const sent = Array.from({ length: 40 }, (_, index) => new Uint8Array(50_000 + index * 7).fill(index + 1));
    let received = 0;
    const splitter = new FrameSplitter({
      bytesMax: 1_000_000,
      onFrame: (frame) => {
        expect(Buffer.compare(frame, sent[received] ?? new Uint8Array(0))).toBe(0);
        received += 1;
        pool.give(frame);
      },
      onObjection: (reason) => expect.fail(reason),
      memory: pool,
    });
    const stream = Buffer.concat(
      sent.flatMap((frame) => {
        const length = new Uint8Array(4);
        writeLength(length, 0, frame.byteLength);
        return [length, frame];
      }),
    );
    for (let start = 0; start < stream.byteLength; start += 9973) splitter.push(stream.subarray(start, start + 9973));
    expect(received).toBe(sent.length);
    // One of each size that is kept: 16, 32 and 64 KiB.
    expect(allocated.filter((bytes) => bytes >= 16_384).length).toBeLessThanOrEqual(3);
  });
});
