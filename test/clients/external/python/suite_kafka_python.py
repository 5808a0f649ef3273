"""kafka-python against a broker: suite_kafka_python.py HOST:PORT. One line of JSON for each case."""

import sys
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata
from suite_lines import member_process, numbered, run, same

SERVERS = sys.argv[1]
BASE_TIME = 1750000000000
ADMIN = KafkaAdminClient(bootstrap_servers=SERVERS)


def topic(partitions=1):
    name = "kafka-python-%s" % uuid.uuid4()
    ADMIN.create_topics([NewTopic(name, partitions, 1)])
    return name


def fill(name, count, **settings):
    producer = KafkaProducer(bootstrap_servers=SERVERS, linger_ms=5, **settings)
    sent = [
        producer.send(name, key=b"k%d" % i, value=b"value %d" % i, partition=0, timestamp_ms=BASE_TIME + i * 1000)
        for i in range(count)
    ]
    producer.flush(60)
    results = [each.get(60) for each in sent]
    producer.close(10)
    return [each.offset for each in results]


def consumer(*names, **settings):
    all_settings = {"bootstrap_servers": SERVERS, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    all_settings.update(settings)
    return KafkaConsumer(*names, **all_settings)


def read(client, count):
    values = []
    end = time.monotonic() + 60
    while len(values) < count and time.monotonic() < end:
        for records in client.poll(timeout_ms=200).values():
            values += [record.value.decode() for record in records]
    return values


def assigned(name, **settings):
    client = consumer(**settings)
    client.assign([TopicPartition(name, 0)])
    return client


def topics():
    name = topic(2)
    try:
        ADMIN.create_topics([NewTopic(name, 2, 1)])
        raise AssertionError("created twice")
    except TopicAlreadyExistsError:
        pass
    ADMIN.create_partitions({name: NewPartitions(4)})
    described = ADMIN.describe_topics([name])[0]
    same([0, 1, 2, 3], sorted(each["partition"] for each in described["partitions"]))
    same(True, name in ADMIN.list_topics())
    ADMIN.delete_topics([name])
    same(False, name in ADMIN.list_topics())


def configurations():
    name = topic()
    ADMIN.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "7200000"})])
    response = ADMIN.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])[0]
    entries = {entry[0]: entry[1] for entry in response.resources[0][4]}
    same("7200000", entries["retention.ms"])
    same("delete", entries["cleanup.policy"])


def cluster():
    same([1], [broker["node_id"] for broker in ADMIN.describe_cluster()["brokers"]])


def produce(acks, codec):
    name = topic()
    offsets = fill(name, 100, acks=acks, compression_type=codec)
    same(list(range(100)) if acks != 0 else [-1] * 100, offsets)
    client = assigned(name)
    same(numbered(0, 100), read(client, 100))
    client.close()


def too_large():
    name = topic()
    producer = KafkaProducer(bootstrap_servers=SERVERS, max_request_size=10000000)
    try:
        producer.send(name, b"x" * 2000000).get(60)
        raise AssertionError("nothing was refused")
    except MessageSizeTooLargeError:
        pass
    same(0, producer.send(name, b"small").get(60).offset)
    producer.close(10)


def positions():
    name = topic()
    fill(name, 20)
    partition = TopicPartition(name, 0)
    client = assigned(name)
    client.seek(partition, 13)
    same(numbered(13, 20), read(client, 7))
    client.seek_to_beginning(partition)
    same(numbered(0, 20), read(client, 20))
    client.seek_to_end(partition)
    same(20, client.position(partition))
    same(7, client.offsets_for_times({partition: BASE_TIME + 6500})[partition].offset)
    same({partition: 0}, client.beginning_offsets([partition]))
    same({partition: 20}, client.end_offsets([partition]))
    client.close()


def contents():
    name = topic()
    producer = KafkaProducer(bootstrap_servers=SERVERS)
    producer.send(name, b"value", headers=[("name", b"\x00\xff")], timestamp_ms=BASE_TIME).get(60)
    producer.send(name, key=b"key", value=None).get(60)
    producer.close(10)
    client = assigned(name)
    records = []
    for _ in range(50):
        for batch in client.poll(timeout_ms=200).values():
            records += batch
        if len(records) == 2:
            break
    client.close()
    same((None, [("name", b"\x00\xff")], BASE_TIME), (records[0].key, records[0].headers, records[0].timestamp))
    same((b"key", None), (records[1].key, records[1].value))


def resume():
    name = topic()
    fill(name, 10)
    first = consumer(name, group_id=name)
    same(numbered(0, 10), read(first, 10))
    first.commit({TopicPartition(name, 0): OffsetAndMetadata(4, "half way")})
    first.close()
    second = consumer(name, group_id=name)
    same(numbered(4, 10), read(second, 6))
    second.close()


def settle(each, members):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for member in members:
            member.poll(timeout_ms=100)
        if all(len(member.assignment()) == each for member in members):
            return
    raise AssertionError("not settled: %r" % [len(member.assignment()) for member in members])


def rebalance():
    name = topic(4)
    members = []
    # kafka-python joins inside of poll: members that are polled in turn need each other's turns.
    for count in (1, 2):
        while len(members) < count:
            members.append(consumer(name, group_id=name, heartbeat_interval_ms=300, session_timeout_ms=6000))
        if count == 1:
            settle(4, members)
    import threading

    stop = threading.Event()

    def poll(member):
        while not stop.is_set():
            member.poll(timeout_ms=100)

    threads = [threading.Thread(target=poll, args=(member,), daemon=True) for member in members]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 120
    while time.monotonic() < end and [len(member.assignment()) for member in members] != [2, 2]:
        time.sleep(0.05)
    sizes = [len(member.assignment()) for member in members]
    stop.set()
    for thread in threads:
        thread.join(10)
    same([2, 2], sizes)
    members.pop(0).close()
    settle(4, members)
    members[0].close()


QUICK = {"heartbeat_interval_ms": 300, "session_timeout_ms": 6000}


def be_member(name):
    """A member in a process of its own, to be killed: it prints a line when it has both partitions."""
    member = consumer(name, group_id=name, **QUICK)
    announced = False
    while True:
        member.poll(timeout_ms=100)
        if not announced and len(member.assignment()) == 2:
            announced = True
            print("assigned", flush=True)


def killed():
    name = topic(2)
    with member_process(__file__, SERVERS, name) as member:
        other = consumer(name, group_id=name, **QUICK)
        settle(1, [other])
        member.kill()
        settle(2, [other])
        other.close()


def group_admin():
    name = topic()
    fill(name, 5)
    client = consumer(name, group_id=name)
    read(client, 5)
    client.commit()
    same("Stable", ADMIN.describe_consumer_groups([name])[0].state)
    client.close()
    same(5, ADMIN.list_consumer_group_offsets(name)[TopicPartition(name, 0)].offset)
    same(True, name in [each[0] for each in ADMIN.list_consumer_groups()])
    ADMIN.delete_consumer_groups([name])
    same(False, name in [each[0] for each in ADMIN.list_consumer_groups()])


CASES = [
    ("admin: topics are created, described, extended, listed and deleted", topics),
    ("admin: configurations are changed and described", configurations),
    ("admin: the cluster is described", cluster),
]
for acks_of_case in ("all", 1, 0):
    # Debian has no Python packages for the other codecs beside it.
    for codec_of_case in (None, "gzip"):
        CASES.append(
            (
                "produce: acks=%s, %s" % (acks_of_case, codec_of_case or "none"),
                lambda acks=acks_of_case, codec=codec_of_case: produce(acks, codec),
            )
        )
CASES += [
    ("produce: a record that is too large is refused", too_large),
    ("consume: beginning, end, offset and timestamp", positions),
    ("consume: headers, null keys and tombstones come back", contents),
    ("groups: commit and resume", resume),
    ("groups: members join and leave", rebalance),
    ("groups: a member that is killed leaves its partitions", killed),
    ("groups: admin lists, describes and deletes", group_admin),
]

if len(sys.argv) > 2:
    be_member(sys.argv[2])
run(CASES)
