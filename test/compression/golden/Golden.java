// Writes golden batches: what Kafka's own Java client makes of the same records under every codec. Nothing in here knows
// how Millrace compresses anything.
//
// To regenerate (JDK 17; jars as Maven names them: org.apache.kafka:kafka-clients:4.3.0, org.slf4j:slf4j-api:1.7.36,
// at.yawk.lz4:lz4-java:1.10.2, org.xerial.snappy:snappy-java:1.1.10.7, com.github.luben:zstd-jni:1.5.6-10):
//   java -cp <the jars> test/compression/golden/Golden.java test/compression/golden/batches.jsonl
//
// A line per batch: {"codec", "level", "records", "batch" (base64), "plain" (SHA-256 of the records part before it was
// compressed), "plainBytes"}. `records` says which of the three sets it holds.

import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;

public class Golden {
    static final int HEADER_BYTES = 61;

    public static void main(String[] arguments) throws Exception {
        Map<String, List<SimpleRecord>> sets = new LinkedHashMap<>();
        sets.put("few", few());
        sets.put("text", text());
        sets.put("noise", noise());
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(Path.of(arguments[0]), StandardCharsets.UTF_8))) {
            for (Map.Entry<String, List<SimpleRecord>> set : sets.entrySet()) {
                byte[] plain = batch(set.getValue(), Compression.NONE);
                byte[] records = java.util.Arrays.copyOfRange(plain, HEADER_BYTES, plain.length);
                String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(records));
                for (Map.Entry<String, Compression> codec : codecs().entrySet()) {
                    String[] name = codec.getKey().split(" ");
                    if (set.getKey().equals("noise") && !name[1].equals("default")) continue;
                    out.printf("{\"codec\":\"%s\",\"level\":\"%s\",\"records\":\"%s\",\"plain\":\"%s\",\"plainBytes\":%d,\"batch\":\"%s\"}%n",
                        name[0], name[1], set.getKey(), digest, records.length,
                        Base64.getEncoder().encodeToString(batch(set.getValue(), codec.getValue())));
                }
            }
        }
    }

    static Map<String, Compression> codecs() {
        Map<String, Compression> codecs = new LinkedHashMap<>();
        codecs.put("gzip default", Compression.gzip().build());
        codecs.put("gzip 9", Compression.gzip().level(9).build());
        codecs.put("snappy default", Compression.snappy().build());
        codecs.put("lz4 default", Compression.lz4().build());
        codecs.put("lz4 17", Compression.lz4().level(17).build());
        codecs.put("zstd default", Compression.zstd().build());
        codecs.put("zstd 19", Compression.zstd().level(19).build());
        return codecs;
    }

    static byte[] batch(List<SimpleRecord> records, Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), RecordBatch.MAGIC_VALUE_V2,
            compression, TimestampType.CREATE_TIME, 0L);
        for (SimpleRecord record : records) builder.append(record);
        ByteBuffer buffer = builder.build().buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    static List<SimpleRecord> few() {
        return List.of(
            new SimpleRecord(1_700_000_000_000L, "key".getBytes(), "value".getBytes(),
                new Header[] {new RecordHeader("name", "content".getBytes()), new RecordHeader("nothing", null)}),
            new SimpleRecord(1_700_000_000_250L, null, new byte[0]),
            new SimpleRecord(1_700_000_000_125L, new byte[0], null));
    }

    static List<SimpleRecord> text() {
        List<SimpleRecord> records = new ArrayList<>();
        for (int index = 0; index < 1000; index++) {
            String value = String.format("{\"id\":%d,\"name\":\"user-%d\",\"path\":\"/a/%d\",\"even\":%b}", index, index * 7919 % 1000, index % 17, index % 2 == 0);
            records.add(new SimpleRecord(1_700_000_000_000L + index, ("k" + index % 50).getBytes(), value.getBytes()));
        }
        return records;
    }

    /** Bytes that no codec makes smaller, in more than one block of Snappy. */
    static List<SimpleRecord> noise() {
        byte[] value = new byte[34_000];
        int state = 1;
        for (int index = 0; index < value.length; index++) {
            state ^= state << 13;
            state ^= state >>> 17;
            state ^= state << 5;
            value[index] = (byte) state;
        }
        return List.of(new SimpleRecord(1_700_000_000_000L, null, value));
    }
}
