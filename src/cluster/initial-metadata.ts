// What a metadata store begins with where it has nothing of its own: what another broker's files said.

export interface InitialTopic {
  readonly name: string;
  /** 16 bytes as base64url, the form in which Kafka prints ids. */
  readonly id: string;
  readonly partitionCount: number;
  readonly configs: Readonly<Record<string, string>>;
}

export interface InitialMetadata {
  readonly topics: readonly InitialTopic[];
  /** Topics whose directories may still be there. */
  readonly deleted: readonly { readonly name: string; readonly id: string; readonly partitionCount: number }[];
  /** No partition has had a leader of a later epoch. */
  readonly leaderEpochMax: number;
  /** Configurations of groups, by group id. */
  readonly groupConfigs: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly nextProducerId: number;
}
