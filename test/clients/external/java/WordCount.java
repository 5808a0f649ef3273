// Kafka Streams' word count, exactly once: `java -cp ... WordCount.java HOST:PORT LINES`. It writes so many lines of known
// words while the topology runs, says how far it is ("produced N", "counted N"), and ends when each word's counts were
// read with read_committed as 1, 2, 3 and so on, none missing and none twice.

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Produced;

public class WordCount {
    private static final String[] WORDS = "the quick brown fox jumps over the lazy dog and runs far away".split(" ");
    private static final int PARTITIONS = 2;
    private static final int LINES_A_SECOND = 200;

    public static void main(String[] args) throws Exception {
        String servers = args[0];
        int lines = Integer.parseInt(args[1]);
        String id = "word-count-" + UUID.randomUUID();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
            admin.createTopics(List.of(new NewTopic(id + "-lines", PARTITIONS, (short) 1),
                new NewTopic(id + "-counts", PARTITIONS, (short) 1))).all().get();
        }
        Path state = Files.createTempDirectory("word-count");
        KafkaStreams streams = new KafkaStreams(topology(id), properties(servers, id, state));
        streams.setUncaughtExceptionHandler((error) -> {
            System.err.println("a stream thread ended: " + error);
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        Thread writer = new Thread(() -> write(servers, id + "-lines", lines));
        writer.start();
        String failure = count(servers, id + "-counts", lines);
        writer.join();
        streams.close(Duration.ofSeconds(10));
        System.out.println(failure == null ? "exact" : failure);
        System.exit(failure == null ? 0 : 1);
    }

    private static Topology topology(String id) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(id + "-lines")
            .flatMapValues((line) -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word)
            .count()
            .toStream()
            .to(id + "-counts", Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    private static Properties properties(String servers, String id, Path state) {
        Properties all = new Properties();
        all.putAll(Map.of("application.id", id, "bootstrap.servers", servers, "state.dir", state.toString()));
        all.putAll(Map.of("processing.guarantee", "exactly_once_v2", "num.stream.threads", 2, "statestore.cache.max.bytes", 0));
        all.put("default.key.serde", Serdes.String().getClass());
        all.put("default.value.serde", Serdes.String().getClass());
        return all;
    }

    private static String line(int index) {
        return WORDS[index % WORDS.length] + " " + WORDS[index * 7 % WORDS.length] + " " + WORDS[index * 5 % 11];
    }

    private static void write(String servers, String topic, int lines) {
        Properties all = new Properties();
        all.putAll(Map.of("bootstrap.servers", servers, "delivery.timeout.ms", 120_000));
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(all, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < lines; i++) {
                producer.send(new ProducerRecord<>(topic, String.valueOf(i), line(i)), (metadata, error) -> {
                    if (error != null) System.err.println("a line was not written: " + error);
                });
                if (i % (LINES_A_SECOND / 10) != 0) continue;
                System.out.println("produced " + i);
                pause(100);
            }
        }
    }

    private static void pause(int ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    /** What is wrong, or null. */
    private static String count(String servers, String topic, int lines) {
        Map<String, Long> expected = new TreeMap<>();
        for (int i = 0; i < lines; i++) for (String word : line(i).split(" ")) expected.merge(word, 1L, Long::sum);
        Map<String, Long> counts = new TreeMap<>();
        Properties all = new Properties();
        all.putAll(Map.of("bootstrap.servers", servers, "isolation.level", "read_committed"));
        try (KafkaConsumer<String, Long> consumer = new KafkaConsumer<>(all, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> partitions = IntStream.range(0, PARTITIONS).mapToObj((index) -> new TopicPartition(topic, index)).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long end = System.currentTimeMillis() + 180_000;
            while (!counts.equals(expected) && System.currentTimeMillis() < end) {
                for (ConsumerRecord<String, Long> record : consumer.poll(Duration.ofMillis(500))) {
                    Long before = counts.put(record.key(), record.value());
                    if (record.value() != (before == null ? 1 : before + 1)) {
                        return record.key() + " was " + before + ", then " + record.value() + " at offset " + record.offset();
                    }
                }
                System.out.println("counted " + counts.values().stream().mapToLong(Long::longValue).sum());
            }
        }
        return counts.equals(expected) ? null : "counted " + counts + ", and not " + expected;
    }
}
