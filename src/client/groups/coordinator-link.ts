// Requests to the broker that coordinates a group or a transactional id: it is looked up once, and again when it says that
// it is another one.

import type { Api } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { findCoordinator } from '../../protocol/messages/10-find-coordinator.ts';
import type { Decoded, Encodable, Fields } from '../../protocol/schema.ts';
import { BrokerFault } from '../broker-fault.ts';
import type { Cluster, ConnectionUse } from '../cluster.ts';
import { retrying } from '../retry.ts';

/** What is coordinated: FindCoordinator's key types. */
const KEY_TYPES = { group: 0, 'transactional id': 1 } as const;
const BATCHED_VERSION = 4;
/**
 * From the next version on OffsetCommit (8) and OffsetFetch (9) know topics by their ids alone, AddPartitionsToTxn (24)
 * is between brokers, and TxnOffsetCommit (28) and EndTxn (26) need transaction version 2.
 */
const VERSION_MAX: Readonly<Record<number, number>> = { 8: 9, 9: 9, 24: 3, 26: 4, 28: 4 };

export type CoordinatedKind = keyof typeof KEY_TYPES;

export interface CoordinatorLinkOptions {
  readonly use?: ConnectionUse;
  readonly kind?: CoordinatedKind;
}

export class CoordinatorLink {
  readonly #cluster: Cluster;
  readonly #key: string;
  readonly #kind: CoordinatedKind;
  readonly #use: ConnectionUse;
  #nodeId: number | undefined;

  /** `key` is the group's id or the transactional one. */
  constructor(cluster: Cluster, key: string, { use = 'control', kind = 'group' }: CoordinatorLinkOptions = {}) {
    this.#cluster = cluster;
    this.#key = key;
    this.#kind = kind;
    this.#use = use;
  }

  get groupId(): string {
    return this.#key;
  }

  /**
   * Sends a request, in a version that names topics by their names, until it is answered without a retriable error; `errorOf` finds the error code that speaks for the
   * whole response. Throws {@link BrokerFault} for any other one.
   */
  request<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    body: Encodable<Req>,
    errorOf: (response: Decoded<Res>) => number,
  ): Promise<Decoded<Res>> {
    const { options, retryContext } = this.#cluster;
    return retrying(options.retry, retryContext, async () => {
      try {
        const nodeId = await this.#coordinator();
        const response = await this.#cluster.connection(nodeId, this.#use).request(api, body, {
          versionMax: VERSION_MAX[api.key] ?? api.versions[1],
        });
        const errorCode = errorOf(response);
        if (errorCode !== ERROR_CODES.NONE)
          throw new BrokerFault(errorCode, `${api.name} of ${this.#kind} ${this.#key}`);
        return response;
      } catch (error) {
        this.#nodeId = undefined;
        throw error;
      }
    });
  }

  async #coordinator(): Promise<number> {
    if (this.#nodeId !== undefined) return this.#nodeId;
    const { control } = this.#cluster;
    const batched = (await control.version(findCoordinator)) >= BATCHED_VERSION;
    const keys = batched ? { coordinatorKeys: [this.#key] } : { key: this.#key };
    const response = await control.request(findCoordinator, { ...keys, keyType: KEY_TYPES[this.#kind] });
    const found = batched ? response.coordinators[0] : response;
    const errorCode = found?.errorCode ?? ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
    if (found === undefined || errorCode !== ERROR_CODES.NONE) {
      throw new BrokerFault(errorCode, `look up the coordinator of ${this.#kind} ${this.#key}`);
    }
    this.#nodeId = found.nodeId;
    return found.nodeId;
  }
}
