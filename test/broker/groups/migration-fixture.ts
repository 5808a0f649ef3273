// Consumers of the classic protocol, as clients behave with an eager and with a cooperative assignor: over whatever kind
// of group there is, classic or of KIP-848.

import type { JoinOutcome } from '../../../src/broker/groups/classic-group.ts';
import type { ClassicProtocol, JoinRequest } from '../../../src/broker/groups/classic-protocol.ts';
import {
  type NamedPartitions,
  readAssignment,
  readSubscription,
  writeAssignment,
} from '../../../src/broker/groups/consumer-protocol.ts';
import { errorOf } from '../../../src/protocol/errors.ts';
import { Writer } from '../../../src/protocol/writer.ts';
import type { ShardFixture } from './shard-fixture.ts';

export type Assignor = 'eager' | 'cooperative';

/** What a consumer says of itself, as the Java client does (version 3). */
export function fullSubscription(topics: readonly string[], owned: readonly string[], version = 3): Uint8Array {
  const writer = new Writer();
  writer.int16(version);
  writer.int32(topics.length);
  for (const topic of topics) writer.text(topic, false);
  writer.int32(-1);
  if (version >= 1) writer.raw(writeAssignment(0, named(owned)).subarray(2, -4));
  if (version >= 2) writer.int32(-1);
  if (version >= 3) writer.int16(-1);
  return writer.finishFlat();
}

/** `orders/3` and the like, by topic. */
export function named(keys: Iterable<string>): NamedPartitions[] {
  const topics = new Map<string, number[]>();
  for (const key of [...keys].sort()) {
    const [topic = '', partition = ''] = key.split('/');
    topics.set(topic, [...(topics.get(topic) ?? []), Number(partition)]);
  }
  return Array.from(topics, ([topic, partitions]) => ({ topic, partitions }));
}

export function keysOf(partitions: readonly NamedPartitions[]): string[] {
  return partitions.flatMap(({ topic, partitions: indexes }) => indexes.map((index) => `${topic}/${index}`));
}

export class ClassicConsumer {
  readonly fixture: ShardFixture;
  readonly name: string;
  readonly assignor: Assignor;
  readonly instanceId: string | null;
  readonly topics: readonly string[];
  readonly groupId = 'group';
  memberId = '';
  generationId = -1;
  owned: ReadonlySet<string> = new Set();
  /** The names of the errors that it was told, in order. */
  readonly told: string[] = [];
  #joined: JoinOutcome | undefined;
  #rejoins = true;
  #busy = false;

  constructor(
    fixture: ShardFixture,
    name: string,
    options: { readonly assignor?: Assignor; readonly instanceId?: string; readonly topics?: readonly string[] } = {},
  ) {
    this.fixture = fixture;
    this.name = name;
    this.assignor = options.assignor ?? 'eager';
    this.instanceId = options.instanceId ?? null;
    this.topics = options.topics ?? ['orders'];
  }

  get #protocol(): ClassicProtocol | undefined {
    const { shard } = this.fixture;
    const entry = shard.find(this.groupId);
    return entry === undefined ? undefined : shard.protocolOf(entry);
  }

  get claim() {
    return { memberId: this.memberId, groupInstanceId: this.instanceId, generationId: this.generationId };
  }

  request(): JoinRequest {
    return {
      memberId: this.memberId,
      groupInstanceId: this.instanceId,
      protocolType: 'consumer',
      protocols: [{ name: this.assignor, metadata: fullSubscription(this.topics, [...this.owned]) }],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 15_000,
      client: { clientId: this.name, clientHost: '/127.0.0.1' },
      needsMemberId: true,
      maySkipAssignment: true,
    };
  }

  /** The next thing that a client does, in the background: a join may wait for the others. */
  go(): void {
    if (this.#busy) return;
    this.#busy = true;
    void this.#step().finally(() => {
      this.#busy = false;
    });
  }

  async #step(): Promise<void> {
    if (this.#joined !== undefined) await this.#sync(this.#joined);
    else if (this.#rejoins) await this.#join();
    else this.#beat();
  }

  async #join(): Promise<void> {
    // An eager client gives everything up before it joins.
    if (this.assignor === 'eager') this.owned = new Set();
    // Member ids are looked for in a group that is there, as the coordinator does.
    if (this.memberId !== '' && this.#protocol === undefined) return this.reset();
    const outcome = await this.fixture.shard.joinable(this.groupId).join(this.request());
    const { name } = errorOf(outcome.errorCode);
    this.told.push(`join ${name}`);
    if (name === 'MEMBER_ID_REQUIRED') this.memberId = outcome.memberId;
    else if (name === 'NONE') {
      this.memberId = outcome.memberId;
      this.generationId = outcome.generationId;
      this.#joined = outcome;
    } else if (name !== 'REBALANCE_IN_PROGRESS') this.reset();
  }

  async #sync(joined: JoinOutcome): Promise<void> {
    const leads = joined.leader === this.memberId && !joined.skipAssignment;
    const { protocolType, protocolName } = joined;
    const assignments = leads ? this.#assign(joined) : [];
    this.#joined = undefined;
    const protocol = this.#protocol;
    if (protocol === undefined) return this.reset();
    const outcome = await protocol.sync({ ...this.claim, protocolType, protocolName, assignments });
    const { name } = errorOf(outcome.errorCode);
    this.told.push(`sync ${name}`);
    if (name === 'NONE') this.#take(outcome.assignment);
    else if (name === 'ILLEGAL_GENERATION') this.#loseGeneration();
    else if (name !== 'REBALANCE_IN_PROGRESS') this.reset();
  }

  #take(assignment: Uint8Array): void {
    const assigned = new Set(keysOf(readAssignment(assignment)?.partitions ?? []));
    const revoked = [...this.owned].filter((key) => !assigned.has(key));
    this.owned = assigned;
    // A cooperative client joins again when it has given something up.
    this.#rejoins = this.assignor === 'cooperative' && revoked.length > 0;
  }

  #beat(): void {
    const name = errorOf(this.#protocol?.heartbeat(this.claim) ?? 25).name;
    if (name !== 'NONE') this.told.push(`beat ${name}`);
    if (name === 'REBALANCE_IN_PROGRESS') this.#rejoins = true;
    else if (name === 'ILLEGAL_GENERATION') this.#loseGeneration();
    else if (name !== 'NONE') this.reset();
  }

  #loseGeneration(): void {
    this.owned = new Set();
    this.generationId = -1;
    this.#rejoins = true;
  }

  /** Everybody gets partitions in turn; a cooperative leader holds back those that another still has. */
  #assign({ members, protocolName }: JoinOutcome): { memberId: string; assignment: Uint8Array }[] {
    const assigned = new Map(members.map(({ memberId }) => [memberId, new Set<string>()]));
    const said = members.map(({ memberId, metadata }) => ({ memberId, ...readSubscription(metadata) }));
    const ownerOf = new Map(said.flatMap(({ memberId, owned }) => keysOf(owned ?? []).map((key) => [key, memberId])));
    let turn = 0;
    for (const { name, partitionCount } of this.fixture.topics.all()) {
      const takers = said.filter(({ topics }) => topics?.includes(name));
      for (let index = 0; index < partitionCount && takers.length > 0; index++) {
        const key = `${name}/${index}`;
        const memberId = takers[turn++ % takers.length]?.memberId ?? '';
        const owner = ownerOf.get(key) ?? memberId;
        if (protocolName === 'eager' || owner === memberId) assigned.get(memberId)?.add(key);
      }
    }
    return Array.from(assigned, ([memberId, keys]) => ({ memberId, assignment: writeAssignment(3, named(keys)) }));
  }

  leave(): void {
    if (this.#busy || this.memberId === '') return;
    void this.#protocol?.leave([{ memberId: this.memberId, groupInstanceId: this.instanceId }]);
    this.reset();
  }

  /** It lost its membership, or is a new process. */
  reset(): void {
    this.memberId = '';
    this.generationId = -1;
    this.owned = new Set();
    this.#joined = undefined;
    this.#rejoins = true;
  }

  get isBusy(): boolean {
    return this.#busy;
  }
}
