// The peers that are installed here, and what is said of those that are not.

import { existsSync } from 'node:fs';
import { kafkaPeer } from './kafka-peer.ts';
import { firstLine } from './machine.ts';
import { millracePeer } from './millrace-peer.ts';
import { natsPeer } from './nats-peer.ts';
import { kafkaJars, program } from './paths.ts';
import { PEER_NAMES, PEER_TITLES, type Peer, type PeerName } from './peer.ts';
import { redisPeer } from './redis-peer.ts';

const LOADS: Readonly<Record<PeerName, readonly string[]>> = {
  millrace: ['kafka-wire', 'rdkafka-load'],
  kafka: ['kafka-wire', 'rdkafka-load'],
  nats: ['nats-load', 'nats-server'],
  redis: ['redis-load'],
};

function installedPeer(name: PeerName): Peer | undefined {
  if (LOADS[name].some((each) => !existsSync(program(each)))) return undefined;
  switch (name) {
    case 'millrace':
      return millracePeer;
    case 'kafka':
      return kafkaJars() === undefined || firstLine('java', ['--version']) === undefined ? undefined : kafkaPeer;
    case 'nats': {
      const version = /v(\d[\d.]*)/.exec(firstLine(program('nats-server'), ['--version']) ?? '')?.[1];
      return version === undefined ? undefined : natsPeer(version);
    }
    case 'redis': {
      const version = /v=([\d.]+)/.exec(firstLine('redis-server', ['--version']) ?? '')?.[1];
      return version === undefined ? undefined : redisPeer(version);
    }
  }
}

/** The wanted ones that are there, in the order of tables, and lines about the others. */
export function installedPeers(wanted: readonly string[]): {
  readonly peers: readonly Peer[];
  readonly missing: readonly string[];
} {
  const unknown = wanted.filter((name) => !PEER_NAMES.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`no such peer: ${unknown.join(', ')}; there are ${PEER_NAMES.join(', ')}`);
  const peers: Peer[] = [];
  const missing: string[] = [];
  for (const name of PEER_NAMES.filter((name) => name === 'millrace' || wanted.includes(name))) {
    const peer = installedPeer(name);
    if (peer === undefined)
      missing.push(`${PEER_TITLES[name]} or its load is not installed: bench/peers/install.sh says why`);
    else peers.push(peer);
  }
  return { peers, missing };
}
