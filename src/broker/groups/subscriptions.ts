// Which topics members of KIP-848 groups subscribe to: those that they name and those that their expressions match,
// as far as they exist.

import { isInternalTopic } from '../topic-names.ts';
import type { SubscribedTopic } from './consumer-group.ts';
import type { TopicDirectory, TopicShape } from './group-context.ts';
import type { ConsumerMemberValue } from './group-records.ts';
import { PatternFault, TopicPattern } from './topic-pattern.ts';

/** Expressions whose topics are remembered. */
const PATTERNS_MAX = 1000;

interface Matches {
  /** Version of the topics at which they were found. */
  readonly version: number;
  readonly topics: readonly TopicShape[];
}

export class Subscriptions {
  readonly #topics: TopicDirectory;
  readonly #matches = new Map<string, Matches>();

  constructor(topics: TopicDirectory) {
    this.#topics = topics;
  }

  /** All topics of all members, by name. */
  topicsOf(members: Iterable<ConsumerMemberValue>): ReadonlyMap<string, SubscribedTopic> {
    const found = new Map<string, SubscribedTopic>();
    const add = ({ name, id, partitionCount }: TopicShape): void => {
      found.set(name, { topicName: name, topicId: id, numPartitions: partitionCount });
    };
    for (const { subscribedTopicNames, subscribedTopicRegex } of members) {
      for (const name of subscribedTopicNames) {
        const topic = this.#topics.byName(name);
        if (topic !== undefined) add(topic);
      }
      if (subscribedTopicRegex !== null) for (const topic of this.#matching(subscribedTopicRegex)) add(topic);
    }
    return found;
  }

  #matching(source: string): readonly TopicShape[] {
    const { version } = this.#topics;
    const known = this.#matches.get(source);
    if (known?.version === version) return known.topics;
    const pattern = compile(source);
    // An expression that another broker took and this one does not matches nothing.
    const all = typeof pattern === 'string' ? [] : this.#topics.all();
    const topics = [...all].filter(({ name }) => typeof pattern !== 'string' && pattern.matches(name));
    if (this.#matches.size >= PATTERNS_MAX) this.#matches.clear();
    // Internal topics have to be named.
    const matches = { version, topics: topics.filter(({ name }) => !isInternalTopic(name)) };
    this.#matches.set(source, matches);
    return matches.topics;
  }
}

/** What speaks against an expression; undefined where nothing does. */
export function patternObjection(source: string): string | undefined {
  const compiled = compile(source);
  return typeof compiled === 'string' ? compiled : undefined;
}

function compile(source: string): TopicPattern | string {
  try {
    return new TopicPattern(source);
  } catch (error) {
    if (error instanceof PatternFault) return error.message;
    throw error;
  }
}
