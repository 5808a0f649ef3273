// `partition.metadata`: the topic id that a partition's directory belongs to, in Kafka's text form (KIP-516).
//
//   version: 0
//   topic_id: 8rXXxjQRTQSZ4oz7BMAKZw
//
// Crash policy: written once, before the first segment, as a whole.

import { LogFault } from '../core/fault.ts';
import type { Store } from '../core/platform.ts';
import { joinPath, PARTITION_METADATA_FILE } from './file-names.ts';

/** Topic id in the directory, or undefined where the file is absent. Throws ERR_CORRUPT_LOG where it does not parse. */
export function readTopicId(store: Store, directory: string): string | undefined {
  const path = joinPath(directory, PARTITION_METADATA_FILE);
  const content = store.readSmall(path);
  if (content === undefined) return undefined;
  const match = /^version: 0\ntopic_id: (\S+)\n?$/.exec(new TextDecoder().decode(content));
  if (match?.[1] === undefined) throw new LogFault('ERR_CORRUPT_LOG', `${path} does not name a topic id`);
  return match[1];
}

export function writeTopicId(store: Store, directory: string, topicId: string): void {
  const content = new TextEncoder().encode(`version: 0\ntopic_id: ${topicId}`);
  store.replaceSmall(joinPath(directory, PARTITION_METADATA_FILE), content);
}
