import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FramePool } from '../../src/net/frame-memory.ts';
import { FrameSplitter, writeLength } from '../../src/net/kafka-tcp.ts';

interface Split {
  readonly splitter: FrameSplitter;
  readonly frames: Uint8Array[];
  readonly objections: string[];
  readonly allocated: number[];
}

function split(bytesMax = 1_000_000): Split {
  const frames: Uint8Array[] = [];
  const objections: string[] = [];
  const allocated: number[] = [];
  const splitter = new FrameSplitter({
    bytesMax,
    onFrame: (frame) => frames.push(frame),
    onObjection: (reason) => objections.push(reason),
    memory: {
      take: (bytes) => {
        allocated.push(bytes);
        return new Uint8Array(bytes);
      },
      give: () => undefined,
    },
  });
  return { splitter, frames, objections, allocated };
}

function framed(...frames: readonly Uint8Array[]): Uint8Array {
  const parts = frames.flatMap((frame) => {
    const length = new Uint8Array(4);
    writeLength(length, 0, frame.byteLength);
    return [length, frame];
  });
  return new Uint8Array(Buffer.concat(parts));
}

function noise(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
}

describe('frames of a byte stream', () => {
  it('come out the same however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 30 }),
        (sent, cuts) => {
          const { splitter, frames } = split();
          const stream = framed(...sent);
          for (let start = 0, turn = 0; start < stream.byteLength; turn++) {
            const end = Math.min(stream.byteLength, start + (cuts[turn % cuts.length] ?? 1));
            splitter.push(stream.slice(start, end));
            start = end;
          }
          expect(frames.map((frame) => [...frame])).toEqual(sent.map((frame) => [...frame]));
          expect(splitter.partialBytes).toBe(0);
        },
      ),
    );
  });

  it('are views of the chunk they came whole in', () => {
    const { splitter, frames, allocated } = split();
    const chunk = framed(noise(100), noise(200));
    splitter.push(chunk);
    expect(frames.map((frame) => frame.buffer === chunk.buffer)).toEqual([true, true]);
    expect(allocated).toEqual([]);
  });

  it('are copied out of a chunk that is much larger, which they would keep alive', () => {
    const { splitter, frames } = split();
    const chunk = framed(noise(10), noise(60_000));
    splitter.push(chunk);
    expect(frames.map((frame) => frame.buffer === chunk.buffer)).toEqual([false, true]);
    expect(frames[0]).toEqual(noise(10));
  });

  it('cost memory by what was sent of them, not by their length', () => {
    const { splitter, frames, allocated } = split(200_000_000);
    const large = framed(noise(3_000_000));
    splitter.push(large.slice(0, 5));
    expect(allocated).toEqual([4096]);
    for (let start = 5; start < large.byteLength; start += 65_536) {
      splitter.push(large.slice(start, start + 65_536));
      expect(allocated.at(-1)).toBeLessThanOrEqual(4 * Math.min(large.byteLength, start + 65_536));
    }
    expect(frames).toHaveLength(1);
    expect(Buffer.compare(frames[0] ?? Buffer.alloc(0), noise(3_000_000))).toBe(0);
    expect(allocated.at(-1)).toBe(3_000_000);
  });

  it('count while they are not whole', () => {
    const { splitter } = split();
    splitter.push(framed(noise(50)).slice(0, 3));
    expect(splitter.partialBytes).toBe(3);
    splitter.push(framed(noise(50)).slice(3, 20));
    expect(splitter.partialBytes).toBe(20);
    splitter.push(framed(noise(50)).slice(20));
    expect(splitter.partialBytes).toBe(0);
  });

  it('may be empty', () => {
    const { splitter, frames } = split();
    splitter.push(framed(new Uint8Array(0), noise(3)));
    expect(frames.map(({ byteLength }) => byteLength)).toEqual([0, 3]);
  });
});

describe('frames of a stream that is read into lent memory', () => {
  /** Reads a stream as a socket would: so much at a time, into the room there is or else into one buffer. */
  function read(stream: Uint8Array, reads: readonly number[]) {
    const pool = new FramePool();
    const frames: Uint8Array[] = [];
    const splitter = new FrameSplitter({
      bytesMax: 10_000_000,
      onFrame: (frame) => {
        frames.push(frame.slice());
        pool.give(frame);
      },
      onObjection: (reason) => expect.fail(reason),
      memory: pool,
    });
    const buffer = new Uint8Array(256 * 1024);
    let straight = 0;
    for (let start = 0, turn = 0; start < stream.byteLength; turn++) {
      const room = splitter.room();
      const target = room ?? buffer;
      const bytes = Math.min(reads[turn % reads.length] ?? 1, target.byteLength, stream.byteLength - start);
      target.set(stream.subarray(start, start + bytes));
      if (room === undefined) splitter.pushLent(buffer, bytes, pool);
      else splitter.filled(bytes);
      if (room !== undefined) straight += bytes;
      // The next connection reads into the same buffer.
      buffer.fill(0xee);
      start += bytes;
    }
    return { frames, straight, splitter };
  }

  it('come out the same however it is read', () => {
    const source = noise(500_000);
    const size = fc.oneof(fc.integer({ max: 300, min: 0 }), fc.integer({ min: 10_000, max: 400_000 }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(size, fc.constantFrom(0, 1)), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1000, max: 1_000_000 }), { minLength: 1, maxLength: 20 }),
        (sizes, reads) => {
          const sent = sizes.map(([bytes, key], index) => {
            const frame = source.slice(index, index + bytes);
            frame.set([0, key].slice(0, bytes));
            return frame;
          });
          const { frames, splitter } = read(framed(...sent), reads);
          expect(frames.length).toBe(sent.length);
          frames.forEach((frame, index) => {
            expect(Buffer.compare(frame, sent[index] ?? noise(0))).toBe(0);
          });
          expect(splitter.partialBytes).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are read straight to their place where much of them is missing', () => {
    const { frames, straight } = read(framed(noise(1_048_576), noise(1_048_576)), [262_144]);
    expect(frames).toHaveLength(2);
    // Of each frame the first read fills the buffer, three go straight, and the last four bytes are not worth it.
    expect(straight).toBe(2 * 3 * 262_144);
  });

  it('that end early leave memory that is being read into to nobody else', () => {
    const given: Uint8Array[] = [];
    const memory = {
      take: (bytes: number) => new Uint8Array(bytes),
      give: (bytes: Uint8Array) => given.push(bytes),
      copy: (source: Uint8Array, start: number, end: number) => source.slice(start, end),
    };
    for (const hasRoom of [true, false]) {
      const splitter = new FrameSplitter({
        bytesMax: 10_000_000,
        onFrame: () => expect.fail('no frame is whole'),
        onObjection: (reason) => expect.fail(reason),
        memory,
      });
      const begun = framed(noise(1_000_000)).subarray(0, 100_000);
      splitter.pushLent(begun, begun.byteLength, memory);
      if (hasRoom) expect(splitter.room()?.byteLength).toBeGreaterThan(64 * 1024);
      splitter.end();
      splitter.filled(10);
      expect(given.length).toBe(hasRoom ? 0 : 1);
    }
  });
});

describe('lengths that cannot be', () => {
  const cases: readonly (readonly [name: string, bytes: Uint8Array, reason: RegExp])[] = [
    ['one byte more than allowed', Uint8Array.of(0, 0, 4, 1), /1025 bytes is larger than the 1024 allowed/],
    ['the largest', Uint8Array.of(0x7f, 0xff, 0xff, 0xff), /2147483647 bytes/],
    ['a negative one', Uint8Array.of(0xff, 0xff, 0xff, 0xff), /cannot have -1 bytes/],
    ['an HTTP request', new TextEncoder().encode('GET / HTTP/1.1\r\n'), /this is HTTP/],
    ['a TLS handshake', Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00), /this is TLS/],
  ];

  for (const [name, bytes, reason] of cases) {
    it(`end the stream: ${name}`, () => {
      const { splitter, frames, objections, allocated } = split(1024);
      splitter.push(framed(noise(5)));
      splitter.push(bytes);
      splitter.push(framed(noise(6)));
      expect(frames).toHaveLength(1);
      expect(objections).toHaveLength(1);
      expect(objections[0]).toMatch(reason);
      expect(allocated).toEqual([]);
    });
  }

  it('leave the longest allowed alone', () => {
    const { splitter, frames, objections } = split(1024);
    splitter.push(framed(noise(1024)));
    expect([frames.length, objections.length]).toEqual([1, 0]);
  });
});
