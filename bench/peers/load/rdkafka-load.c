// The load of a real client: librdkafka, as an application uses it. The same program for every broker that speaks the
// protocol. What it measures has the client's own work in it.
//
//   rdkafka-load produce broker= topic= [record_bytes= acks= codec= linger_ms= ms= ramp_ms=]
//   rdkafka-load consume broker= topic= partitions= records= [record_bytes= ms=]
//   rdkafka-load latency broker= topic= partitions= rate= samples=FILE [record_bytes= acks= ms= ramp_ms=]
//
// Latency is from the moment at which a record was due, by the rate, to the moment at which the application has it: a
// record that waits because the one before was late counts that wait (no coordinated omission).
//
// Prints one line of JSON.

#define _GNU_SOURCE
#include "load.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

static struct window timed;

static void set(rd_kafka_conf_t *conf, const char *key, const char *value) {
  char reason[256];
  if (rd_kafka_conf_set(conf, key, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) die("%s", reason);
}

static rd_kafka_conf_t *common_conf(void) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", text_option("broker", NULL));
  set(conf, "socket.nagle.disable", "true");
  return conf;
}

static rd_kafka_t *start_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
  char reason[256];
  rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof reason);
  if (client == NULL) die("%s", reason);
  return client;
}

// ---- produce ----

static long delivered;

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  (void)client;
  (void)opaque;
  if (message->err != 0) die("a record was not delivered: %s", rd_kafka_err2str(message->err));
  delivered++;
}

static rd_kafka_t *start_producer(const char *linger_ms) {
  rd_kafka_conf_t *conf = common_conf();
  set(conf, "acks", text_option("acks", "1"));
  set(conf, "compression.codec", text_option("codec", "none"));
  set(conf, "linger.ms", linger_ms);
  // Enough for batches of all partitions; what waits at the end of the time is still sent, and nobody times that.
  set(conf, "queue.buffering.max.messages", "500000");
  set(conf, "queue.buffering.max.kbytes", "131072");
  set(conf, "max.in.flight.requests.per.connection", "5");
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  return start_client(RD_KAFKA_PRODUCER, conf);
}

enum { VALUES = 4096 };

static int produce(void) {
  size_t record_bytes = (size_t)number_option("record_bytes", 100);
  uint8_t *values = must_allocate(record_bytes * VALUES);
  uint32_t random = 0x9e3779b9;
  fill_with_text(values, record_bytes * VALUES, &random);
  rd_kafka_t *producer = start_producer(text_option("linger_ms", "5"));
  rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, text_option("topic", NULL), NULL);
  long sent = 0, at_begin = -1;
  int64_t now, began = 0;
  timed = window_from_options();
  while ((now = now_ns()) < timed.end) {
    if (at_begin < 0 && now >= timed.begin) {
      at_begin = delivered;
      began = now;
    }
    for (int i = 0; i < 256; i++, sent++) {
      while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, values + (size_t)(sent % VALUES) * record_bytes, record_bytes,
                              NULL, 0, NULL) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("%s", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(producer, 10);
      }
    }
    rd_kafka_poll(producer, 0);
  }
  double seconds = (double)(now - began) / 1e9, records = (double)(delivered - at_begin);
  if (rd_kafka_flush(producer, 60000) != 0 || delivered != sent) die("%ld of %ld records were acknowledged", delivered, sent);
  printf("{\"seconds\":%.6f,\"recordsPerSecond\":%.1f,\"bytesPerSecond\":%.1f,\"totalRecords\":%ld,\"totalBytes\":%ld}\n", seconds,
         records / seconds, records * (double)record_bytes / seconds, sent, sent * (long)record_bytes);
  return 0;
}

// ---- consume ----

static rd_kafka_t *start_consumer(void) {
  rd_kafka_conf_t *conf = common_conf();
  set(conf, "group.id", "rdkafka-load");
  set(conf, "enable.auto.commit", "false");
  // The client's own queue is never full: it would wait up to a second before it asks again.
  set(conf, "queued.min.messages", "10000000");
  set(conf, "queued.max.messages.kbytes", "2097151");
  return start_client(RD_KAFKA_CONSUMER, conf);
}

static void assign_all(rd_kafka_t *consumer, int64_t offset) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  for (int i = 0; i < (int)number_option("partitions", 1); i++)
    rd_kafka_topic_partition_list_add(list, text_option("topic", NULL), i)->offset = offset;
  rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
  if (error != 0) die("%s", rd_kafka_err2str(error));
  rd_kafka_topic_partition_list_destroy(list);
}

// Reads the log, and again where it ends, until the time is over. Timed from the first records on: before them the client
// asks for offsets and waits for its own timers.
static int consume(void) {
  long expected = number_option("records", 0), total = 0, timed_records = 0;
  size_t record_bytes = (size_t)number_option("record_bytes", 100);
  rd_kafka_t *consumer = start_consumer();
  rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
  rd_kafka_message_t *messages[4096];
  int64_t spent = 0, wanted = number_option("ms", 5000) * 1000000;
  do {
    long pass = 0, at_first = 0;
    int64_t assigned = now_ns(), began = 0;
    assign_all(consumer, RD_KAFKA_OFFSET_BEGINNING);
    while (pass < expected && (began == 0 || spent + now_ns() - began < wanted)) {
      ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, messages, sizeof messages / sizeof *messages);
      if (count <= 0 && now_ns() - assigned > 60000000000) die("only %ld of %ld records came", pass, expected);
      for (ssize_t i = 0; i < count; i++) {
        if (messages[i]->err != 0) die("%s", rd_kafka_message_errstr(messages[i]));
        if (messages[i]->len != record_bytes) die("a record of %zu bytes", messages[i]->len);
        pass++;
        rd_kafka_message_destroy(messages[i]);
      }
      if (began == 0 && pass > 0) {
        began = now_ns();
        at_first = pass;
      }
    }
    if (pass > expected) die("%ld records came where there are %ld", pass, expected);
    spent += now_ns() - began;
    total += pass;
    timed_records += pass - at_first;
    rd_kafka_assign(consumer, NULL);
  } while (spent < wanted);
  double seconds = (double)spent / 1e9;
  printf("{\"seconds\":%.6f,\"recordsPerSecond\":%.1f,\"bytesPerSecond\":%.1f,\"totalRecords\":%ld,\"totalBytes\":%ld}\n", seconds,
         (double)timed_records / seconds, (double)timed_records * (double)record_bytes / seconds, total, total * (long)record_bytes);
  return 0;
}

// ---- latency ----

struct stamp {
  int64_t due;
  int64_t number;
};

static rd_kafka_t *latency_consumer;
static struct samples latencies;
static volatile long wanted_count, probes_seen;

static void *take_records(void *unused) {
  (void)unused;
  long seen = 0;
  while (seen < wanted_count) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(latency_consumer, 100);
    if (message == NULL) continue;
    int64_t now = now_ns();
    if (message->err != 0) die("%s", rd_kafka_message_errstr(message));
    struct stamp stamp;
    memcpy(&stamp, message->payload, sizeof stamp);
    if (stamp.number < 0) {
      probes_seen++;
    } else {
      seen++;
      if (stamp.due >= timed.begin && stamp.due < timed.end) add_sample(&latencies, now - stamp.due);
    }
    rd_kafka_message_destroy(message);
  }
  return NULL;
}

static void send_stamp(rd_kafka_topic_t *topic, int partition, uint8_t *value, struct stamp stamp) {
  memcpy(value, &stamp, sizeof stamp);
  if (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, value, (size_t)number_option("record_bytes", 100), NULL, 0, NULL) != 0)
    die("%s", rd_kafka_err2str(rd_kafka_last_error()));
}

static int latency(void) {
  long rate = number_option("rate", 1000);
  int partitions = (int)number_option("partitions", 1);
  uint8_t *value = must_allocate((size_t)number_option("record_bytes", 100) + sizeof(struct stamp));
  rd_kafka_t *producer = start_producer("0");
  rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, text_option("topic", NULL), NULL);
  latency_consumer = start_consumer();
  rd_kafka_poll_set_consumer(latency_consumer);
  assign_all(latency_consumer, RD_KAFKA_OFFSET_BEGINNING);
  wanted_count = rate * (number_option("ramp_ms", 1000) + number_option("ms", 5000)) / 1000;
  pthread_t reader;
  pthread_create(&reader, NULL, take_records, NULL);
  // One record through every partition first: the clock starts with both sides in their places.
  for (int i = 0; i < partitions; i++) send_stamp(topic, i, value, (struct stamp){0, -1});
  for (int64_t began = now_ns(); probes_seen < partitions; rd_kafka_poll(producer, 10))
    if (now_ns() - began > 30000000000) die("the first records did not arrive");
  int64_t started = now_ns();
  timed = window_from_options();
  for (long sent = 0; sent < wanted_count;) {
    int64_t due = started + sent * 1000000000 / rate, now = now_ns();
    if (due > now) {
      // Woken at most 10,000 times a second: what is due by then is sent together, each with its own due time.
      int64_t until = due > now + 100000 ? due : now + 100000;
      struct timespec time = {until / 1000000000, until % 1000000000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
      continue;
    }
    send_stamp(topic, (int)(sent % partitions), value, (struct stamp){due, sent});
    sent++;
    if (sent % 64 == 0) rd_kafka_poll(producer, 0);
  }
  double seconds = (double)(now_ns() - started) / 1e9;
  if (rd_kafka_flush(producer, 60000) != 0) die("records were not acknowledged");
  pthread_join(reader, NULL);
  store_samples(&latencies, text_option("samples", NULL));
  printf("{\"seconds\":%.6f,\"recordsPerSecond\":%.1f,\"samples\":%zu,\"totalRecords\":%ld,\"totalBytes\":%ld", seconds,
         (double)wanted_count / seconds, latencies.count, wanted_count, wanted_count * number_option("record_bytes", 100));
  print_percentiles(&latencies);
  printf("}\n");
  return 0;
}

int main(int count, char **words) {
  if (count < 2) die("produce, consume or latency");
  option_count = count - 2;
  option_words = words + 2;
  if (strcmp(words[1], "produce") == 0) return produce();
  if (strcmp(words[1], "consume") == 0) return consume();
  if (strcmp(words[1], "latency") == 0) return latency();
  die("unknown: %s", words[1]);
}
