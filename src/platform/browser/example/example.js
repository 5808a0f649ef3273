// The example page: a log in this browser whose records go to a broker when that can be reached. Its address comes from
// the page's own: `?broker=ws://HOST:PORT`.

import { connect, openBroker } from '../millrace.js';

const TOPIC = 'notes';
/** Newest records that a list shows. */
const SHOWN = 8;
const RECONNECT_MS = 1000;

const url = new URLSearchParams(location.search).get('broker') ?? 'ws://127.0.0.1:8092';
const element = (id) => document.getElementById(id);

/** How the uplink's states are told, and with what mood. */
const STATES = {
  connecting: ['connecting', 'busy'],
  offline: ['offline: the broker is out of reach', 'busy'],
  failing: ['the broker refuses', 'bad'],
  sending: ['sending', 'busy'],
  idle: ['everything has arrived', 'good'],
  closed: ['closed', 'bad'],
};

/** The newest records of a topic, as a list of the page. */
class RecordList {
  constructor(list) {
    this.list = list;
    this.records = [];
    this.end = 0;
  }

  add(records) {
    this.records = [...this.records, ...records].slice(-SHOWN);
    this.end = records.at(-1).offset + 1;
  }

  /** `arrivedEnd` is the offset from which on records wait; none are marked without it. */
  show(arrivedEnd) {
    this.list.replaceChildren(...this.records.toReversed().map((record) => line(record, arrivedEnd)));
  }
}

function line(record, arrivedEnd) {
  const item = document.createElement('li');
  const offset = document.createElement('code');
  const text = document.createElement('span');
  offset.textContent = String(record.offset);
  text.textContent = record.text();
  item.append(offset, text);
  if (arrivedEnd !== undefined) item.className = record.offset < arrivedEnd ? 'arrived' : 'waits';
  return item;
}

const local = new RecordList(element('local'));
const remote = new RecordList(element('remote'));
let broker;

function showState() {
  const { state, behind, fault } = broker?.uplink ?? { state: 'connecting' };
  const [words, mood] = STATES[state];
  element('uplink').textContent = words;
  element('uplink').className = mood;
  const waiting = behind ?? local.end - remote.end;
  element('behind').textContent = Math.max(0, waiting).toLocaleString('en');
  element('fault').hidden = fault === undefined || state !== 'failing';
  element('fault').textContent = fault?.message ?? '';
  local.show(state === 'idle' ? local.end : Math.min(remote.end, local.end));
  if (broker !== undefined) {
    const place = broker.storage === 'opfs' ? 'on this device' : 'in memory: gone with the last tab';
    element('log').textContent = broker.isLeader ? place : `${place}, by another tab`;
    element('log').className = broker.storage === 'opfs' ? 'good' : 'busy';
  }
}

function fail(error) {
  element('fault').hidden = false;
  element('fault').textContent = String(error);
}

async function follow(client, list, isolation) {
  const consumer = client.consumer({ isolation });
  await consumer.assign([{ topic: TOPIC, from: 'beginning' }]);
  for await (const { records } of consumer.batches()) {
    list.add(records);
    list.show();
    showState();
  }
}

/** Reads what has arrived at the broker, again and again where it goes away. */
async function followRemote() {
  for (;;) {
    try {
      const client = await connect({ url, retries: 0 });
      element('reach').textContent = 'as its consumers read it';
      await follow(client, remote, 'read_committed');
    } catch (error) {
      element('reach').textContent = error.code === 'ERR_BROKER' ? 'nothing has arrived yet' : 'out of reach';
    }
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
  }
}

element('url').textContent = url;
broker = await openBroker({ uplink: { url, topics: [TOPIC] }, onUplink: showState });
const client = broker.client();
const producer = client.producer({ lingerMs: 0 });

element('write').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = element('text');
  producer.send({ topic: TOPIC, messages: [{ value: text.value }] }).catch(fail);
  text.value = '';
});
element('many').addEventListener('click', () => {
  const messages = Array.from({ length: 1000 }, (_, index) => ({ value: `note ${index + 1} of 1,000` }));
  producer.send({ topic: TOPIC, messages }).catch(fail);
});

await client
  .admin()
  .createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] })
  .catch(() => undefined);
showState();
follow(client, local).catch(fail);
followRemote();
