// The load generator that is never the bottleneck: Kafka's frames over plain sockets, from one thread with epoll. Record
// batches are built, compressed and checksummed before the clock starts; what is measured is the broker. It is the same
// program for every broker that speaks the protocol, and checks every answer.
//
//   kafka-wire produce  broker= topic= [connections= window= partitions= per_request= record_bytes= batch_bytes=
//                       records_per_batch= codec=none|lz4 acks= ms= ramp_ms= records=]
//   kafka-wire fetch    broker= topic= [connections= partitions= record_bytes= partition_max_bytes= mode=wrap|once|tail
//                       ms= ramp_ms= idle= idle_topic=]
//   kafka-wire ready    broker= [topic= since=NANOSECONDS timeout_ms=]
//   kafka-wire evict    directory=
//
// Prints one line of JSON.

#define _GNU_SOURCE
#include "load.h"

#include <ftw.h>
#include <lz4frame.h>
#include <sys/mman.h>
#include <sys/resource.h>
#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

enum { API_PRODUCE = 0, API_FETCH = 1, API_METADATA = 3 };
// Fetch as the clients in use ask, with every codec: below version 10 a broker may have to look for Zstandard.
enum { PRODUCE_VERSION = 7, FETCH_VERSION = 11, METADATA_VERSION = 4 };
enum { BATCH_HEADER_BYTES = 61, BATCH_CRC_AT = 17, BATCH_ATTRIBUTES_AT = 21 };

// ---- bytes ----

struct bytes {
  uint8_t *data;
  size_t length, capacity;
};

static uint8_t *grow(struct bytes *bytes, size_t more) {
  if (bytes->length + more > bytes->capacity) {
    bytes->capacity = (bytes->length + more) * 2;
    bytes->data = realloc(bytes->data, bytes->capacity);
    if (bytes->data == NULL) die("no memory for a frame");
  }
  uint8_t *at = bytes->data + bytes->length;
  bytes->length += more;
  return at;
}

static void store(uint8_t *at, uint64_t value, int size) {
  for (int i = size - 1; i >= 0; i--, value >>= 8) at[i] = (uint8_t)value;
}

static int64_t load(const uint8_t *at, int size) {
  uint64_t value = 0;
  for (int i = 0; i < size; i++) value = value << 8 | at[i];
  int unused = 64 - 8 * size;
  return (int64_t)(value << unused) >> unused;
}

static void put(struct bytes *bytes, int64_t value, int size) { store(grow(bytes, (size_t)size), (uint64_t)value, size); }

static void put_bytes(struct bytes *bytes, const void *data, size_t length) { memcpy(grow(bytes, length), data, length); }

static void put_string(struct bytes *bytes, const char *text) {
  put(bytes, (int64_t)strlen(text), 2);
  put_bytes(bytes, text, strlen(text));
}

static void put_varint(struct bytes *bytes, int64_t value) {
  uint64_t zigzag = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
  for (; zigzag >= 0x80; zigzag >>= 7) put(bytes, (int64_t)(zigzag & 0x7f) | 0x80, 1);
  put(bytes, (int64_t)zigzag, 1);
}

static int varint_size(int64_t value) {
  int size = 1;
  for (uint64_t zigzag = (uint64_t)value << 1 ^ (uint64_t)(value >> 63); zigzag >= 0x80; zigzag >>= 7) size++;
  return size;
}

// Only before the clock starts, so that it need not be fast.
static uint32_t crc32c(const uint8_t *data, size_t length) {
#ifdef __SSE4_2__
  uint64_t crc = 0xffffffff;
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; length > 0; data++, length--) crc = _mm_crc32_u8((uint32_t)crc, *data);
  return ~(uint32_t)crc;
#else
  uint32_t crc = 0xffffffff;
  for (; length > 0; data++, length--) {
    crc ^= *data;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
#endif
}

// ---- record batches ----

struct batch_shape {
  size_t record_bytes, batch_bytes;
  long records; // 0: as many as batch_bytes holds, uncompressed
  int lz4;
};

static long put_records(struct bytes *records, const struct batch_shape *shape, uint32_t *random) {
  long count = 0;
  for (;;) {
    size_t body = 1 + 1 + (size_t)varint_size(count) + 1 + (size_t)varint_size((int64_t)shape->record_bytes) + shape->record_bytes + 1;
    size_t size = (size_t)varint_size((int64_t)body) + body;
    if (shape->records > 0 ? count == shape->records
                           : count > 0 && BATCH_HEADER_BYTES + records->length + size > shape->batch_bytes)
      return count;
    put_varint(records, (int64_t)body);
    put(records, 0, 1);
    put_varint(records, 0);
    put_varint(records, count);
    put_varint(records, -1);
    put_varint(records, (int64_t)shape->record_bytes);
    fill_with_text(grow(records, shape->record_bytes), shape->record_bytes, random);
    put_varint(records, 0);
    count++;
  }
}

static struct bytes compressed(struct bytes records) {
  LZ4F_preferences_t preferences = {.frameInfo = {.blockMode = LZ4F_blockIndependent, .blockSizeID = LZ4F_max64KB}};
  struct bytes result = {0};
  size_t bound = LZ4F_compressFrameBound(records.length, &preferences);
  size_t length = LZ4F_compressFrame(grow(&result, bound), bound, records.data, records.length, &preferences);
  if (LZ4F_isError(length)) die("lz4: %s", LZ4F_getErrorName(length));
  result.length = length;
  free(records.data);
  return result;
}

static long put_batch(struct bytes *out, const struct batch_shape *shape, uint32_t *random) {
  struct bytes records = {0};
  long count = put_records(&records, shape, random);
  if (shape->lz4) records = compressed(records);
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  int64_t timestamp = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
  size_t begin = out->length;
  put(out, 0, 8);
  put(out, (int64_t)(BATCH_HEADER_BYTES - 12 + records.length), 4);
  put(out, -1, 4);
  put(out, 2, 1);
  put(out, 0, 4);
  put(out, shape->lz4 ? 3 : 0, 2);
  put(out, count - 1, 4);
  put(out, timestamp, 8);
  put(out, timestamp, 8);
  put(out, -1, 8);
  put(out, -1, 2);
  put(out, -1, 4);
  put(out, count, 4);
  put_bytes(out, records.data, records.length);
  free(records.data);
  uint8_t *batch = out->data + begin;
  store(batch + BATCH_CRC_AT, crc32c(batch + BATCH_ATTRIBUTES_AT, out->length - begin - BATCH_ATTRIBUTES_AT), 4);
  return count;
}

// ---- requests ----

enum { CORRELATION_AT = 8 };

static void begin_request(struct bytes *frame, int api, int version) {
  put(frame, 0, 4);
  put(frame, api, 2);
  put(frame, version, 2);
  put(frame, 0, 4);
  put_string(frame, "kafka-wire");
}

static void end_request(struct bytes *frame) { store(frame->data, frame->length - 4, 4); }

struct request {
  struct bytes frame;
  long records;
};

static struct request produce_request(const char *topic, int acks, int first, int count, const struct batch_shape *shape,
                                      uint32_t *random) {
  struct request request = {0};
  struct bytes *frame = &request.frame;
  begin_request(frame, API_PRODUCE, PRODUCE_VERSION);
  put(frame, -1, 2);
  put(frame, acks, 2);
  put(frame, 30000, 4);
  put(frame, 1, 4);
  put_string(frame, topic);
  put(frame, count, 4);
  for (int i = 0; i < count; i++) {
    put(frame, first + i, 4);
    size_t length_at = frame->length;
    put(frame, 0, 4);
    request.records += put_batch(frame, shape, random);
    store(frame->data + length_at, frame->length - length_at - 4, 4);
  }
  end_request(frame);
  return request;
}

// Where the fetch offset of each partition stands in the frame.
static struct bytes fetch_request(const char *topic, const int *partitions, int count, long wait_ms, size_t *offsets_at) {
  struct bytes frame = {0};
  begin_request(&frame, API_FETCH, FETCH_VERSION);
  put(&frame, -1, 4);
  put(&frame, wait_ms, 4);
  put(&frame, 1, 4);
  put(&frame, 52428800, 4);
  put(&frame, 0, 1);
  // No session.
  put(&frame, 0, 4);
  put(&frame, -1, 4);
  put(&frame, 1, 4);
  put_string(&frame, topic);
  put(&frame, count, 4);
  for (int i = 0; i < count; i++) {
    put(&frame, partitions[i], 4);
    put(&frame, -1, 4);
    offsets_at[i] = frame.length;
    put(&frame, 0, 8);
    put(&frame, -1, 8);
    put(&frame, number_option("partition_max_bytes", 1048576), 4);
  }
  // Nothing forgotten, no rack.
  put(&frame, 0, 4);
  put_string(&frame, "");
  end_request(&frame);
  return frame;
}

// ---- connections ----

enum { FRAMES_PER_CONNECTION_MAX = 256, FRAMES_PER_GROUP = 8 };

struct connection {
  int fd;
  // Sending: frames are taken by turns, the next one may be under way.
  struct request requests[FRAMES_PER_CONNECTION_MAX];
  int request_count, current;
  size_t sent;
  int sending, waiting_to_write;
  uint32_t sent_correlation, answered_correlation;
  int64_t *sent_at; // a ring of `window`
  // Receiving.
  uint8_t *input;
  size_t input_length, input_capacity;
  // Fetching.
  int partition_count, *partitions;
  size_t *offsets_at;
  int64_t *next_offsets;
  int *ended;
  int done;
};

static struct connection *connections;
static int connection_count, window_size, poller;
static struct window timed;
static struct samples latencies;

static void open_connection(struct connection *connection) {
  connection->fd = connect_to(text_option("broker", NULL));
  if (connection->fd < 0) die("cannot connect: %s", strerror(errno));
  make_nonblocking(connection->fd);
  connection->input_capacity = 1 << 16;
  connection->input = must_allocate(connection->input_capacity);
  connection->sent_at = must_allocate(sizeof(int64_t) * (size_t)window_size);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

static void want_to_write(struct connection *connection, int wanted) {
  if (connection->waiting_to_write == wanted) return;
  connection->waiting_to_write = wanted;
  struct epoll_event event = {.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

static int in_flight(const struct connection *connection) {
  return (int)(connection->sent_correlation - connection->answered_correlation);
}

// Sends what is left of the frame; whether all of it has left.
static int send_frame(struct connection *connection, const struct bytes *frame) {
  while (connection->sent < frame->length) {
    ssize_t taken = send(connection->fd, frame->data + connection->sent, frame->length - connection->sent, MSG_NOSIGNAL);
    if (taken < 0) {
      if (errno != EAGAIN) die("send: %s", strerror(errno));
      want_to_write(connection, 1);
      return 0;
    }
    connection->sent += (size_t)taken;
  }
  connection->sent = 0;
  connection->sending = 0;
  want_to_write(connection, 0);
  return 1;
}

static void begin_frame(struct connection *connection, struct bytes *frame) {
  connection->sending = 1;
  connection->sent_at[connection->sent_correlation % (uint32_t)window_size] = now_ns();
  store(frame->data + CORRELATION_AT, connection->sent_correlation, 4);
}

// Reads what is there and gives each whole response to the function.
static void receive(struct connection *connection, void (*take)(struct connection *, const uint8_t *, size_t)) {
  for (;;) {
    ssize_t got = recv(connection->fd, connection->input + connection->input_length,
                       connection->input_capacity - connection->input_length, 0);
    if (got == 0) die("the broker closed a connection");
    if (got < 0) {
      if (errno != EAGAIN) die("recv: %s", strerror(errno));
      return;
    }
    connection->input_length += (size_t)got;
    size_t at = 0;
    while (connection->input_length - at >= 4) {
      size_t length = (size_t)load(connection->input + at, 4);
      if (length + 4 > connection->input_capacity) {
        connection->input_capacity = length + 4;
        connection->input = realloc(connection->input, connection->input_capacity);
        if (connection->input == NULL) die("no memory for a response of %zu bytes", length);
      }
      if (connection->input_length - at < length + 4) break;
      const uint8_t *response = connection->input + at + 4;
      if ((uint32_t)load(response, 4) != connection->answered_correlation) die("a response out of order");
      take(connection, response + 4, length - 4);
      connection->answered_correlation++;
      at += length + 4;
    }
    memmove(connection->input, connection->input + at, connection->input_length - at);
    connection->input_length -= at;
  }
}

static void print_window(const struct window *window, size_t record_bytes) {
  double seconds = (double)(window->end - window->begin) / 1e9;
  printf("\"seconds\":%.6f,\"records\":%ld,\"requests\":%ld,\"recordsPerSecond\":%.1f,\"requestsPerSecond\":%.1f,"
         "\"bytesPerSecond\":%.1f,\"totalRecords\":%ld,\"totalRequests\":%ld,\"totalBytes\":%ld",
         seconds, window->records, window->requests, (double)window->records / seconds, (double)window->requests / seconds,
         (double)window->records * (double)record_bytes / seconds, window->total_records, window->total_requests,
         window->total_records * (long)record_bytes);
}

// ---- produce ----

static int64_t records_sent, records_max;
static int produce_acks;

static int may_produce(int64_t now) { return records_max > 0 ? records_sent < records_max : now < timed.end; }

static void pump_produce(struct connection *connection) {
  for (;;) {
    struct request *request = &connection->requests[connection->current];
    if (!connection->sending) {
      if (in_flight(connection) >= window_size || !may_produce(now_ns())) return;
      begin_frame(connection, &request->frame);
    }
    if (!send_frame(connection, &request->frame)) return;
    records_sent += request->records;
    connection->sent_correlation++;
    connection->current = (connection->current + 1) % connection->request_count;
  }
}

static void take_produced(struct connection *connection, const uint8_t *at, size_t length) {
  const uint8_t *end = at + length;
  at += 4;
  at += 2 + load(at, 2);
  long count = load(at, 4);
  at += 4;
  for (long i = 0; i < count; i++, at += 30) {
    if (at + 30 > end) die("a produce response that is too short");
    long code = load(at + 4, 2);
    if (code != 0) die("a produce request was answered with error %ld", code);
  }
  int64_t now = now_ns();
  // Requests on one connection are answered in their order, and its frames are sent by turns.
  const struct request *request = &connection->requests[connection->answered_correlation % (uint32_t)connection->request_count];
  if (count_in_window(&timed, now, request->records))
    add_sample(&latencies, now - connection->sent_at[connection->answered_correlation % (uint32_t)window_size]);
}

static int produce(void) {
  struct batch_shape shape = {
      .record_bytes = (size_t)number_option("record_bytes", 100),
      .batch_bytes = (size_t)number_option("batch_bytes", 16384),
      .records = number_option("records_per_batch", 0),
      .lz4 = strcmp(text_option("codec", "none"), "lz4") == 0,
  };
  int partitions = (int)number_option("partitions", 1), per_request = (int)number_option("per_request", 1);
  connection_count = (int)number_option("connections", 4);
  window_size = (int)number_option("window", 5);
  produce_acks = (int)number_option("acks", 1);
  records_max = number_option("records", 0);
  const char *topic = text_option("topic", NULL);
  int groups = partitions / per_request;
  if (groups * per_request != partitions) die("partitions must be a multiple of per_request");
  connections = must_allocate(sizeof(struct connection) * (size_t)connection_count);
  uint32_t random = 0x9e3779b9;
  for (int i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    // A connection has some partitions of its own where there are enough, as producers with keys or a sticky choice do.
    int own = groups >= connection_count ? groups / connection_count : 1;
    int frames = connection_count > 64 ? own : own > FRAMES_PER_GROUP ? own : FRAMES_PER_GROUP / own * own;
    if (frames > FRAMES_PER_CONNECTION_MAX) die("more than %d groups of partitions for a connection", FRAMES_PER_CONNECTION_MAX);
    connection->request_count = frames;
    for (int f = 0; f < frames; f++) {
      int group = groups >= connection_count ? i * own + f % own : i % groups;
      connection->requests[f] = produce_request(topic, produce_acks, group * per_request, per_request, &shape, &random);
    }
  }
  poller = epoll_create1(0);
  for (int i = 0; i < connection_count; i++) open_connection(&connections[i]);
  int64_t started = now_ns();
  timed = window_from_options();
  if (records_max > 0) {
    timed.begin = started;
    timed.end = INT64_MAX;
  }
  for (int i = 0; i < connection_count; i++) pump_produce(&connections[i]);
  struct epoll_event events[256];
  for (;;) {
    int busy = 0;
    if (!may_produce(now_ns()))
      for (int i = 0; i < connection_count; i++) busy += in_flight(&connections[i]) > 0 || connections[i].sending;
    else
      busy = 1;
    if (!busy) break;
    int count = epoll_wait(poller, events, 256, 1000);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(connection, take_produced);
      pump_produce(connection);
    }
  }
  if (records_max > 0) timed.end = now_ns();
  printf("{");
  print_window(&timed, shape.record_bytes);
  print_percentiles(&latencies);
  printf(",\"frameBytes\":%zu,\"frameRecords\":%ld}\n", connections[0].requests[0].frame.length, connections[0].requests[0].records);
  return 0;
}

// ---- fetch ----

enum fetch_mode { FETCH_WRAP, FETCH_ONCE, FETCH_TAIL };
static enum fetch_mode fetch_mode;
static int done_count;

static void pump_fetch(struct connection *connection) {
  struct request *request = &connection->requests[0];
  if (!connection->sending) {
    if (connection->done || in_flight(connection) >= 1 || now_ns() >= timed.end) return;
    for (int i = 0; i < connection->partition_count; i++)
      store(request->frame.data + connection->offsets_at[i], (uint64_t)connection->next_offsets[i], 8);
    begin_frame(connection, &request->frame);
  }
  if (send_frame(connection, &request->frame)) connection->sent_correlation++;
}

// Walks over whole batches; their records.
static int64_t take_batches(const uint8_t *at, int64_t length, int64_t *next_offset) {
  int64_t records = 0;
  while (length >= BATCH_HEADER_BYTES) {
    int64_t size = load(at + 8, 4) + 12;
    if (size > length) break;
    if (load(at, 8) != *next_offset) die("offset %ld where %ld was due", load(at, 8), *next_offset);
    *next_offset += load(at + 23, 4) + 1;
    records += load(at + 57, 4);
    at += size;
    length -= size;
  }
  return records;
}

static int place_of(const struct connection *connection, int partition) {
  for (int i = 0; i < connection->partition_count; i++)
    if (connection->partitions[i] == partition) return i;
  die("partition %d was not asked for", partition);
  return -1;
}

static void take_fetched(struct connection *connection, const uint8_t *at, size_t length) {
  const uint8_t *end = at + length;
  int64_t records = 0;
  if (load(at + 4, 2) != 0) die("a fetch was answered with error %ld", (long)load(at + 4, 2));
  // Throttle time, error, session.
  at += 10;
  for (long topics = load(at, 4), topic = (at += 4, 0); topic < topics; topic++) {
    at += 2 + load(at, 2);
    long count = load(at, 4);
    at += 4;
    for (long i = 0; i < count; i++) {
      int place = place_of(connection, (int)load(at, 4));
      long code = load(at + 4, 2);
      if (code != 0) die("a fetch was answered with error %ld", code);
      int64_t high_watermark = load(at + 6, 8);
      // Behind the last stable offset and the log's start; the preferred replica follows.
      long aborted = load(at + 30, 4);
      at += 38 + (aborted > 0 ? aborted * 16 : 0);
      int64_t bytes = load(at, 4);
      at += 4;
      if (bytes < 0) bytes = 0;
      if (at + bytes > end) die("a fetch response that is too short");
      int64_t *next = &connection->next_offsets[place];
      records += take_batches(at, bytes, next);
      at += bytes;
      connection->ended[place] = *next >= high_watermark && high_watermark > 0;
      if (connection->ended[place] && fetch_mode == FETCH_WRAP) *next = 0;
    }
  }
  count_in_window(&timed, now_ns(), records);
  if (fetch_mode != FETCH_ONCE) return;
  for (int i = 0; i < connection->partition_count; i++)
    if (!connection->ended[i]) return;
  connection->done = 1;
  done_count++;
}

static void send_idle_polls(int count) {
  const char *topic = text_option("idle_topic", NULL);
  int partition = 0;
  size_t offset_at;
  for (int i = 0; i < count; i++) {
    int fd = connect_to(text_option("broker", NULL));
    if (fd < 0) die("cannot connect: %s", strerror(errno));
    struct bytes frame = fetch_request(topic, &partition, 1, 600000, &offset_at);
    if (send(fd, frame.data, frame.length, MSG_NOSIGNAL) != (ssize_t)frame.length) die("send: %s", strerror(errno));
    free(frame.data);
  }
  usleep(500000);
}

static int fetch(void) {
  int partitions = (int)number_option("partitions", 1);
  const char *topic = text_option("topic", NULL), *mode = text_option("mode", "wrap");
  fetch_mode = strcmp(mode, "once") == 0 ? FETCH_ONCE : strcmp(mode, "tail") == 0 ? FETCH_TAIL : FETCH_WRAP;
  connection_count = (int)number_option("connections", 4);
  window_size = 1;
  size_t record_bytes = (size_t)number_option("record_bytes", 100);
  int idle = (int)number_option("idle", 0);
  if (idle > 0) send_idle_polls(idle);
  connections = must_allocate(sizeof(struct connection) * (size_t)connection_count);
  poller = epoll_create1(0);
  for (int i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    connection->partitions = must_allocate(sizeof(int) * (size_t)partitions);
    // Each connection has partitions of its own; where there are fewer partitions, several read the same.
    for (int p = 0; p < partitions; p++)
      if (partitions < connection_count ? p == i % partitions : p % connection_count == i)
        connection->partitions[connection->partition_count++] = p;
    connection->offsets_at = must_allocate(sizeof(size_t) * (size_t)partitions);
    connection->next_offsets = must_allocate(sizeof(int64_t) * (size_t)partitions);
    connection->ended = must_allocate(sizeof(int) * (size_t)partitions);
    connection->requests[0].frame =
        fetch_request(topic, connection->partitions, connection->partition_count, 500, connection->offsets_at);
    open_connection(connection);
  }
  timed = window_from_options();
  if (fetch_mode == FETCH_ONCE) {
    timed.begin = now_ns();
    timed.end = INT64_MAX;
  }
  for (int i = 0; i < connection_count; i++) pump_fetch(&connections[i]);
  struct epoll_event events[256];
  while (fetch_mode == FETCH_ONCE ? done_count < connection_count : now_ns() < timed.end) {
    int count = epoll_wait(poller, events, 256, 50);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      receive(connection, take_fetched);
      pump_fetch(connection);
    }
  }
  if (fetch_mode == FETCH_ONCE) timed.end = now_ns();
  printf("{");
  print_window(&timed, record_bytes);
  printf("}\n");
  return 0;
}

// ---- ready ----

static int exchange(int fd, const struct bytes *frame, uint8_t *response, size_t capacity) {
  if (send(fd, frame->data, frame->length, MSG_NOSIGNAL) != (ssize_t)frame->length) return 0;
  size_t length = 0;
  while (length < 4 || length < (size_t)load(response, 4) + 4) {
    ssize_t got = recv(fd, response + length, capacity - length, 0);
    if (got <= 0) return 0;
    length += (size_t)got;
  }
  return (int)length;
}

static int metadata_answered(int fd) {
  struct bytes frame = {0};
  begin_request(&frame, API_METADATA, METADATA_VERSION);
  put(&frame, 0, 4);
  put(&frame, 0, 1);
  end_request(&frame);
  uint8_t response[65536];
  int got = exchange(fd, &frame, response, sizeof response);
  free(frame.data);
  // After length, correlation and throttle time: at least one broker.
  return got > 16 && load(response + 12, 4) > 0;
}

static int record_produced(int fd, const char *topic) {
  struct batch_shape shape = {.record_bytes = 100, .records = 1};
  uint32_t random = 1;
  struct request request = produce_request(topic, 1, 0, 1, &shape, &random);
  uint8_t response[4096];
  int got = exchange(fd, &request.frame, response, sizeof response);
  free(request.frame.data);
  // Length, correlation, topics, name, partitions, partition, and the error code.
  size_t code_at = 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4;
  return got > (int)code_at + 2 && load(response + code_at, 2) == 0;
}

// Until Metadata is answered and, where a topic is given, a record is in its first partition.
static int ready(void) {
  int64_t since = number_option("since", 0), give_up = now_ns() + number_option("timeout_ms", 120000) * 1000000;
  const char *topic = text_option("topic", "");
  int64_t metadata = 0;
  while (now_ns() < give_up) {
    int fd = connect_to(text_option("broker", NULL));
    if (fd >= 0) {
      while (metadata_answered(fd)) {
        if (metadata == 0) metadata = now_ns();
        if (*topic == 0 || record_produced(fd, topic)) {
          printf("{\"metadataMs\":%.3f,\"produceMs\":%.3f}\n", (double)(metadata - since) / 1e6, (double)(now_ns() - since) / 1e6);
          return 0;
        }
        usleep(2000);
      }
      close(fd);
    }
    usleep(2000);
  }
  die("the broker was not ready in time");
  return 1;
}

// ---- evict ----

static int64_t evicted_bytes, resident_bytes;

static int evict_file(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)place;
  if (kind != FTW_F || status->st_size == 0) return 0;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  size_t length = (size_t)status->st_size, pages = (length + 4095) / 4096;
  void *mapped = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
  unsigned char *resident = must_allocate(pages);
  if (mapped != MAP_FAILED && mincore(mapped, length, resident) == 0)
    for (size_t i = 0; i < pages; i++) resident_bytes += (resident[i] & 1) * 4096;
  if (mapped != MAP_FAILED) munmap(mapped, length);
  free(resident);
  close(fd);
  evicted_bytes += (int64_t)length;
  return 0;
}

// Puts the files of the directory out of the page cache, and tells what stayed in it.
static int evict(void) {
  sync();
  if (nftw(text_option("directory", NULL), evict_file, 32, FTW_PHYS) != 0) die("cannot walk the directory");
  printf("{\"bytes\":%ld,\"residentBytes\":%ld}\n", evicted_bytes, resident_bytes);
  return 0;
}

int main(int count, char **words) {
  if (count < 2) die("produce, fetch, ready or evict");
  option_count = count - 2;
  option_words = words + 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (strcmp(words[1], "produce") == 0) return produce();
  if (strcmp(words[1], "fetch") == 0) return fetch();
  if (strcmp(words[1], "ready") == 0) return ready();
  if (strcmp(words[1], "evict") == 0) return evict();
  die("unknown: %s", words[1]);
}
