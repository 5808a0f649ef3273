// Fills a broker with records of every kind (`java -cp ... Records.java fill HOST:PORT`), adds some of each kind to what
// is there (`more HOST:PORT`), and prints what a broker serves (`print HOST:PORT`): two that print the same serve the same.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

public class Records {
    private static final long BASE_TIME = System.currentTimeMillis() - 3_600_000;
    private static final String STRINGS = "org.apache.kafka.common.serialization.String";
    /** Makes segments roll. */
    private static final String PADDING = " and some more".repeat(20);
    private final String servers;
    private final Admin admin;

    private Records(String servers) {
        this.servers = servers;
        this.admin = Admin.create(Map.of("bootstrap.servers", servers));
    }

    public static void main(String[] args) throws Exception {
        Records records = new Records(args[1]);
        if (args[0].equals("fill")) records.fill();
        else if (args[0].equals("more")) records.more();
        else records.print();
        records.admin.close();
        System.exit(0);
    }

    private void create(String name, int partitions, Map<String, String> configs) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all().get();
    }

    private KafkaProducer<String, String> producer(Map<String, Object> more) {
        Properties all = new Properties();
        all.putAll(Map.of("bootstrap.servers", servers, "key.serializer", STRINGS + "Serializer", "value.serializer", STRINGS + "Serializer"));
        all.putAll(more);
        return new KafkaProducer<>(all);
    }

    private KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Properties all = new Properties();
        // A consumer that closes waits for the fetch under way.
        all.putAll(Map.of("bootstrap.servers", servers, "enable.auto.commit", false, "auto.offset.reset", "earliest", "fetch.max.wait.ms", 20));
        all.putAll(Map.of("key.deserializer", STRINGS + "Deserializer", "value.deserializer", STRINGS + "Deserializer"));
        all.putAll(more);
        return new KafkaConsumer<>(all);
    }

    private static void send(KafkaProducer<String, String> producer, List<ProducerRecord<String, String>> records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<String, String> record : records) sent.add(producer.send(record));
        producer.flush();
        for (Future<RecordMetadata> each : sent) each.get();
    }

    private static List<ProducerRecord<String, String>> numbered(String topic, int from, int to) {
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        for (int i = from; i < to; i++) records.add(new ProducerRecord<>(topic, 0, BASE_TIME + i, "key " + i % 50, "value " + i + PADDING));
        return records;
    }

    private void fill() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            create("codec-" + codec, 1, Map.of("segment.bytes", "1048576"));
            try (KafkaProducer<String, String> producer = producer(Map.of("compression.type", codec, "linger.ms", 20))) {
                send(producer, numbered("codec-" + codec, 0, 6000));
            }
        }
        create("spread", 3, Map.of());
        try (KafkaProducer<String, String> producer = producer(Map.of("enable.idempotence", false, "acks", "1"))) {
            for (int i = 0; i < 300; i++) {
                ProducerRecord<String, String> record = new ProducerRecord<>("spread", i % 7 == 0 ? null : "key " + i, i % 11 == 0 ? null : "value " + i);
                record.headers().add("index", String.valueOf(i).getBytes()).add("null", null);
                producer.send(record);
            }
        }
        transactions();
        compacted();
        groups();
    }

    private void transactions() throws Exception {
        create("transactional", 1, Map.of());
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "records", "compression.type", "lz4"))) {
            producer.initTransactions();
            for (int round = 0; round < 20; round++) {
                producer.beginTransaction();
                send(producer, numbered("transactional", round * 100, round * 100 + 100));
                if (round % 3 == 2) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
    }

    /** Enough updates of few keys, and segments small enough, that a cleaner has work; with deletions. */
    private void compacted() throws Exception {
        create("compacted", 1, Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.ms", "1000"));
        try (KafkaProducer<String, String> producer = producer(Map.of("compression.type", "zstd", "batch.size", 2000))) {
            for (int round = 0; round < 4; round++) {
                send(producer, numbered("compacted", round * 3000, round * 3000 + 3000));
                Thread.sleep(1100);
            }
            for (int i = 0; i < 5; i++) producer.send(new ProducerRecord<String, String>("compacted", "key " + i, null)).get();
            Thread.sleep(1100);
            send(producer, numbered("compacted", 12_005, 12_010));
        }
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "compacted"))) {
            producer.initTransactions();
            for (int round = 0; round < 2; round++) {
                producer.beginTransaction();
                send(producer, numbered("compacted", 12_010 + round * 20, 12_030 + round * 20));
                if (round == 0) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
    }

    /** Further records where there are some already, by producers of every kind, and further commits. */
    private void more() throws Exception {
        for (String topic : List.of("codec-none", "codec-zstd", "spread", "transactional")) {
            try (KafkaProducer<String, String> producer = producer(Map.of("compression.type", "lz4"))) {
                send(producer, numbered(topic, 50_000, 50_100));
            }
        }
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "records"))) {
            producer.initTransactions();
            for (int round = 0; round < 2; round++) {
                producer.beginTransaction();
                send(producer, numbered("transactional", 60_000 + round * 10, 60_010 + round * 10));
                if (round == 0) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
        groups();
    }

    /** Committed offsets of two groups; the one of them has a member that leaves. */
    private void groups() throws Exception {
        TopicPartition partition = new TopicPartition("codec-none", 0);
        admin.alterConsumerGroupOffsets("assigned", Map.of(partition, new OffsetAndMetadata(123, "by hand"))).all().get();
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("group.id", "subscribed"))) {
            consumer.subscribe(List.of("codec-none"));
            while (!consumer.assignment().contains(partition)) consumer.poll(Duration.ofMillis(100));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(4567)));
        }
    }

    private void print() throws Exception {
        List<String> names = new ArrayList<>(new TreeSet<>(admin.listTopics().names().get()));
        names.removeIf((name) -> name.startsWith("__"));
        for (TopicDescription topic : admin.describeTopics(names).allTopicNames().get().values().stream()
            .sorted(Comparator.comparing(TopicDescription::name)).toList()) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic.name());
            String configs = admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().stream()
                .filter((entry) -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
                .map((entry) -> entry.name() + "=" + entry.value()).sorted().collect(Collectors.joining(" "));
            System.out.println("topic " + topic.name() + " " + topic.topicId() + " " + topic.partitions().size() + " " + configs);
            for (String isolation : List.of("read_uncommitted", "read_committed")) {
                for (int index = 0; index < topic.partitions().size(); index++) {
                    read(new TopicPartition(topic.name(), index), isolation);
                }
            }
        }
        for (String group : List.of("assigned", "subscribed")) {
            System.out.println("group " + group + " " + admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
        }
    }

    private void read(TopicPartition partition, String isolation) {
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("isolation.level", isolation))) {
            consumer.assign(List.of(partition));
            long begin = consumer.beginningOffsets(List.of(partition)).get(partition);
            long end = consumer.endOffsets(Set.of(partition)).get(partition);
            System.out.println("partition " + partition + " " + isolation + " " + begin + " to " + end);
            consumer.seekToBeginning(List.of(partition));
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    String headers = "";
                    for (org.apache.kafka.common.header.Header header : record.headers()) {
                        headers += " " + header.key() + "=" + (header.value() == null ? "null" : new String(header.value()));
                    }
                    System.out.println(partition + " " + record.offset() + " " + record.timestamp() + " " + record.key() + " " + record.value() + headers);
                }
            }
        }
    }
}
