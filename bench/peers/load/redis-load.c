// The load for Redis Streams, over plain sockets from one thread with epoll: commands are built before the clock starts.
//
//   redis-load produce broker= topic= [connections= window= record_bytes= ms= ramp_ms= records= length_max=]
//   redis-load consume broker= topic= records= [record_bytes= count= ms=]
//   redis-load latency broker= topic= rate= samples=FILE [record_bytes= ms= ramp_ms=]
//
// `window` commands are on the way at once on each connection, each with one record (XADD has no batches). Consume is
// XREAD from the beginning; latency is XADD on one connection and XREAD BLOCK on another, counted from the moment at which
// a record was due. Prints one line of JSON.

#define _GNU_SOURCE
#include "load.h"

#include <pthread.h>

static struct window timed;
static struct samples latencies;

static int64_t records_sent, records_max;

// ---- produce ----

struct connection {
  int fd;
  uint8_t *command;
  size_t command_length, sent;
  int window, in_flight, waiting_to_write, at_line_start;
  int64_t *sent_at;
  uint32_t begun, answered;
  int expect_body;
};

static int poller;

static uint8_t *xadd_command(const char *topic, size_t record_bytes, uint32_t *random, size_t *length) {
  char trim[64] = "", head[512], digits[32];
  long length_max = number_option("length_max", 0);
  snprintf(digits, sizeof digits, "%ld", length_max);
  if (length_max > 0) snprintf(trim, sizeof trim, "$6\r\nMAXLEN\r\n$1\r\n~\r\n$%zu\r\n%s\r\n", strlen(digits), digits);
  int head_length = snprintf(head, sizeof head, "*%d\r\n$4\r\nXADD\r\n$%zu\r\n%s\r\n%s$1\r\n*\r\n$1\r\nv\r\n$%zu\r\n",
                             length_max > 0 ? 8 : 5, strlen(topic), topic, trim, record_bytes);
  *length = (size_t)head_length + record_bytes + 2;
  uint8_t *command = must_allocate(*length);
  memcpy(command, head, (size_t)head_length);
  fill_with_text(command + head_length, record_bytes, random);
  memcpy(command + head_length + record_bytes, "\r\n", 2);
  return command;
}

static void want_to_write(struct connection *connection, int wanted) {
  if (connection->waiting_to_write == wanted) return;
  connection->waiting_to_write = wanted;
  struct epoll_event event = {.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

static int may_produce(void) { return records_max > 0 ? records_sent < records_max : now_ns() < timed.end; }

// The command repeated `window` times lies in memory, so that one call sends as many as there is room for.
static void pump(struct connection *connection) {
  size_t one = connection->command_length;
  for (;;) {
    size_t partial = connection->sent % one;
    int room = connection->window - connection->in_flight - (partial > 0);
    if (records_max > 0 && room > records_max - records_sent) room = (int)(records_max - records_sent);
    if (!may_produce()) room = 0;
    size_t length = (partial > 0 ? one - partial : 0) + (size_t)room * one;
    if (length == 0) return;
    ssize_t taken = send(connection->fd, connection->command + partial, length, MSG_NOSIGNAL);
    if (taken < 0) {
      if (errno != EAGAIN) die("send: %s", strerror(errno));
      want_to_write(connection, 1);
      return;
    }
    int64_t now = now_ns();
    size_t whole = (partial + (size_t)taken) / one;
    for (size_t i = 0; i < whole; i++) connection->sent_at[connection->begun++ % (uint32_t)connection->window] = now;
    connection->in_flight += (int)whole;
    records_sent += (int64_t)whole;
    connection->sent = (partial + (size_t)taken) % one;
    want_to_write(connection, (size_t)taken < length);
    if ((size_t)taken < length) return;
  }
}

// Every answer is two lines: `$15` and the entry's id.
static void receive(struct connection *connection) {
  uint8_t input[65536];
  for (;;) {
    ssize_t got = recv(connection->fd, input, sizeof input, 0);
    if (got == 0) die("the server closed a connection");
    if (got < 0) {
      if (errno != EAGAIN) die("recv: %s", strerror(errno));
      return;
    }
    int64_t now = now_ns();
    for (ssize_t i = 0; i < got; i++) {
      if (connection->at_line_start && !connection->expect_body && input[i] != '$')
        die("an error: %.*s", (int)(got - i < 200 ? got - i : 200), input + i);
      connection->at_line_start = input[i] == '\n';
      if (input[i] != '\n') continue;
      connection->expect_body = !connection->expect_body;
      if (connection->expect_body) continue;
      connection->in_flight--;
      if (count_in_window(&timed, now, 1))
        add_sample(&latencies, now - connection->sent_at[connection->answered % (uint32_t)connection->window]);
      connection->answered++;
    }
  }
}

static int produce(void) {
  size_t record_bytes = (size_t)number_option("record_bytes", 100);
  int count = (int)number_option("connections", 4), window = (int)number_option("window", 512);
  records_max = number_option("records", 0);
  struct connection *connections = must_allocate(sizeof(struct connection) * (size_t)count);
  poller = epoll_create1(0);
  uint32_t random = 0x9e3779b9;
  for (int i = 0; i < count; i++) {
    struct connection *connection = &connections[i];
    connection->window = window;
    uint8_t *one = xadd_command(text_option("topic", NULL), record_bytes, &random, &connection->command_length);
    connection->command = must_allocate(connection->command_length * (size_t)(window + 1));
    for (int copy = 0; copy <= window; copy++)
      memcpy(connection->command + connection->command_length * (size_t)copy, one, connection->command_length);
    connection->sent_at = must_allocate(sizeof(int64_t) * (size_t)window);
    connection->at_line_start = 1;
    connection->fd = connect_to(text_option("broker", NULL));
    if (connection->fd < 0) die("cannot connect: %s", strerror(errno));
    make_nonblocking(connection->fd);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
  }
  int64_t started = now_ns();
  timed = window_from_options();
  if (records_max > 0) {
    timed.begin = started;
    timed.end = INT64_MAX;
  }
  for (int i = 0; i < count; i++) pump(&connections[i]);
  struct epoll_event events[256];
  for (;;) {
    int busy = may_produce();
    for (int i = 0; !busy && i < count; i++) busy = connections[i].in_flight > 0 || connections[i].sent > 0;
    if (!busy) break;
    int ready = epoll_wait(poller, events, 256, 1000);
    for (int i = 0; i < ready; i++) {
      receive(events[i].data.ptr);
      pump(events[i].data.ptr);
    }
  }
  if (records_max > 0) timed.end = now_ns();
  double seconds = (double)(timed.end - timed.begin) / 1e9;
  printf("{\"seconds\":%.6f,\"recordsPerSecond\":%.1f,\"requestsPerSecond\":%.1f,\"bytesPerSecond\":%.1f,\"totalRecords\":%ld,\"totalBytes\":%ld",
         seconds, (double)timed.records / seconds, (double)timed.requests / seconds,
         (double)timed.records * (double)record_bytes / seconds, timed.total_records, timed.total_records * (long)record_bytes);
  print_percentiles(&latencies);
  printf("}\n");
  return 0;
}

// ---- reading ----

// A blocking reader of RESP that needs no allocation but its buffer.
struct reader {
  int fd;
  uint8_t *buffer;
  size_t at, length, capacity;
};

static void fill(struct reader *reader, size_t wanted) {
  while (reader->length - reader->at < wanted) {
    if (reader->at > 0) {
      memmove(reader->buffer, reader->buffer + reader->at, reader->length - reader->at);
      reader->length -= reader->at;
      reader->at = 0;
    }
    ssize_t got = recv(reader->fd, reader->buffer + reader->length, reader->capacity - reader->length, 0);
    if (got <= 0) die("the server closed the connection");
    reader->length += (size_t)got;
  }
}

// A line without its end. Valid until the next call.
static char *read_line(struct reader *reader) {
  for (size_t scanned = 0;; scanned++) {
    fill(reader, scanned + 1);
    if (reader->buffer[reader->at + scanned] != '\n') continue;
    char *line = (char *)reader->buffer + reader->at;
    line[scanned - 1] = 0;
    reader->at += scanned + 1;
    return line;
  }
}

static uint8_t *read_bulk(struct reader *reader, long *length) {
  char *line = read_line(reader);
  if (*line != '$') die("not a string: %s", line);
  *length = atol(line + 1);
  fill(reader, (size_t)*length + 2);
  uint8_t *bulk = reader->buffer + reader->at;
  reader->at += (size_t)*length + 2;
  return bulk;
}

static long read_array(struct reader *reader) {
  char *line = read_line(reader);
  if (*line != '*') die("not an array: %s", line);
  return atol(line + 1);
}

static void ask(struct reader *reader, const char *format, ...) {
  char command[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  if (send(reader->fd, command, (size_t)length, MSG_NOSIGNAL) != length) die("send: %s", strerror(errno));
}

static struct reader open_reader(void) {
  struct reader reader = {.fd = connect_to(text_option("broker", NULL)), .capacity = 16 << 20};
  if (reader.fd < 0) die("cannot connect: %s", strerror(errno));
  reader.buffer = must_allocate(reader.capacity);
  return reader;
}

// One answer of XREAD for one stream: gives each value to the function, and the last id.
static long read_entries(struct reader *reader, char last_id[64], void (*take)(const uint8_t *, long)) {
  if (read_array(reader) <= 0) return 0;
  long ignored;
  read_array(reader);
  read_bulk(reader, &ignored);
  long entries = read_array(reader);
  for (long i = 0; i < entries; i++) {
    read_array(reader);
    long length;
    uint8_t *id = read_bulk(reader, &length);
    snprintf(last_id, 64, "%.*s", (int)length, id);
    read_array(reader);
    read_bulk(reader, &ignored);
    uint8_t *value = read_bulk(reader, &length);
    take(value, length);
  }
  return entries;
}

static size_t consumed_record_bytes;

static void check_length(const uint8_t *value, long length) {
  (void)value;
  if (length != (long)consumed_record_bytes) die("a record of %ld bytes", length);
}

static int consume(void) {
  long expected = number_option("records", 0), count = number_option("count", 1000), total = 0;
  consumed_record_bytes = (size_t)number_option("record_bytes", 100);
  const char *topic = text_option("topic", NULL);
  struct reader reader = open_reader();
  int64_t spent = 0, wanted = number_option("ms", 5000) * 1000000;
  do {
    int64_t began = now_ns();
    char last_id[64] = "0";
    long pass = 0;
    while (pass < expected) {
      ask(&reader, "XREAD COUNT %ld STREAMS %s %s\r\n", count, topic, last_id);
      long got = read_entries(&reader, last_id, check_length);
      if (got == 0) die("only %ld of %ld records came", pass, expected);
      pass += got;
    }
    spent += now_ns() - began;
    total += pass;
  } while (spent < wanted);
  double seconds = (double)spent / 1e9;
  printf("{\"seconds\":%.6f,\"recordsPerSecond\":%.1f,\"bytesPerSecond\":%.1f,\"totalRecords\":%ld,\"totalBytes\":%ld}\n", seconds,
         (double)total / seconds, (double)total * (double)consumed_record_bytes / seconds, total, total * (long)consumed_record_bytes);
  return 0;
}

// ---- latency ----

static volatile long wanted_count;
static long seen_count;

static void take_stamp(const uint8_t *value, long length) {
  (void)length;
  int64_t due, now = now_ns();
  memcpy(&due, value, sizeof due);
  seen_count++;
  if (due >= timed.begin && due < timed.end) add_sample(&latencies, now - due);
}

static void *take_records(void *unused) {
  (void)unused;
  struct reader reader = open_reader();
  char last_id[64] = "0";
  while (seen_count < wanted_count) {
    ask(&reader, "XREAD BLOCK 1000 COUNT 1000 STREAMS %s %s\r\n", text_option("topic", NULL), last_id);
    read_entries(&reader, last_id, take_stamp);
  }
  return NULL;
}

static void *take_answers(void *opened) {
  struct reader *reader = opened;
  for (long i = 0; i < wanted_count; i++) {
    long length;
    read_bulk(reader, &length);
  }
  return NULL;
}

static int latency(void) {
  long rate = number_option("rate", 1000);
  uint32_t random = 1;
  size_t length, record_bytes = (size_t)number_option("record_bytes", 100);
  uint8_t *command = xadd_command(text_option("topic", NULL), record_bytes, &random, &length);
  struct reader answers = open_reader();
  wanted_count = rate * (number_option("ramp_ms", 1000) + number_option("ms", 5000)) / 1000;
  int64_t started = now_ns();
  timed = window_from_options();
  pthread_t consumer, acknowledger;
  pthread_create(&consumer, NULL, take_records, NULL);
  pthread_create(&acknowledger, NULL, take_answers, &answers);
  for (long sent = 0; sent < wanted_count;) {
    int64_t due = started + sent * 1000000000 / rate, now = now_ns();
    if (due > now) {
      int64_t until = due > now + 100000 ? due : now + 100000;
      struct timespec time = {until / 1000000000, until % 1000000000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
      continue;
    }
    memcpy(command + length - 2 - record_bytes, &due, sizeof due);
    if (send(answers.fd, command, length, MSG_NOSIGNAL) != (ssize_t)length) die("send: %s", strerror(errno));
    sent++;
  }
  double seconds = (double)(now_ns() - started) / 1e9;
  pthread_join(acknowledger, NULL);
  pthread_join(consumer, NULL);
  store_samples(&latencies, text_option("samples", NULL));
  printf("{\"seconds\":%.6f,\"recordsPerSecond\":%.1f,\"samples\":%zu,\"totalRecords\":%ld,\"totalBytes\":%ld}\n", seconds,
         (double)wanted_count / seconds, latencies.count, wanted_count, wanted_count * (long)record_bytes);
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
