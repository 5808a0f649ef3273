// Groups of Java consumers that are restarted one by one with the other group protocol, while a producer goes on:
// `java -cp ... Migration.java HOST:PORT`. Each case prints one line of JSON.

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.WakeupException;

public class Migration {
    private static final int MEMBERS = 3;
    private static final int PARTITIONS = 6;
    private static final long SETTLE_MS = 180_000;
    private final String servers;
    private final Admin admin;
    private final String assignor;
    private final String name = "migration-" + UUID.randomUUID();
    private final AtomicInteger sent = new AtomicInteger();
    private final AtomicBoolean stopped = new AtomicBoolean();
    /** Values that were read, with how often. */
    private final Map<String, Integer> read = new ConcurrentHashMap<>();
    /** Who read a record in a generation. */
    private final Map<String, String> readers = new ConcurrentHashMap<>();
    private final Set<String> faults = ConcurrentHashMap.newKeySet();

    private Migration(String servers, Admin admin, String assignor) {
        this.servers = servers;
        this.admin = admin;
        this.assignor = "org.apache.kafka.clients.consumer." + assignor;
    }

    public static void main(String[] args) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        Admin admin = Admin.create(properties);
        for (String assignor : List.of("RangeAssignor", "CooperativeStickyAssignor")) {
            for (boolean isStatic : new boolean[] {false, true}) {
                String failure = "null";
                Migration migration = new Migration(args[0], admin, assignor);
                try {
                    migration.run(isStatic);
                } catch (Throwable error) {
                    failure = quoted(error + " at " + error.getStackTrace()[0]);
                } finally {
                    migration.stopped.set(true);
                }
                String what = assignor + (isStatic ? ", static members" : "");
                System.out.println("{\"case\":" + quoted(what) + ",\"failure\":" + failure + "}");
                System.err.println(what + ": " + migration.sent.get() + " records, read again " + migration.readAgain());
                System.out.flush();
            }
        }
        admin.close(Duration.ofSeconds(5));
        System.exit(0);
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ") + "\"";
    }

    private int readAgain() {
        return read.values().stream().mapToInt((count) -> count - 1).sum();
    }

    /** A consumer in a thread of its own, which commits whatever it has read before it polls again. */
    private final class Member {
        final KafkaConsumer<String, String> consumer;
        final Thread thread;
        /** A static member is the same one when it comes back under another member id, and its generation goes on. */
        final String instanceId;
        volatile int partitions;

        Member(String protocol, String instanceId) {
            this.instanceId = instanceId;
            Map<String, Object> all = new TreeMap<>(Map.of("group.id", name, "group.protocol", protocol));
            all.put("bootstrap.servers", servers);
            all.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
            all.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
            all.put("auto.offset.reset", "earliest");
            all.put("enable.auto.commit", "false");
            if (instanceId != null) all.put("group.instance.id", instanceId);
            if (protocol.equals("classic")) {
                all.put("heartbeat.interval.ms", 200);
                all.put("partition.assignment.strategy", assignor);
            }
            consumer = new KafkaConsumer<>(all);
            thread = new Thread(this::loop);
            thread.start();
        }

        private void loop() {
            try (consumer) {
                consumer.subscribe(List.of(name));
                while (true) once();
            } catch (WakeupException stop) {
                // It was asked to stop, and has left.
            } catch (Throwable error) {
                faults.add(error.toString());
            }
        }

        private void once() {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                read.merge(record.value(), 1, Integer::sum);
                int generation = consumer.groupMetadata().generationId();
                String place = record.partition() + "/" + record.offset() + " in generation " + generation;
                String member = instanceId != null ? instanceId : consumer.groupMetadata().memberId();
                String other = readers.putIfAbsent(place, member);
                if (other != null && !other.equals(member)) faults.add(place + " was read by " + other + " and " + member);
            }
            partitions = consumer.assignment().size();
            try {
                consumer.commitSync(Duration.ofSeconds(10));
            } catch (CommitFailedException | RebalanceInProgressException | TimeoutException lost) {
                // Whoever has the partitions next reads these records again.
            }
        }

        void stop() throws InterruptedException {
            consumer.wakeup();
            thread.join();
        }
    }

    private void run(boolean isStatic) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, PARTITIONS, (short) 1))).all().get();
        Thread producing = new Thread(this::produce);
        producing.start();
        List<Member> members = new ArrayList<>();
        try {
            for (int index = 0; index < MEMBERS; index++) members.add(start("classic", index, isStatic));
            settle(members, GroupType.CLASSIC, 0);
            for (int index = 0; index < MEMBERS; index++) {
                members.get(index).stop();
                members.set(index, start("consumer", index, isStatic));
                settle(members, GroupType.CONSUMER, index + 1);
            }
            for (int index = 0; index < MEMBERS; index++) {
                members.get(index).stop();
                members.set(index, start("classic", index, isStatic));
                boolean isLast = index == MEMBERS - 1;
                settle(members, isLast ? GroupType.CLASSIC : GroupType.CONSUMER, MEMBERS - 1 - index);
            }
            stopped.set(true);
            producing.join();
            await("all records to be read", () -> read.size() == sent.get());
        } finally {
            stopped.set(true);
            for (Member member : members) member.stop();
        }
        if (!faults.isEmpty()) throw new AssertionError(faults.toString());
    }

    private Member start(String protocol, int index, boolean isStatic) {
        return new Member(protocol, isStatic ? "instance-" + index : null);
    }

    private void produce() {
        Map<String, Object> all = new TreeMap<>(Map.of("bootstrap.servers", servers, "linger.ms", 5));
        all.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        all.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(all)) {
            while (!stopped.get()) {
                for (int i = 0; i < 5; i++) {
                    int number = sent.getAndIncrement();
                    producer.send(new ProducerRecord<>(name, number % PARTITIONS, null, "value " + number), (metadata, error) -> {
                        if (error != null) faults.add("produce: " + error);
                    });
                }
                Thread.sleep(5);
            }
        } catch (InterruptedException stop) {
            throw new IllegalStateException(stop);
        }
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    private void await(String what, Condition condition) throws Exception {
        long end = System.currentTimeMillis() + SETTLE_MS;
        while (!condition.holds()) {
            if (!faults.isEmpty()) throw new AssertionError(faults.toString());
            if (System.currentTimeMillis() > end) throw new AssertionError("waited in vain for " + what);
            Thread.sleep(20);
        }
    }

    /** Waits until each member has its share, the group is of this type, and so many members are upgraded. */
    private void settle(List<Member> members, GroupType type, int upgraded) throws Exception {
        await("a share for everybody in a group of type " + type + " with " + upgraded + " upgraded", () -> {
            if (!members.stream().allMatch((member) -> member.partitions == PARTITIONS / MEMBERS)) return false;
            ConsumerGroupDescription group = admin.describeConsumerGroups(List.of(name)).all().get().get(name);
            long count = group.members().stream().filter((member) -> member.upgraded().orElse(false)).count();
            Set<Object> assigned = new HashSet<>();
            group.members().forEach((member) -> assigned.addAll(member.assignment().topicPartitions()));
            return group.type() == type && count == upgraded && group.members().size() == MEMBERS && assigned.size() == PARTITIONS;
        });
        int until = sent.get();
        await("what was sent to be read", () -> read.size() >= until);
    }
}
