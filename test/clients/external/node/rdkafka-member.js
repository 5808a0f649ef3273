// A member of a group in a process of its own, to be killed: rdkafka-member.js MODULES HOST:PORT GROUP TOPIC SETTINGS. It
// prints the number of its partitions whenever that changes.

import { createRequire } from 'node:module';

const [modules = '', servers = '', group = '', topic = '', settings = '{}'] = process.argv.slice(2);
const { KafkaConsumer } = createRequire(modules)('node-rdkafka');

const member = new KafkaConsumer({ 'bootstrap.servers': servers, 'group.id': group, ...JSON.parse(settings) }, {});
member.setDefaultConsumeTimeout(100);
let before = -1;

function poll() {
  const now = member.assignments().length;
  if (now !== before) process.stdout.write(`${now}\n`);
  before = now;
  member.consume(10, poll);
}

member.connect({}, (error) => {
  if (error) throw error;
  member.subscribe([topic]);
  poll();
});
