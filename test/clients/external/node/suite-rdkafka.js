// node-rdkafka (librdkafka) against a broker: suite-rdkafka.js MODULES HOST:PORT, where MODULES is a path beside its
// node_modules. One line of JSON for each case.

import { deepStrictEqual as same } from 'node:assert';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const [modules = '', servers = ''] = process.argv.slice(2);
const { AdminClient, features, KafkaConsumer, Producer } = createRequire(modules)('node-rdkafka');
const MEMBER = fileURLToPath(new URL('rdkafka-member.js', import.meta.url));
const BASE_TIME = 1_750_000_000_000;
const TIMEOUT_MS = 60_000;
const BEGINNING = -2;
const END = -1;
const QUICK = { 'heartbeat.interval.ms': 300 };
/** Only where a session is to end: a process that stands still for a while loses it. */
const SHORT_LIVED = { ...QUICK, 'session.timeout.ms': 6000 };
const admin = AdminClient.create({ 'bootstrap.servers': servers });

/** Calls a method that ends with a callback of an error and a value. */
function call(object, method, ...args) {
  return new Promise((resolve, reject) => {
    object[method](...args, (error, value) => (error ? reject(error) : resolve(value)));
  });
}

async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('nothing was refused');
}

const numbered = (start, end) => Array.from({ length: end - start }, (_, index) => `value ${start + index}`);

async function topic(partitions = 1) {
  const name = `rdkafka-${randomUUID()}`;
  await call(admin, 'createTopic', { topic: name, num_partitions: partitions, replication_factor: 1 }, TIMEOUT_MS);
  return name;
}

async function producer(settings = {}, topicSettings = {}) {
  const global = { 'bootstrap.servers': servers, 'linger.ms': 5, dr_cb: true, ...settings };
  const client = new Producer(global, topicSettings);
  await call(client, 'connect', {});
  client.setPollInterval(10);
  return client;
}

/** Sends, and resolves with the delivery reports of all, whose errors have no code in this client, but a message. */
function send(client, records) {
  return new Promise((resolve) => {
    const reports = [];
    const listen = (error, report) => {
      reports.push({ error: error?.message ?? null, offset: report.offset });
      if (reports.length < records.length) return;
      client.off('delivery-report', listen);
      resolve(reports);
    };
    client.on('delivery-report', listen);
    for (const { name, value, key = null, timestamp = null, partition = 0, headers = [] } of records) {
      client.produce(name, partition, value === null ? null : Buffer.from(value), key, timestamp, null, headers);
    }
  });
}

const numberedRecords = (name, start, end) =>
  numbered(start, end).map((value, index) => ({
    name,
    value,
    key: `k${start + index}`,
    timestamp: BASE_TIME + (start + index) * 1000,
  }));

async function fill(name, count, settings, topicSettings) {
  const client = await producer(settings, topicSettings);
  const reports = await send(client, numberedRecords(name, 0, count));
  await call(client, 'disconnect', TIMEOUT_MS);
  return reports;
}

async function consumer(group, settings = {}) {
  const global = {
    'bootstrap.servers': servers,
    'group.id': group ?? `unused-${randomUUID()}`,
    'enable.auto.commit': false,
    'fetch.wait.max.ms': 100,
    ...settings,
  };
  const client = new KafkaConsumer(global, { 'auto.offset.reset': 'earliest' });
  client.setDefaultConsumeTimeout(100);
  await call(client, 'connect', {});
  return client;
}

const close = (client) => call(client, 'disconnect');

/** Reads so many records, and what else comes right after them. */
async function readRecords(client, count) {
  const records = [];
  const end = performance.now() + TIMEOUT_MS;
  while (records.length < count && performance.now() < end) records.push(...(await call(client, 'consume', 100)));
  records.push(...(await call(client, 'consume', 100)));
  return records;
}

async function read(client, count) {
  return (await readRecords(client, count)).map(({ value }) => value?.toString() ?? null);
}

async function readAt(name, offset, count, settings = {}) {
  const client = await consumer(undefined, settings);
  client.assign([{ topic: name, partition: 0, offset }]);
  const values = await read(client, count);
  await close(client);
  return values;
}

async function topics() {
  const name = await topic(2);
  const twice = { topic: name, num_partitions: 2, replication_factor: 1 };
  same((await rejection(call(admin, 'createTopic', twice, TIMEOUT_MS))).code, 36);
  await call(admin, 'createPartitions', name, 4, TIMEOUT_MS);
  const client = await producer();
  const described = async () => {
    const metadata = await call(client, 'getMetadata', { allTopics: true, timeout: TIMEOUT_MS });
    same(
      metadata.brokers.map(({ id }) => id),
      [1],
    );
    return metadata.topics.find((each) => each.name === name);
  };
  same((await described()).partitions.map(({ id }) => id).sort(), [0, 1, 2, 3]);
  await call(admin, 'deleteTopic', name, TIMEOUT_MS);
  same(await described(), undefined);
  same((await rejection(call(admin, 'deleteTopic', name, TIMEOUT_MS))).code, 3);
  await call(client, 'disconnect', TIMEOUT_MS);
}

async function produce(acks, codec) {
  same(codec === 'none' || features.includes(codec), true);
  const name = await topic();
  const reports = await fill(name, 100, { 'compression.codec': codec }, { acks });
  const offsets = reports.map(({ offset }) => offset);
  same(
    reports.map(({ error }) => error),
    reports.map(() => null),
  );
  if (acks !== '0') {
    same(
      offsets,
      offsets.map((_, index) => index),
    );
  }
  same(await readAt(name, BEGINNING, 100), numbered(0, 100));
}

async function idempotent() {
  const name = await topic();
  const reports = await fill(name, 1000, { 'enable.idempotence': true, 'batch.num.messages': 10 });
  same(
    reports.map(({ offset }) => offset),
    reports.map((_, index) => index),
  );
  same(await readAt(name, BEGINNING, 1000), numbered(0, 1000));
}

async function tooLarge() {
  const name = await topic();
  const client = await producer({ 'message.max.bytes': 10_000_000 });
  same(await send(client, [{ name, value: 'x'.repeat(2_000_000) }]), [{ error: 'message size too large', offset: -1 }]);
  same(await send(client, [{ name, value: 'small' }]), [{ error: null, offset: 0 }]);
  await call(client, 'disconnect', TIMEOUT_MS);
}

async function autoCreation() {
  same(await fill(`rdkafka-auto-${randomUUID()}`, 1), [{ error: null, offset: 0 }]);
}

async function positions() {
  const name = await topic();
  await fill(name, 20);
  same(await readAt(name, BEGINNING, 20), numbered(0, 20));
  same(await readAt(name, 13, 7), numbered(13, 20));
  const client = await consumer(undefined, { 'enable.partition.eof': true });
  same(await call(client, 'queryWatermarkOffsets', name, 0, TIMEOUT_MS), { lowOffset: 0, highOffset: 20 });
  const time = { topic: name, partition: 0, offset: BASE_TIME + 6500 };
  const [found] = await call(client, 'offsetsForTimes', [time], TIMEOUT_MS);
  same(found.offset, 7);
  client.assign([found]);
  same(await read(client, 13), numbered(7, 20));

  let atEnd = false;
  client.once('partition.eof', () => {
    atEnd = true;
  });
  client.assign([{ topic: name, partition: 0, offset: END }]);
  while (!atEnd) same(await read(client, 0), []);
  await fill(name, 3);
  same(await read(client, 3), numbered(0, 3));
  await close(client);
}

async function contents() {
  const name = await topic();
  const client = await producer();
  const headers = [{ name: 'täxt' }, { name: 'again' }, { empty: '' }];
  await send(client, [
    { name, value: 'value', headers, timestamp: BASE_TIME },
    { name, key: 'key', value: null },
    { name, key: '', value: 'of an empty key' },
  ]);
  await call(client, 'disconnect', TIMEOUT_MS);
  const reader = await consumer();
  reader.assign([{ topic: name, partition: 0, offset: BEGINNING }]);
  const [first, second, third] = await readRecords(reader, 3);
  await close(reader);
  same(first.key ?? null, null);
  same(first.timestamp, BASE_TIME);
  same(first.headers, [{ name: Buffer.from('täxt') }, { name: Buffer.from('again') }, { empty: Buffer.alloc(0) }]);
  same([second.key?.toString(), second.value], ['key', null]);
  same([third.key, third.value.toString()], [Buffer.alloc(0), 'of an empty key']);
}

async function transactionalProducer(id) {
  const client = await producer({ 'transactional.id': id });
  await call(client, 'initTransactions', TIMEOUT_MS);
  return client;
}

async function transactions() {
  const name = await topic();
  const client = await transactionalProducer(`tx-${name}`);
  for (let block = 0; block < 4; block += 1) {
    await call(client, 'beginTransaction');
    await send(client, numberedRecords(name, block * 10, block * 10 + 10));
    await call(client, block % 2 === 0 ? 'commitTransaction' : 'abortTransaction', TIMEOUT_MS);
  }
  const committed = [...numbered(0, 10), ...numbered(20, 30)];
  const readCommitted = { 'isolation.level': 'read_committed' };
  same(await readAt(name, BEGINNING, 20, readCommitted), committed);
  same(await readAt(name, BEGINNING, 40, { 'isolation.level': 'read_uncommitted' }), numbered(0, 40));

  await call(client, 'beginTransaction');
  await send(client, numberedRecords(name, 40, 50));
  same(await readAt(name, BEGINNING, 20, readCommitted), committed);
  await call(client, 'commitTransaction', TIMEOUT_MS);
  same(await readAt(name, BEGINNING, 30, readCommitted), [...committed, ...numbered(40, 50)]);
  await call(client, 'disconnect', TIMEOUT_MS);
}

async function fencing() {
  const name = await topic();
  const older = await transactionalProducer(`tx-${name}`);
  await call(older, 'beginTransaction');
  await send(older, [{ name, value: 'value -1' }]);
  const newer = await transactionalProducer(`tx-${name}`);
  await call(newer, 'beginTransaction');
  await send(newer, [{ name, value: 'value 0' }]);
  await call(newer, 'commitTransaction', TIMEOUT_MS);
  same((await rejection(call(older, 'commitTransaction', TIMEOUT_MS))).isFatal, true);
  same(await readAt(name, BEGINNING, 1, { 'isolation.level': 'read_committed' }), ['value 0']);
  await call(newer, 'disconnect', TIMEOUT_MS);
  await call(older, 'disconnect', TIMEOUT_MS);
}

async function transactionalOffsets() {
  const [source, target] = [await topic(), await topic()];
  await fill(source, 10);
  const reader = await consumer(source);
  reader.subscribe([source]);
  const values = await read(reader, 10);
  same(values, numbered(0, 10));
  const writer = await transactionalProducer(`eos-${source}`);
  const partition = { topic: source, partition: 0 };
  for (const ends of ['abortTransaction', 'commitTransaction']) {
    await call(writer, 'beginTransaction');
    const records = values.map((value) => ({ name: target, value }));
    await send(writer, records);
    await call(writer, 'sendOffsetsToTransaction', [{ ...partition, offset: 10 }], reader, TIMEOUT_MS);
    await call(writer, ends, TIMEOUT_MS);
    const [committed] = await call(reader, 'committed', [partition], TIMEOUT_MS);
    same(committed.offset, ends === 'commitTransaction' ? 10 : undefined);
  }
  await close(reader);
  await call(writer, 'disconnect', TIMEOUT_MS);
  same(await readAt(target, BEGINNING, 10, { 'isolation.level': 'read_committed' }), values);
}

async function resume() {
  const name = await topic();
  await fill(name, 10);
  const first = await consumer(name);
  first.subscribe([name]);
  same(await read(first, 10), numbered(0, 10));
  first.commitSync([{ topic: name, partition: 0, offset: 4 }]);
  await close(first);
  const second = await consumer(name);
  second.subscribe([name]);
  same(await read(second, 6), numbered(4, 10));
  await close(second);
}

async function member(name, settings) {
  const client = await consumer(name, settings);
  client.subscribe([name]);
  return client;
}

const partitionsOf = (client) =>
  client
    .assignments()
    .map(({ partition }) => partition)
    .sort();

/** An idle one takes the consume timeout of 100 ms. Polls are counted, so that time in which nobody runs does not count. */
const SETTLING_POLLS = 300;

/** Polls the members until each has so many partitions, and no two have the same. */
async function settle(each, members) {
  let assigned = [];
  for (let polls = 0; polls < SETTLING_POLLS; polls++) {
    await Promise.all(members.map((client) => call(client, 'consume', 10)));
    assigned = members.map(partitionsOf);
    const distinct = new Set(assigned.flat()).size === each * members.length;
    if (distinct && assigned.every(({ length }) => length === each)) return;
  }
  throw new Error(`not settled: ${JSON.stringify(assigned)}`);
}

async function rebalance(settings) {
  const name = await topic(4);
  const members = [];
  for (const count of [1, 2, 4]) {
    while (members.length < count) members.push(await member(name, settings));
    await settle(4 / count, members);
  }
  for (const count of [2, 1]) {
    while (members.length > count) await close(members.shift());
    await settle(4 / count, members);
  }
  await close(members[0]);
}

/** With an assignor that is cooperative, a member that another one joins keeps what stays its own. */
async function cooperative() {
  const settings = { 'partition.assignment.strategy': 'cooperative-sticky', ...QUICK };
  // A cooperative one closes without a LeaveGroup: its partitions go to the others when its session ends.
  await rebalance({ ...settings, ...SHORT_LIVED });
  const name = await topic(4);
  const revoked = [];
  const first = await member(name, { ...settings, rebalance_cb: true });
  first.on('rebalance', (error, partitions) => {
    // ERR__REVOKE_PARTITIONS
    if (error.code === -174) revoked.push(...partitions.map(({ partition }) => partition));
  });
  await settle(4, [first]);
  const second = await member(name, settings);
  await settle(2, [first, second]);
  same(first.rebalanceProtocol(), 'COOPERATIVE');
  same(revoked.sort(), partitionsOf(second));
  await close(first);
  await close(second);
}

async function killed(settings) {
  const name = await topic(4);
  const survivor = await member(name, settings);
  const args = [modules, servers, name, name, JSON.stringify(settings)];
  const child = spawn(process.execPath, [MEMBER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let itsPartitions = 0;
    createInterface({ input: child.stdout }).on('line', (line) => {
      itsPartitions = Number(line);
    });
    const end = performance.now() + TIMEOUT_MS;
    while (itsPartitions !== 2 && performance.now() < end) await call(survivor, 'consume', 10);
    same(itsPartitions, 2);
    await settle(2, [survivor]);
  } finally {
    child.kill('SIGKILL');
  }
  await settle(4, [survivor]);
  const client = await producer();
  await send(
    client,
    [0, 1, 2, 3].map((partition) => ({ name, partition, value: `value ${partition}` })),
  );
  await call(client, 'disconnect', TIMEOUT_MS);
  same((await read(survivor, 4)).sort(), numbered(0, 4));
  await close(survivor);
}

async function staticMembers() {
  const name = await topic(2);
  const settings = { ...QUICK, 'session.timeout.ms': 30_000 };
  const [one, two] = [
    await member(name, { 'group.instance.id': 'one', ...settings }),
    await member(name, { 'group.instance.id': 'two', ...settings }),
  ];
  await settle(1, [one, two]);
  const before = partitionsOf(one);
  await close(one);
  const back = await member(name, { 'group.instance.id': 'one', ...settings });
  await settle(1, [back, two]);
  same(partitionsOf(back), before);
  await close(back);
  await close(two);
}

const cases = new Map([['admin: topics are created, extended, listed and deleted', topics]]);
for (const acks of ['all', '1', '0']) {
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    cases.set(`produce: acks=${acks}, ${codec}`, () => produce(acks, codec));
  }
}
cases
  .set('produce: idempotent, many batches in flight, in order', idempotent)
  .set('produce: a record that is too large is refused', tooLarge)
  .set('produce: a topic is created by producing to it', autoCreation)
  .set('consume: beginning, end, offset and timestamp', positions)
  .set('consume: headers, null keys and tombstones come back', contents)
  .set('transactions: committed is read, aborted and open are not', transactions)
  .set('transactions: an older producer is fenced', fencing)
  .set('groups: commit and resume', resume)
  .set('groups: members join and leave', () => rebalance({ 'partition.assignment.strategy': 'range', ...QUICK }))
  .set('groups: members join and leave, cooperatively', cooperative)
  .set('groups: members join and leave, of KIP-848', () => rebalance({ 'group.protocol': 'consumer' }))
  .set('groups: a member is killed', () => killed(SHORT_LIVED))
  .set('groups: static members come back', staticMembers)
  .set('groups: offsets within a transaction', transactionalOffsets);

for (const [name, run] of cases) {
  const start = performance.now();
  let failure = null;
  try {
    await run();
  } catch (error) {
    failure = `${error.stack ?? JSON.stringify(error)}`;
  }
  console.log(JSON.stringify({ case: name, failure, ms: Math.round(performance.now() - start) }));
}
// Clients of failed cases would keep the process alive.
process.exit(0);
