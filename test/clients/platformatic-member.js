// A member of a group in a process of its own, to be killed: platformatic-member.js BROKER GROUP TOPIC. It prints a line
// when it has been assigned its partitions.

import { Consumer, MessagesStreamFallbackModes, MessagesStreamModes } from '@platformatic/kafka';

const [broker = '', groupId = '', topic = ''] = process.argv.slice(2);
const consumer = new Consumer({
  ...{ clientId: 'member', bootstrapBrokers: [broker], groupId, autocommit: false, maxWaitTime: 100 },
  ...{ sessionTimeout: 3000, heartbeatInterval: 200, rebalanceTimeout: 3000 },
});
const messages = await consumer.consume({
  topics: [topic],
  mode: MessagesStreamModes.COMMITTED,
  fallbackMode: MessagesStreamFallbackModes.EARLIEST,
});
messages.on('data', () => undefined);
process.stdout.write('assigned\n');
