// Writes golden frames: what Kafka's own Java serialisers make of every message at every version, with the values that
// went in. Nothing in here knows how Millrace encodes anything.
//
// To regenerate (JDK 17; jars as Maven names them: org.apache.kafka:kafka-clients:4.3.0, org.slf4j:slf4j-api:1.7.36):
//   java -cp kafka-clients-4.3.0.jar:slf4j-api-1.7.36.jar test/protocol/golden/Golden.java test/protocol/golden
//
// One file per API, a line per message: {"kind", "version", "variant", "hex", "value"}. Variants: `full` has a value
// other than the default in every field and two elements in every array, `null` has null wherever null may be and one
// element in every array, `empty` is the default message. Also headers.jsonl, errors.jsonl,
// and defaults.jsonl: the default of every field of every struct, whatever the version.

import java.io.PrintWriter;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;

public class Golden {
    static final Map<Integer, Integer> FIRST_VERSIONS = new TreeMap<>(Map.ofEntries(
        Map.entry(0, 3), Map.entry(1, 4), Map.entry(2, 1), Map.entry(3, 0), Map.entry(8, 2), Map.entry(9, 1),
        Map.entry(10, 0), Map.entry(11, 0), Map.entry(12, 0), Map.entry(13, 0), Map.entry(14, 0), Map.entry(15, 0),
        Map.entry(16, 0), Map.entry(18, 0), Map.entry(19, 2), Map.entry(20, 1), Map.entry(21, 0), Map.entry(22, 0),
        Map.entry(23, 2), Map.entry(24, 0), Map.entry(25, 0), Map.entry(26, 0), Map.entry(27, 0), Map.entry(28, 0),
        Map.entry(32, 1), Map.entry(33, 0), Map.entry(35, 1), Map.entry(37, 0), Map.entry(42, 0), Map.entry(44, 0),
        Map.entry(47, 0), Map.entry(60, 0), Map.entry(61, 0), Map.entry(65, 0), Map.entry(66, 0), Map.entry(68, 0),
        Map.entry(69, 0), Map.entry(74, 0), Map.entry(75, 0)));

    /** Members of the generated classes that are no fields of the message. */
    static final Set<String> NOT_CARRIED = Set.of("_unknownTaggedFields", "next", "prev");

    enum Variant { FULL, NULL, EMPTY }

    final Variant variant;
    int count = 0;

    Golden(Variant variant) {
        this.variant = variant;
    }

    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        for (Map.Entry<Integer, Integer> entry : FIRST_VERSIONS.entrySet()) {
            writeApi(directory, ApiMessageType.fromApiKey(entry.getKey().shortValue()), entry.getValue());
        }
        writeHeaders(directory.resolve("headers.jsonl"));
        writeErrors(directory.resolve("errors.jsonl"));
        writeDefaults(directory.resolve("defaults.jsonl"));
    }

    static PrintWriter open(Path path) throws Exception {
        return new PrintWriter(Files.newBufferedWriter(path, StandardCharsets.UTF_8));
    }

    static void writeApi(Path directory, ApiMessageType api, int firstVersion) throws Exception {
        String kebab = api.name.replaceAll("(?<!^)([A-Z])", "-$1").toLowerCase();
        try (PrintWriter out = open(directory.resolve(String.format("%02d-%s.jsonl", api.apiKey(), kebab)))) {
            int first = Math.max(firstVersion, api.lowestSupportedVersion());
            for (int version = first; version <= api.highestSupportedVersion(false); version++) {
                for (Variant variant : Variant.values()) {
                    out.println(line("request", version, variant, api.newRequest(), api.requestSchemas()[version]));
                    out.println(line("response", version, variant, api.newResponse(), api.responseSchemas()[version]));
                }
            }
        }
    }

    static String line(String kind, int version, Variant variant, Message message, Schema schema) throws Exception {
        new Golden(variant).fill(message, schema);
        return String.format("{\"kind\":\"%s\",\"version\":%d,\"variant\":\"%s\",\"hex\":\"%s\",\"value\":%s}",
            kind, version, variant.name().toLowerCase(), hex(serialise(message, version)), json(message, schema));
    }

    static ByteBuffer serialise(Message message, int version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, (short) version));
        message.write(new ByteBufferAccessor(buffer), cache, (short) version);
        buffer.flip();
        return buffer;
    }

    static void writeHeaders(Path path) throws Exception {
        try (PrintWriter out = open(path)) {
            for (Map.Entry<Integer, Integer> entry : FIRST_VERSIONS.entrySet()) {
                ApiMessageType api = ApiMessageType.fromApiKey(entry.getKey().shortValue());
                for (int version = Math.max(entry.getValue(), api.lowestSupportedVersion()); version <= api.highestSupportedVersion(false); version++) {
                    out.println(headerLine(api, version));
                }
            }
        }
    }

    static String headerLine(ApiMessageType api, int version) {
        short requestVersion = api.requestHeaderVersion((short) version);
        short responseVersion = api.responseHeaderVersion((short) version);
        String clientId = version % 2 == 0 ? "client-\u00e9-" + version : null;
        RequestHeaderData request = new RequestHeaderData().setRequestApiKey(api.apiKey())
            .setRequestApiVersion((short) version).setCorrelationId(7_000_000 + version).setClientId(clientId);
        ResponseHeaderData response = new ResponseHeaderData().setCorrelationId(7_000_000 + version);
        return String.format("{\"key\":%d,\"version\":%d,\"requestHeaderVersion\":%d,\"responseHeaderVersion\":%d,"
                + "\"correlationId\":%d,\"clientId\":%s,\"request\":\"%s\",\"response\":\"%s\"}",
            api.apiKey(), version, requestVersion, responseVersion, 7_000_000 + version, quoted(clientId),
            hex(serialise(request, requestVersion)), hex(serialise(response, responseVersion)));
    }

    static void writeErrors(Path path) throws Exception {
        try (PrintWriter out = open(path)) {
            for (Errors error : Errors.values()) {
                out.printf("{\"code\":%d,\"name\":\"%s\",\"retriable\":%b}%n",
                    error.code(), error.name(), error.exception() instanceof RetriableException);
            }
        }
    }

    static void writeDefaults(Path path) throws Exception {
        try (PrintWriter out = open(path)) {
            for (int key : FIRST_VERSIONS.keySet()) {
                ApiMessageType api = ApiMessageType.fromApiKey((short) key);
                out.printf("{\"key\":%d,\"kind\":\"request\",\"fields\":%s}%n", key, defaults(api.newRequest()));
                out.printf("{\"key\":%d,\"kind\":\"response\",\"fields\":%s}%n", key, defaults(api.newResponse()));
            }
        }
    }

    static String defaults(Object struct) throws Exception {
        List<String> members = new ArrayList<>();
        for (Field field : struct.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || NOT_CARRIED.contains(field.getName())) continue;
            field.setAccessible(true);
            Object value = field.get(struct);
            boolean nested = value instanceof Message;
            members.add(quoted(field.getName()) + ":{\"default\":" + (nested ? "{}" : jsonValue(value, null))
                + nestedDefaults(field, nested ? value : null) + "}");
        }
        return "{" + String.join(",", members) + "}";
    }

    static String nestedDefaults(Field field, Object value) throws Exception {
        Class<?> type = field.getType();
        if (Collection.class.isAssignableFrom(type)) {
            var generic = (ParameterizedType) (type == List.class ? field.getGenericType() : type.getGenericSuperclass());
            type = (Class<?>) generic.getActualTypeArguments()[0];
        }
        if (!Message.class.isAssignableFrom(type)) return "";
        return ",\"fields\":" + defaults(value == null ? newInstance(type) : value);
    }

    // Filling a message by its schema: exactly the fields that the version carries.

    record Slot(String name, Field field, Type type) {}

    static List<Slot> slots(Object struct, Schema schema) {
        List<Slot> slots = new ArrayList<>();
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields section) {
                section.fields().values().forEach(each -> slots.add(slot(struct, each.name, each.type)));
            } else {
                slots.add(slot(struct, bound.def.name, bound.def.type));
            }
        }
        return slots;
    }

    static Slot slot(Object struct, String snakeName, Type type) {
        String wanted = snakeName.replace("_", "").toLowerCase();
        for (Field field : struct.getClass().getDeclaredFields()) {
            if (field.getName().toLowerCase().equals(wanted)) {
                field.setAccessible(true);
                return new Slot(field.getName(), field, type);
            }
        }
        throw new IllegalStateException("no field " + snakeName + " in " + struct.getClass());
    }

    void fill(Object struct, Schema schema) throws Exception {
        if (variant == Variant.EMPTY) {
            return;
        }
        for (Slot slot : slots(struct, schema)) {
            if (variant == Variant.NULL && slot.type().isNullable()) {
                slot.field().set(struct, null);
            } else {
                fillSlot(struct, slot);
            }
        }
    }

    void fillSlot(Object struct, Slot slot) throws Exception {
        if (slot.type().arrayElementType().isPresent()) {
            slot.field().set(struct, collection(struct, slot, slot.type().arrayElementType().get()));
        } else if (slot.type() instanceof Schema nested) {
            Object value = newInstance(slot.field().getType());
            fill(value, nested);
            slot.field().set(struct, value);
        } else if (variant == Variant.FULL) {
            slot.field().set(struct, scalar(slot.field().getType(), slot.field().get(struct)));
        }
    }

    static Object newInstance(Class<?> type) throws Exception {
        var constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        return constructor.newInstance();
    }

    @SuppressWarnings("unchecked")
    Collection<Object> collection(Object struct, Slot slot, Type elementType) throws Exception {
        Class<?> container = slot.field().getType();
        boolean isList = container == List.class;
        var generic = (ParameterizedType) (isList ? slot.field().getGenericType() : container.getGenericSuperclass());
        Class<?> elementClass = (Class<?>) generic.getActualTypeArguments()[0];
        Collection<Object> values = isList ? new ArrayList<>() : (Collection<Object>) newInstance(container);
        for (int index = 0; index < (variant == Variant.FULL ? 2 : 1); index++) {
            if (elementType instanceof Schema nested) {
                Object value = newInstance(elementClass);
                fill(value, nested);
                values.add(value);
            } else {
                values.add(scalar(elementClass, null));
            }
        }
        return values;
    }

    /** A value that no other field of the message has, as far as the type allows. */
    Object scalar(Class<?> type, Object normal) {
        int number = ++count;
        int sign = number % 3 == 0 ? -1 : 1;
        if (type == boolean.class) return !(Boolean) normal;
        if (type == byte.class || type == Byte.class) return (byte) (sign * (number % 100 + 2));
        if (type == short.class || type == Short.class) return (short) (sign * (number + 300));
        if (type == int.class && "uint16".equals(normal)) return number;
        if (type == int.class || type == Integer.class) return sign * (number + 70_000);
        if (type == long.class || type == Long.class) return sign * ((1L << 41) + number);
        if (type == String.class) return number % 4 == 0 ? "\u00fcber-\u6f22\ud83d\ude00-" + number : "text-" + number;
        if (type == Uuid.class) return new Uuid(0x0123456789abcdefL * number, -0x0fedcba987654321L * number);
        if (type == byte[].class) return ("bytes-" + number).getBytes(StandardCharsets.UTF_8);
        if (type == ByteBuffer.class) return ByteBuffer.wrap(("buffer-" + number).getBytes(StandardCharsets.UTF_8));
        if (type == BaseRecords.class) return MemoryRecords.readableRecords(
            ByteBuffer.wrap(("records-" + number).getBytes(StandardCharsets.UTF_8)));
        throw new IllegalStateException("no value for " + type);
    }

    // The values as JSON: bytes as {"hex"}, ids as text, 64-bit integers as numbers.

    static String json(Object struct, Schema schema) throws Exception {
        List<String> members = new ArrayList<>();
        for (Slot slot : slots(struct, schema)) {
            members.add(quoted(slot.name()) + ":" + jsonValue(slot.field().get(struct), slot.type()));
        }
        return "{" + String.join(",", members) + "}";
    }

    static String jsonValue(Object value, Type type) throws Exception {
        if (value == null) return "null";
        if (value instanceof Collection<?> collection) {
            List<String> elements = new ArrayList<>();
            for (Object element : collection) elements.add(jsonValue(element, type.arrayElementType().get()));
            return "[" + String.join(",", elements) + "]";
        }
        if (type instanceof Schema nested) return json(value, nested);
        if (value instanceof MemoryRecords records) return jsonBytes(records.buffer());
        if (value instanceof ByteBuffer buffer) return jsonBytes(buffer.duplicate());
        if (value instanceof byte[] bytes) return jsonBytes(ByteBuffer.wrap(bytes));
        if (value instanceof Long number) return String.valueOf(clamped(number));
        if (value instanceof String || value instanceof Uuid) return quoted(value.toString());
        return value.toString();
    }

    /** JavaScript's safe integers end at 2^53 - 1; Kafka's Long.MAX_VALUE stands for "without limit". */
    static long clamped(long number) {
        return Math.max(-(1L << 53) + 1, Math.min((1L << 53) - 1, number));
    }

    static String jsonBytes(ByteBuffer buffer) {
        return "{\"hex\":\"" + hex(buffer) + "\"}";
    }

    static String quoted(String text) {
        return text == null ? "null" : "\"" + text + "\"";
    }

    static String hex(ByteBuffer buffer) {
        StringBuilder text = new StringBuilder();
        for (ByteBuffer each = buffer.duplicate(); each.hasRemaining(); ) {
            text.append(String.format("%02x", each.get()));
        }
        return text.toString();
    }
}
