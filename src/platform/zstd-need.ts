// Which commands wait until Zstandard is loaded. It is the one codec that a Node process or a page has to wait for; in Node
// it takes 8 MB and as long as a tenth of a start, in a page a request: who never meets it does not pay for it.

import { type PartitionCommand, SPECIAL_TIMESTAMPS } from '../partition/commands.ts';

/** Where the attributes of a batch tell its codec. */
const ATTRIBUTES_LOW_BYTE = 22;
const CODEC_MASK = 7;
const CODEC_ZSTD = 4;

/** `slab` is the one of the command's group; where there is none, record bytes are in the command itself. */
export function mayNeedZstd(command: PartitionCommand, slab?: Uint8Array): boolean {
  switch (command.kind) {
    case 'append': {
      const { bytes = slab, position } = command;
      const first = command.bytes === undefined ? position : 0;
      return ((bytes?.[first + ATTRIBUTES_LOW_BYTE] ?? 0) & CODEC_MASK) === CODEC_ZSTD;
    }
    case 'open':
      // Those of the broker's own are never compressed.
      return (
        command.config.compression.type === 'zstd' || (command.config.compacts && !command.directory.startsWith('__'))
      );
    case 'configure':
      return command.config.compression.type === 'zstd' || command.config.compacts;
    case 'list-offset':
      return command.timestamp >= 0 || command.timestamp === SPECIAL_TIMESTAMPS.max;
    default:
      return false;
  }
}
