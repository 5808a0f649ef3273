// What the load programs share: options as key=value, clocks, exact percentiles, the text that records carry, and
// counting of what falls into the timed window. One include per program, hence everything static.

#ifndef LOAD_H
#define LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))

MAYBE_UNUSED static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static int option_count;
static char **option_words;

// The value of the option key=value, or what stands for it where it is not given.
MAYBE_UNUSED static const char *text_option(const char *key, const char *otherwise) {
  size_t length = strlen(key);
  for (int i = 0; i < option_count; i++)
    if (strncmp(option_words[i], key, length) == 0 && option_words[i][length] == '=') return option_words[i] + length + 1;
  if (otherwise == NULL) die("the option %s is missing", key);
  return otherwise;
}

MAYBE_UNUSED static long number_option(const char *key, long otherwise) {
  const char *text = text_option(key, "");
  if (*text == 0) return otherwise;
  char *end;
  long value = strtol(text, &end, 10);
  if (*end != 0) die("the option %s is no number: %s", key, text);
  return value;
}

// CLOCK_MONOTONIC, which is what process.hrtime of Node tells, too.
MAYBE_UNUSED static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

MAYBE_UNUSED static void *must_allocate(size_t bytes) {
  void *memory = calloc(1, bytes > 0 ? bytes : 1);
  if (memory == NULL) die("no memory for %zu bytes", bytes);
  return memory;
}

// Latencies in microseconds. Beyond the capacity the program ends: a sample that is dropped would flatter.
struct samples {
  uint32_t *values;
  size_t count, capacity;
};

MAYBE_UNUSED static void add_sample(struct samples *samples, int64_t nanoseconds) {
  if (samples->count == samples->capacity) {
    samples->capacity = samples->capacity == 0 ? 1 << 16 : samples->capacity * 2;
    samples->values = realloc(samples->values, samples->capacity * sizeof(uint32_t));
    if (samples->values == NULL) die("no memory for samples");
  }
  int64_t microseconds = nanoseconds / 1000;
  samples->values[samples->count++] = microseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)microseconds;
}

static int compare_samples(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return left < right ? -1 : left > right;
}

// Sorts, and prints the members of a JSON object.
MAYBE_UNUSED static void print_percentiles(struct samples *samples) {
  static const struct {
    const char *name;
    double part;
  } wanted[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
  qsort(samples->values, samples->count, sizeof(uint32_t), compare_samples);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    size_t rank = (size_t)(wanted[i].part * (double)samples->count);
    if (rank >= samples->count && samples->count > 0) rank = samples->count - 1;
    printf(",\"%sUs\":%u", wanted[i].name, samples->count == 0 ? 0 : samples->values[rank]);
  }
}

// The samples in the order in which they came, as little-endian 32-bit numbers.
MAYBE_UNUSED static void store_samples(const struct samples *samples, const char *path) {
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(samples->values, sizeof(uint32_t), samples->count, file) != samples->count || fclose(file) != 0)
    die("cannot write %s", path);
}

// What is timed: from the end of the ramp to the end of the load.
struct window {
  int64_t begin, end;
  int64_t records, requests;             // inside
  int64_t total_records, total_requests; // with the ramp and the end
};

MAYBE_UNUSED static struct window window_from_options(void) {
  int64_t begin = now_ns() + number_option("ramp_ms", 1000) * 1000000;
  struct window window = {.begin = begin, .end = begin + number_option("ms", 5000) * 1000000};
  return window;
}

// Whether the moment lies inside.
MAYBE_UNUSED static int count_in_window(struct window *window, int64_t now, int64_t records) {
  window->total_records += records;
  window->total_requests++;
  if (now < window->begin || now >= window->end) return 0;
  window->records += records;
  window->requests++;
  return 1;
}

MAYBE_UNUSED static uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

// Fills a value with text as logs have it: words that come again and numbers that do not. lz4 makes about half of it.
MAYBE_UNUSED static void fill_with_text(uint8_t *value, size_t length, uint32_t *state) {
  static const char *const words[] = {
      "level=info ", "level=warn ", "service=checkout ", "service=search ", "service=mail ", "method=GET ",
      "method=POST ", "path=/api/v1/orders ", "path=/api/v1/items ", "path=/health ", "status=200 ", "status=404 ",
      "user=anna ", "user=bert ", "region=north ", "region=south ", "cache=hit ", "cache=miss "};
  size_t at = 0;
  while (at < length) {
    char piece[48];
    uint32_t random = next_random(state);
    int size = random & 1 ? snprintf(piece, sizeof piece, "id=%08x ", next_random(state))
                          : snprintf(piece, sizeof piece, "%s", words[(random >> 8) % (sizeof words / sizeof *words)]);
    size_t taken = (size_t)size < length - at ? (size_t)size : length - at;
    memcpy(value + at, piece, taken);
    at += taken;
  }
}

MAYBE_UNUSED static int connect_to(const char *address) {
  char host[64];
  const char *colon = strrchr(address, ':');
  if (colon == NULL || (size_t)(colon - address) >= sizeof host) die("no address: %s", address);
  memcpy(host, address, (size_t)(colon - address));
  host[colon - address] = 0;
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  if (inet_pton(AF_INET, host, &target.sin_addr) != 1) die("no IPv4 address: %s", host);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&target, sizeof target) != 0) {
    close(fd);
    return -1;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

MAYBE_UNUSED static void make_nonblocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) die("fcntl: %s", strerror(errno));
}

#endif
