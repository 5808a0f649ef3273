"""confluent-kafka (librdkafka) against a broker: suite_confluent.py HOST:PORT. One line of JSON for each case."""

import sys
import time
import uuid

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from suite_lines import member_process, numbered, run, same

SERVERS = sys.argv[1]
BASE_TIME = 1750000000000
ADMIN = AdminClient({"bootstrap.servers": SERVERS})


def topic(partitions=1):
    name = "confluent-%s" % uuid.uuid4()
    ADMIN.create_topics([NewTopic(name, partitions, 1)])[name].result(60)
    return name


def producer(**more):
    return Producer({"bootstrap.servers": SERVERS, "linger.ms": 5, **more})


def consumer(group=None, **more):
    settings = {
        "bootstrap.servers": SERVERS,
        "group.id": group or "unused-%s" % uuid.uuid4(),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 100,
    }
    settings.update(more)
    return Consumer(settings)


def fill(name, count, **more):
    delivered = []
    client = producer(**more)
    for i in range(count):
        client.produce(
            name,
            key="k%d" % i,
            value="value %d" % i,
            partition=0,
            timestamp=BASE_TIME + i * 1000,
            on_delivery=lambda error, message: delivered.append((error, message.offset())),
        )
    same(0, client.flush(60))
    return delivered


def read(client, count, extra=0.3):
    values = []
    end = time.monotonic() + 60
    while len(values) < count and time.monotonic() < end:
        message = client.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        values.append(message.value().decode() if message.value() is not None else None)
    message = client.poll(extra)
    if message is not None and not message.error():
        values.append(message.value().decode())
    return values


def read_at(name, offset, count, **more):
    client = consumer(**more)
    client.assign([TopicPartition(name, 0, offset)])
    values = read(client, count)
    client.close()
    return values


def topics():
    name = topic(2)
    metadata = ADMIN.list_topics(timeout=60)
    same({1}, set(metadata.brokers))
    same(2, len(metadata.topics[name].partitions))
    ADMIN.create_partitions([NewPartitions(name, 4)])[name].result(60)
    same(4, len(ADMIN.list_topics(name, timeout=60).topics[name].partitions))
    ADMIN.delete_topics([name])[name].result(60)
    same(False, name in ADMIN.list_topics(timeout=60).topics)


def configurations():
    name = topic()
    resource = ConfigResource("topic", name, set_config={"retention.ms": "7200000"})
    ADMIN.alter_configs([resource])[resource].result(60)
    described = ADMIN.describe_configs([ConfigResource("topic", name)])
    entries = list(described.values())[0].result(60)
    same("7200000", entries["retention.ms"].value)
    same("delete", entries["cleanup.policy"].value)


def produce(acks, codec):
    name = topic()
    delivered = fill(name, 100, **{"acks": acks, "compression.type": codec})
    same(100, len(delivered))
    same([None] * 100, [error for error, _ in delivered])
    if acks != "0":
        same(list(range(100)), [offset for _, offset in delivered])
    same(numbered(0, 100), read_at(name, OFFSET_BEGINNING, 100))


def idempotent():
    name = topic()
    delivered = fill(name, 1000, **{"enable.idempotence": True, "batch.num.messages": 10})
    same(list(range(1000)), [offset for _, offset in delivered])
    same(numbered(0, 1000), read_at(name, OFFSET_BEGINNING, 1000))


def too_large():
    name = topic()
    errors = []
    client = producer(**{"message.max.bytes": 10000000})
    client.produce(name, value=b"x" * 2000000, on_delivery=lambda error, _: errors.append(error.code()))
    same(0, client.flush(60))
    same([KafkaError.MSG_SIZE_TOO_LARGE], errors)


def positions():
    name = topic()
    fill(name, 20)
    same(numbered(13, 20), read_at(name, 13, 7))
    same([], read_at(name, OFFSET_END, 0))
    client = consumer()
    partition = TopicPartition(name, 0)
    same((0, 20), client.get_watermark_offsets(partition, timeout=60))
    found = client.offsets_for_times([TopicPartition(name, 0, BASE_TIME + 6500)], timeout=60)
    same([7], [each.offset for each in found])
    client.close()


def contents():
    name = topic()
    client = producer()
    client.produce(name, value="value", headers=[("name", b"\x00\xff"), ("empty", None)], timestamp=BASE_TIME)
    client.produce(name, key="key", value=None)
    same(0, client.flush(60))
    reader = consumer()
    reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    first, second = reader.consume(2, timeout=60)
    same(([("name", b"\x00\xff"), ("empty", None)], None, BASE_TIME), (first.headers(), first.key(), first.timestamp()[1]))
    same((b"key", None), (second.key(), second.value()))
    reader.close()


def auto_creation():
    name = "confluent-auto-%s" % uuid.uuid4()
    same([(None, 0)], [(error, offset) for error, offset in fill(name, 1)])


def transactions():
    name = topic()
    client = producer(**{"transactional.id": "tx-" + name})
    client.init_transactions(20)
    for block in range(4):
        client.begin_transaction()
        for i in range(10):
            client.produce(name, value="value %d" % (block * 10 + i))
        client.flush(60)
        if block % 2 == 0:
            client.commit_transaction(20)
        else:
            client.abort_transaction(20)
    committed = numbered(0, 10) + numbered(20, 30)
    same(committed, read_at(name, OFFSET_BEGINNING, 20, **{"isolation.level": "read_committed"}))
    same(numbered(0, 40), read_at(name, OFFSET_BEGINNING, 40, **{"isolation.level": "read_uncommitted"}))


def fencing():
    name = topic()
    older = producer(**{"transactional.id": "tx-" + name})
    newer = producer(**{"transactional.id": "tx-" + name})
    older.init_transactions(20)
    older.begin_transaction()
    older.produce(name, value="value -1")
    older.flush(60)
    newer.init_transactions(20)
    newer.begin_transaction()
    newer.produce(name, value="value 0")
    newer.commit_transaction(20)
    try:
        older.commit_transaction(20)
    except KafkaException as error:
        same(True, error.args[0].fatal())
        same(numbered(0, 1), read_at(name, OFFSET_BEGINNING, 1, **{"isolation.level": "read_committed"}))
        return
    raise AssertionError("the older producer was not fenced")


def resume():
    name = topic()
    fill(name, 10)
    first = consumer(name)
    first.subscribe([name])
    same(numbered(0, 10), read(first, 10))
    first.commit(offsets=[TopicPartition(name, 0, 4)], asynchronous=False)
    first.close()
    second = consumer(name)
    second.subscribe([name])
    same(numbered(4, 10), read(second, 6))
    second.close()


def settle(each, members):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for member in members:
            member.poll(0.1)
        if all(len(member.assignment()) == each for member in members):
            return
    raise AssertionError("not settled: %r" % [len(member.assignment()) for member in members])


def rebalance(strategy):
    name = topic(4)
    members = []
    for count in (1, 2, 4):
        while len(members) < count:
            settings = {"partition.assignment.strategy": strategy, "heartbeat.interval.ms": 300, "session.timeout.ms": 6000}
            members.append(consumer(name, **settings))
            members[-1].subscribe([name])
        settle(4 // count, members)
    while len(members) > 2:
        members.pop(0).close()
    settle(2, members)
    for member in members:
        member.close()


QUICK = {"heartbeat.interval.ms": 300, "session.timeout.ms": 6000}


def be_member(name):
    """A member in a process of its own, to be killed: it prints a line when it has both partitions."""
    member = consumer(name, **QUICK)
    member.subscribe([name])
    announced = False
    while True:
        member.poll(0.1)
        if not announced and len(member.assignment()) == 2:
            announced = True
            print("assigned", flush=True)


def killed():
    name = topic(2)
    with member_process(__file__, SERVERS, name) as member:
        other = consumer(name, **QUICK)
        other.subscribe([name])
        settle(1, [other])
        member.kill()
        settle(2, [other])
        other.close()


def static_members():
    name = topic(2)
    settings = {"heartbeat.interval.ms": 300, "session.timeout.ms": 30000}
    members = []
    for instance in ("one", "two"):
        members.append(consumer(name, **{"group.instance.id": instance, **settings}))
        members[-1].subscribe([name])
    settle(1, members)
    before = [(each.topic, each.partition) for each in members[0].assignment()]
    members[0].close()
    back = consumer(name, **{"group.instance.id": "one", **settings})
    back.subscribe([name])
    settle(1, [back, members[1]])
    same(before, [(each.topic, each.partition) for each in back.assignment()])
    back.close()
    members[1].close()


def transactional_offsets():
    source, target = topic(), topic()
    fill(source, 10)
    reader = consumer(source)
    reader.subscribe([source])
    values = read(reader, 10)
    writer = producer(**{"transactional.id": "eos-" + source})
    writer.init_transactions(20)
    for commits in (False, True):
        writer.begin_transaction()
        for value in values:
            writer.produce(target, value=value)
        writer.send_offsets_to_transaction([TopicPartition(source, 0, 10)], reader.consumer_group_metadata(), 20)
        if commits:
            writer.commit_transaction(20)
        else:
            writer.abort_transaction(20)
        committed = reader.committed([TopicPartition(source, 0)], timeout=60)[0].offset
        same(10 if commits else -1001, committed)
    reader.close()
    same(numbered(0, 10), read_at(target, OFFSET_BEGINNING, 10, **{"isolation.level": "read_committed"}))


CASES = [
    ("admin: topics are created, extended, listed and deleted", topics),
    ("admin: configurations are changed and described", configurations),
]
for acks_of_case in ("all", "1", "0"):
    for codec_of_case in ("none", "gzip", "snappy", "lz4", "zstd"):
        CASES.append(
            (
                "produce: acks=%s, %s" % (acks_of_case, codec_of_case),
                lambda acks=acks_of_case, codec=codec_of_case: produce(acks, codec),
            )
        )
CASES += [
    ("produce: idempotent, many batches in flight, in order", idempotent),
    ("produce: a record that is too large is refused", too_large),
    ("produce: a topic is created by producing to it", auto_creation),
    ("consume: beginning, end, offset and timestamp", positions),
    ("consume: headers, null keys and tombstones come back", contents),
    ("transactions: committed is read, aborted is not", transactions),
    ("transactions: an older producer is fenced", fencing),
    ("groups: commit and resume", resume),
    ("groups: members join and leave", lambda: rebalance("range")),
    ("groups: members join and leave, cooperatively", lambda: rebalance("cooperative-sticky")),
    ("groups: a member that is killed leaves its partitions", killed),
    ("groups: static members come back", static_members),
    ("groups: offsets within a transaction", transactional_offsets),
]

if len(sys.argv) > 2:
    be_member(sys.argv[2])
run(CASES)
