// The Java client against a broker: `java -cp ... Suite.java HOST:PORT`. Each case prints one line of JSON.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

public class Suite {
    interface Case {
        void run() throws Exception;
    }

    private static final long BASE_TIME = 1_750_000_000_000L;
    private final String servers;
    private final Admin admin;

    private Suite(String servers) {
        this.servers = servers;
        this.admin = Admin.create(properties(Map.of()));
    }

    public static void main(String[] args) {
        Suite suite = new Suite(args[0]);
        suite.check("admin: topics are created, described, extended, listed and deleted", suite::topics);
        suite.check("admin: refusals are Kafka's", suite::refusals);
        suite.check("admin: configurations are changed and described", suite::configurations);
        suite.check("admin: offsets are listed by every specification", suite::offsets);
        suite.check("admin: records are deleted", suite::deletedRecords);
        suite.check("admin: cluster, features, log directories and producers are described", suite::cluster);
        for (String acks : List.of("all", "1", "0")) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                suite.check("produce: acks=" + acks + ", " + codec, () -> suite.produce(acks, codec));
            }
        }
        suite.check("produce: idempotent, many batches in flight, in order", suite::idempotence);
        suite.check("produce: a record that is too large is refused", suite::tooLarge);
        suite.check("consume: beginning, end, offset and timestamp", suite::positions);
        suite.check("consume: headers, null keys and tombstones come back", suite::contents);
        suite.check("transactions: committed is read, aborted is not", suite::transactions);
        suite.check("transactions: an older producer is fenced", suite::fencing);
        for (String protocol : List.of("classic", "consumer")) {
            suite.check("groups: " + protocol + ", commit and resume", () -> suite.resume(protocol));
            suite.check("groups: " + protocol + ", members join and leave", () -> suite.rebalance(protocol));
            suite.check("groups: " + protocol + ", static members come back", () -> suite.staticMembers(protocol));
        }
        suite.check("groups: cooperative rebalancing", suite::cooperative);
        suite.check("groups: admin lists, describes, changes offsets and deletes", suite::groupAdmin);
        suite.check("groups: offsets within a transaction", suite::transactionalOffsets);
        suite.admin.close(Duration.ofSeconds(5));
        System.exit(0);
    }

    private void check(String name, Case test) {
        long start = System.nanoTime();
        String failure = "null";
        try {
            test.run();
        } catch (Throwable error) {
            Throwable cause = error instanceof ExecutionException && error.getCause() != null ? error.getCause() : error;
            failure = quoted(cause + " at " + place(cause));
        }
        long ms = (System.nanoTime() - start) / 1_000_000;
        System.out.println("{\"case\":" + quoted(name) + ",\"failure\":" + failure + ",\"ms\":" + ms + "}");
        System.out.flush();
    }

    private static String place(Throwable error) {
        for (StackTraceElement element : error.getStackTrace()) {
            if (element.getClassName().startsWith("Suite")) return element.toString();
        }
        return "unknown";
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ") + "\"";
    }

    private static void same(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) throw new AssertionError("expected " + expected + ", was " + actual);
    }

    private Properties properties(Map<String, Object> more) {
        Properties all = new Properties();
        all.put("bootstrap.servers", servers);
        all.put("default.api.timeout.ms", 60000);
        all.put("request.timeout.ms", 30000);
        all.putAll(more);
        return all;
    }

    private String topic(int partitions) throws Exception {
        String name = "java-" + UUID.randomUUID();
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
        return name;
    }

    private KafkaProducer<String, String> producer(Map<String, Object> more) {
        Properties all = properties(Map.of("delivery.timeout.ms", 60000));
        all.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        all.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        all.putAll(more);
        return new KafkaProducer<>(all);
    }

    private KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Properties all = properties(Map.of("auto.offset.reset", "earliest", "enable.auto.commit", false));
        all.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        all.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        all.putAll(more);
        return new KafkaConsumer<>(all);
    }

    /** Values of so many records, or as many as came in a minute. */
    private static List<String> read(KafkaConsumer<String, String> consumer, int count) {
        List<String> values = new ArrayList<>();
        long end = System.currentTimeMillis() + 60_000;
        while (values.size() < count && System.currentTimeMillis() < end) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) values.add(record.value());
        }
        return values;
    }

    private List<String> readAll(String topic, int count, String isolation) {
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("isolation.level", isolation))) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            List<String> values = read(consumer, count);
            // One more look finds what should not be there.
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(300))) values.add(record.value());
            return values;
        }
    }

    private static List<String> numbered(int from, int to) {
        List<String> values = new ArrayList<>();
        for (int i = from; i < to; i++) values.add("value " + i);
        return values;
    }

    private void fill(String topic, int records) throws Exception {
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < records; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, BASE_TIME + i * 1000L, "k" + i, "value " + i)));
            }
            for (Future<RecordMetadata> each : sent) each.get();
        }
    }

    private void topics() throws Exception {
        String name = topic(2);
        TopicDescription described = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
        same(2, described.partitions().size());
        same(1, described.partitions().get(0).leader().id());
        // By id it is asked of Metadata, which does not tell of eligible leader replicas.
        TopicDescription byId = admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(described.topicId())))
            .allTopicIds().get().get(described.topicId());
        same(described.name(), byId.name());
        same(described.partitions().get(1).isr(), byId.partitions().get(1).isr());
        // What one response has no room for comes in pages.
        same(5, pages(name));
        admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all().get();
        same(5, admin.describeTopics(List.of(name)).allTopicNames().get().get(name).partitions().size());
        same(true, admin.listTopics().names().get().contains(name));
        admin.deleteTopics(List.of(name)).all().get();
        same(false, admin.listTopics().names().get().contains(name));
    }

    /** The partitions of a further topic, asked for two at a time. */
    private int pages(String name) throws Exception {
        String other = topic(3);
        Map<String, TopicDescription> topics = admin
            .describeTopics(List.of(name, other), new DescribeTopicsOptions().partitionSizeLimitPerResponse(2))
            .allTopicNames().get();
        return topics.get(name).partitions().size() + topics.get(other).partitions().size();
    }

    private void refusals() throws Exception {
        String name = topic(1);
        refused(TopicExistsException.class, () -> admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all().get());
        refused(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of("missing-" + name)).allTopicNames().get());
    }

    private static void refused(Class<? extends Exception> kind, Case test) throws Exception {
        try {
            test.run();
        } catch (ExecutionException error) {
            same(kind, error.getCause().getClass());
            return;
        }
        throw new AssertionError("nothing was refused");
    }

    private void configurations() throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic(1));
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET)))).all().get();
        ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms");
        same("7200000", entry.value());
        same(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, entry.source());
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        same("1", admin.describeConfigs(List.of(broker)).all().get().get(broker).get("node.id").value());
    }

    private void offsets() throws Exception {
        String name = topic(1);
        fill(name, 10);
        Map<OffsetSpec, Long> expected = Map.of(OffsetSpec.earliest(), 0L, OffsetSpec.latest(), 10L,
            OffsetSpec.maxTimestamp(), 9L, OffsetSpec.forTimestamp(BASE_TIME + 4500), 5L, OffsetSpec.forTimestamp(BASE_TIME * 2), -1L);
        TopicPartition partition = new TopicPartition(name, 0);
        for (Map.Entry<OffsetSpec, Long> each : expected.entrySet()) {
            ListOffsetsResultInfo found = admin.listOffsets(Map.of(partition, each.getKey())).partitionResult(partition).get();
            same(each.getValue(), found.offset());
        }
    }

    private void deletedRecords() throws Exception {
        TopicPartition partition = new TopicPartition(topic(1), 0);
        fill(partition.topic(), 10);
        same(6L, admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(6))).lowWatermarks().get(partition).get().lowWatermark());
        same(numbered(6, 10), readAll(partition.topic(), 4, "read_uncommitted"));
    }

    private void cluster() throws Exception {
        same(1, admin.describeCluster().nodes().get().size());
        admin.describeFeatures().featureMetadata().get();
        same(false, admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).isEmpty());
        TopicPartition partition = new TopicPartition(topic(1), 0);
        fill(partition.topic(), 3);
        same(1, admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().size());
    }

    private void produce(String acks, String codec) throws Exception {
        String name = topic(1);
        try (KafkaProducer<String, String> producer = producer(Map.of(
            "acks", acks, "compression.type", codec, "enable.idempotence", acks.equals("all"), "linger.ms", 5))) {
            for (int i = 0; i < 200; i++) producer.send(new ProducerRecord<>(name, "key " + i, "value " + i));
            producer.flush();
        }
        same(numbered(0, 200), readAll(name, 200, "read_uncommitted"));
    }

    private void idempotence() throws Exception {
        String name = topic(1);
        try (KafkaProducer<String, String> producer = producer(Map.of("batch.size", 200, "linger.ms", 0))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 2000; i++) sent.add(producer.send(new ProducerRecord<>(name, "value " + i)));
            for (int i = 0; i < 2000; i++) same((long) i, sent.get(i).get().offset());
        }
        same(numbered(0, 2000), readAll(name, 2000, "read_uncommitted"));
    }

    private void tooLarge() throws Exception {
        String name = topic(1);
        try (KafkaProducer<String, String> producer = producer(Map.of("max.request.size", 10_000_000))) {
            refused(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>(name, "x".repeat(2_000_000))).get());
            same(0L, producer.send(new ProducerRecord<>(name, "small")).get().offset());
        }
    }

    private void positions() throws Exception {
        TopicPartition partition = new TopicPartition(topic(1), 0);
        fill(partition.topic(), 20);
        try (KafkaConsumer<String, String> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            same(numbered(0, 20), read(consumer, 20));
            consumer.seek(partition, 13);
            same(numbered(13, 20), read(consumer, 7));
            same(7L, consumer.offsetsForTimes(Map.of(partition, BASE_TIME + 6500)).get(partition).offset());
            consumer.seekToEnd(List.of(partition));
            same(20L, consumer.position(partition));
            fill(partition.topic(), 1);
            same(numbered(0, 1), read(consumer, 1));
            same(Map.of(partition, 0L), consumer.beginningOffsets(List.of(partition)));
            same(Map.of(partition, 21L), consumer.endOffsets(List.of(partition)));
        }
    }

    private void contents() throws Exception {
        TopicPartition partition = new TopicPartition(topic(1), 0);
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            ProducerRecord<String, String> record = new ProducerRecord<>(partition.topic(), 0, BASE_TIME, null, "value");
            record.headers().add("name", new byte[] {0, -1}).add("empty", null);
            producer.send(record).get();
            producer.send(new ProducerRecord<>(partition.topic(), "key", null)).get();
        }
        try (KafkaConsumer<String, String> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            for (int tries = 0; tries < 50 && records.size() < 2; tries++) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
            same(null, records.get(0).key());
            same(BASE_TIME, records.get(0).timestamp());
            same(-1, (int) records.get(0).headers().lastHeader("name").value()[1]);
            same(null, records.get(0).headers().lastHeader("empty").value());
            same("key", records.get(1).key());
            same(null, records.get(1).value());
        }
    }

    private void transactions() throws Exception {
        String name = topic(1);
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "tx-" + name))) {
            producer.initTransactions();
            for (int round = 0; round < 6; round++) {
                producer.beginTransaction();
                for (int i = 0; i < 10; i++) producer.send(new ProducerRecord<>(name, "value " + (round * 10 + i)));
                producer.flush();
                if (round % 2 == 0) producer.commitTransaction();
                else producer.abortTransaction();
            }
        }
        List<String> committed = numbered(0, 10);
        committed.addAll(numbered(20, 30));
        committed.addAll(numbered(40, 50));
        same(committed, readAll(name, 30, "read_committed"));
        same(numbered(0, 60), readAll(name, 60, "read_uncommitted"));
    }

    private void fencing() throws Exception {
        String name = topic(1);
        try (KafkaProducer<String, String> older = producer(Map.of("transactional.id", "tx-" + name));
            KafkaProducer<String, String> newer = producer(Map.of("transactional.id", "tx-" + name))) {
            older.initTransactions();
            older.beginTransaction();
            older.send(new ProducerRecord<>(name, "value -1")).get();
            newer.initTransactions();
            newer.beginTransaction();
            newer.send(new ProducerRecord<>(name, "value 0")).get();
            newer.commitTransaction();
            try {
                older.commitTransaction();
                throw new AssertionError("the older producer was not fenced");
            } catch (ProducerFencedException | org.apache.kafka.common.errors.InvalidProducerEpochException expected) {
                same(numbered(0, 1), readAll(name, 1, "read_committed"));
            }
        }
    }

    private Map<String, Object> member(String group, String protocol) {
        TreeMap<String, Object> all = new TreeMap<>(Map.of("group.id", group, "group.protocol", protocol));
        if (protocol.equals("classic")) all.put("heartbeat.interval.ms", 300);
        if (protocol.equals("classic")) all.put("session.timeout.ms", 6000);
        return all;
    }

    private void resume(String protocol) throws Exception {
        String name = topic(1);
        fill(name, 10);
        TopicPartition partition = new TopicPartition(name, 0);
        try (KafkaConsumer<String, String> consumer = consumer(member(name, protocol))) {
            consumer.subscribe(List.of(name));
            same(numbered(0, 10), read(consumer, 10));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(4, "half way")));
            same("half way", consumer.committed(Set.of(partition)).get(partition).metadata());
        }
        try (KafkaConsumer<String, String> consumer = consumer(member(name, protocol))) {
            consumer.subscribe(List.of(name));
            same(numbered(4, 10), read(consumer, 6));
        }
    }

    /** Polls all until every partition has one owner and each member has so many. */
    private static void settle(int each, List<KafkaConsumer<String, String>> members) {
        long end = System.currentTimeMillis() + 120_000;
        while (System.currentTimeMillis() < end) {
            for (KafkaConsumer<String, String> member : members) member.poll(Duration.ofMillis(100));
            if (members.stream().allMatch((member) -> member.assignment().size() == each)) return;
        }
        throw new AssertionError("not settled: " + members.stream().map((member) -> member.assignment().size()).toList());
    }

    private void rebalance(String protocol) throws Exception {
        String name = topic(4);
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        for (int count : new int[] {1, 2, 4}) {
            while (members.size() < count) {
                members.add(consumer(member(name, protocol)));
                members.get(members.size() - 1).subscribe(List.of(name));
            }
            settle(4 / count, members);
        }
        while (members.size() > 2) members.remove(0).close();
        settle(2, members);
        for (KafkaConsumer<String, String> each : members) each.close();
    }

    private void staticMembers(String protocol) throws Exception {
        String name = topic(2);
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        for (String instance : List.of("one", "two")) {
            Map<String, Object> all = member(name, protocol);
            all.put("group.instance.id", instance);
            members.add(consumer(all));
            members.get(members.size() - 1).subscribe(List.of(name));
        }
        settle(1, members);
        Set<TopicPartition> before = members.get(0).assignment();
        Set<TopicPartition> other = members.get(1).assignment();
        // A static member that closes without leaving keeps its place.
        members.get(0).close();
        Map<String, Object> all = member(name, protocol);
        all.put("group.instance.id", "one");
        KafkaConsumer<String, String> back = consumer(all);
        back.subscribe(List.of(name));
        settle(1, List.of(back, members.get(1)));
        same(before, back.assignment());
        same(other, members.get(1).assignment());
        back.close();
        members.get(1).close();
    }

    private void cooperative() throws Exception {
        String name = topic(4);
        Map<String, Object> all = member(name, "classic");
        all.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        List<Collection<TopicPartition>> revoked = new ArrayList<>();
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            members.add(consumer(all));
            members.get(i).subscribe(List.of(name), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    if (!partitions.isEmpty()) revoked.add(partitions);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                }
            });
            settle(4 / members.size(), members);
        }
        // The first member gave up two partitions once, and never all four.
        same(1, revoked.size());
        same(2, revoked.get(0).size());
        for (KafkaConsumer<String, String> each : members) each.close();
    }

    private void groupAdmin() throws Exception {
        String name = topic(1);
        fill(name, 5);
        TopicPartition partition = new TopicPartition(name, 0);
        try (KafkaConsumer<String, String> consumer = consumer(member(name, "classic"))) {
            consumer.subscribe(List.of(name));
            read(consumer, 5);
            consumer.commitSync();
            same(1, admin.describeConsumerGroups(List.of(name)).all().get().get(name).members().size());
        }
        same(5L, admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get().get(partition).offset());
        admin.alterConsumerGroupOffsets(name, Map.of(partition, new OffsetAndMetadata(2))).all().get();
        same(2L, admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get().get(partition).offset());
        same(true, admin.listConsumerGroups().all().get().stream().anyMatch((group) -> group.groupId().equals(name)));
        admin.deleteConsumerGroupOffsets(name, Set.of(partition)).all().get();
        admin.deleteConsumerGroups(List.of(name)).all().get();
        same(false, admin.listConsumerGroups().all().get().stream().anyMatch((group) -> group.groupId().equals(name)));
    }

    private void transactionalOffsets() throws Exception {
        String from = topic(1);
        String to = topic(1);
        fill(from, 10);
        try (KafkaConsumer<String, String> consumer = consumer(member(from, "classic"));
            KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "eos-" + from))) {
            consumer.subscribe(List.of(from));
            producer.initTransactions();
            List<String> values = read(consumer, 10);
            for (boolean commits : new boolean[] {false, true}) {
                producer.beginTransaction();
                for (String value : values) producer.send(new ProducerRecord<>(to, value));
                producer.sendOffsetsToTransaction(Map.of(new TopicPartition(from, 0), new OffsetAndMetadata(10)), consumer.groupMetadata());
                if (commits) producer.commitTransaction();
                else producer.abortTransaction();
                OffsetAndMetadata committed = consumer.committed(Set.of(new TopicPartition(from, 0))).get(new TopicPartition(from, 0));
                same(commits ? Long.valueOf(10) : null, committed == null ? null : committed.offset());
            }
        }
        same(numbered(0, 10), readAll(to, 10, "read_committed"));
    }
}
