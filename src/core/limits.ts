// Every bound in one place: its value, its unit, and who consumes it.

/** Largest request frame, in bytes (Kafka's socket.request.max.bytes default). Consumed by net/ and protocol/. */
export const REQUEST_BYTES_MAX = 104_857_600;
/** Most that socket.request.max.bytes may be set to. Consumed by broker/ configs, workers and clients. */
export const REQUEST_BYTES_LIMIT = 268_435_456;
/** Largest response that a client takes: a fetch returns one batch whole, beside its own limit. Consumed by platform/. */
export const RESPONSE_BYTES_MAX = REQUEST_BYTES_LIMIT + REQUEST_BYTES_MAX;
/** Largest record batch that the log writes or takes for one: beyond it a length is damage. Consumed by storage/ and partition/. */
export const BATCH_BYTES_MAX = 536_870_912;
/** Default of message.max.bytes: one record batch with its 12 bytes of offset and length. Consumed by broker/ configs. */
export const MESSAGE_BYTES_MAX_DEFAULT = 1_048_588;
/** Bytes of one inbound slab; every slot has two. Consumed by platform/ slots and workers. */
export const SLAB_BYTES = 8 * 1024 * 1024;
/**
 * Partitions of clients that every started slot has before a further one is started, where there may be more; so many go to
 * one in a row. An owner of its own pays when many are written to, and costs a thread. Consumed by partition/slot-placement.
 */
export const SLOT_PARTITIONS_MIN = 16;
/** Appends of one group that cross between threads as numbers in shared memory; more are cloned. Consumed by partition/. */
export const EXCHANGE_ROWS = 1024;
/** Operating-system file handles that one store keeps open. Consumed by the Node store. */
export const OPEN_FILES_MAX = 512;
/** Longest topic name (Kafka's limit). Consumed by broker/. */
export const TOPIC_NAME_LENGTH_MAX = 249;
/** Array elements in one request or response, all arrays together: bounds memory from hostile frames. Consumed by protocol/. */
export const FRAME_ELEMENTS_MAX = 1_000_000;
/** Requests of one connection that are handled at the same time; reading pauses beyond. Consumed by net/connection. */
export const REQUESTS_IN_FLIGHT_MAX = 128;
/** Request bytes of one connection that are handled at the same time (one larger request goes alone). Consumed by net/. */
export const REQUEST_BYTES_IN_FLIGHT_MAX = 16 * 1024 * 1024;
/** Request bytes of one connection that wait for its other bounds while reading goes on. Consumed by net/. */
export const REQUEST_BYTES_WAITING_MAX = 64 * 1024;
/** Default of queued.max.request.bytes: request bytes of all connections, whole and partial. net/. */
export const QUEUED_REQUEST_BYTES_MAX = 256 * 1024 * 1024;
/** Unsent response bytes of one connection above which its further requests wait. Consumed by net/connection. */
export const OUTBOUND_BYTES_HIGH = 1024 * 1024;
/** Longest time that unsent responses may make no progress before the connection is closed. Consumed by net/. */
export const OUTBOUND_STUCK_MS_MAX = 30_000;
/** Default of connections.max.idle.ms (Kafka's). Consumed by net/. */
export const CONNECTION_IDLE_MS_MAX = 600_000;
/** Default of max.connections: connections of all listeners together. Consumed by the listeners. */
export const CONNECTIONS_MAX = 20_000;
/** Largest WebSocket fragment sent, and so the largest single write to a socket. Consumed by the WebSocket listener. */
export const FRAGMENT_BYTES_MAX = 1024 * 1024;
/** Default of max.incremental.fetch.session.cache.slots (Kafka's). Consumed by broker/ fetch sessions. */
export const FETCH_SESSIONS_MAX = 1000;
/** Largest message of the json subprotocol: parsing is synchronous, so this bounds how long one client holds the thread. */
export const JSON_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Index entries that wait in memory before they go to the index file, in bytes per index. Consumed by storage/. */
export const INDEX_TAIL_BYTES_MAX = 2040;
/** Batches that are written to a segment at once: each may get an entry of an index, and the tail holds them all. Consumed by storage/. */
export const APPEND_RUN_BATCHES_MAX = 128;
/** Batches up to this are copied together for a common write: beyond, a buffer of their own costs less. Consumed by storage/. */
export const STAGED_BATCH_BYTES_MAX = 4096;
/** Memory of one thread for such batches. Consumed by storage/. */
export const STAGING_BYTES = 256 * 1024;
/** Files that a log keeps empty for its next segments: those of what retention takes out at a time. Consumed by storage/. */
export const SPARE_FILES_MAX = 16;
/** Largest part of an index that one lookup copies into the kernels' memory. Consumed by storage/. */
export const INDEX_WINDOW_BYTES = 64 * 1024;
/** Log bytes that recovery and checks read at a time, but for a single larger batch. Consumed by storage/. */
export const SCAN_WINDOW_BYTES = 1024 * 1024;
/** Segments that one call of retention takes out; the next call goes on. Consumed by storage/. */
export const RETENTION_SEGMENTS_MAX = 64;
/** Removals of a log's files that may be under way beside its thread. Consumed by storage/. */
export const REMOVALS_ASIDE_MAX = 256;
/** Bytes that one compressed record batch may grow to, so that a small one cannot fill memory. Consumed by client/, partition/ and storage/. */
export const DECOMPRESSED_BATCH_BYTES_MAX = 268_435_456;
/** Memory that all incremental fetch sessions hold together, as they estimate it. Consumed by broker/ fetch sessions. */
export const FETCH_SESSION_BYTES_MAX = 64 * 1024 * 1024;
/** Largest batch that a coordinator writes: bounds one group's membership. Consumed by broker/ coordinators. */
export const COORDINATOR_BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Groups that may have a configuration of their own: each change writes all metadata anew. Consumed by broker/ configs. */
export const CONFIGURED_GROUPS_MAX = 10_000;
/** Partitions that one request may create (Kafka's limit too). Consumed by broker/. */
export const PARTITIONS_PER_REQUEST_MAX = 10_000;
/** Producer ids that are taken from the metadata at once (Kafka's block too). Consumed by broker/ transactions. */
export const PRODUCER_ID_BLOCK = 1000;
/** Log bytes that compaction reads and writes at a time, but for a single larger batch. Consumed by storage/ cleaner. */
export const CLEANER_WINDOW_BYTES = 128 * 1024;
/** Records of one batch that compaction looks at between two steps; one that is new costs a page of memory. Consumed by storage/ cleaner. */
export const CLEANER_RECORDS_PER_STEP = 1024;
/** Segments that compaction makes one of at most: bounds what a crash leaves to be finished at the next open. Consumed by storage/ cleaner. */
export const CLEANER_GROUP_SEGMENTS_MAX = 32;

/** Size of a file of Kafka's metadata log that is taken over, in bytes; it is read at once. Used by embedded/initial-metadata. */
export const KAFKA_METADATA_FILE_BYTES_MAX = 256 * 1024 * 1024;
/** Largest log.cleaner.dedupe.buffer.size: the memory of one slot's compaction. Consumed by broker/ configs. */
export const DEDUPE_BUFFER_BYTES_MAX = 2_147_483_648;
/** Memory of frames that is kept for the next ones while nobody uses it, of each listener. Consumed by net/frame-memory. */
export const FRAME_MEMORY_IDLE_BYTES_MAX = 32 * 1024 * 1024;
/** Memory in which a slot lends what it read until that was sent; what finds no room is read into fresh buffers. Consumed by partition/lending-memory. */
export const LENDING_BYTES = 16 * 1024 * 1024;
/** The part of it that may hold what was read ahead of readers. Consumed by partition/read-ahead, as the next ones. */
export const READ_AHEAD_BYTES_MAX = LENDING_BYTES / 2;
/** Readers that are given less at a time read for themselves. */
export const READ_AHEAD_BYTES_MIN = 64 * 1024;
/**
 * What was read faster came from the page cache, so that the next read has nothing to wait for: reading ahead would only
 * make more memory go round than the processor's caches hold.
 */
export const READ_AHEAD_BYTES_PER_MS_MAX = 2 * 1024 * 1024;
/** What was read ahead and not asked for in so many milliseconds makes room for other readers. */
export const READ_AHEAD_MS_MAX = 1000;
/** Ranges that wait to be read ahead. */
export const READ_AHEAD_WISHES_MAX = 64;
/** Ranges of files that an owner has lent at a time; what goes beyond is read into memory. Consumed by partition/file-lending, as the next one. */
export const FILE_RANGES_LENT_MAX = 512;
/** Less is read into memory: at the end of a log, where it was just written, copies cost less than opening a file. */
export const FILE_RANGE_BYTES_MIN = 512 * 1024;
/** Partitions whose last batches the dispatching thread keeps for readers at the end. Consumed by partition/tail-cache, as the next ones. */
export const TAIL_PARTITIONS_MAX = 64;
/** Most that is kept of one partition, and where that begins; it doubles in between. */
export const TAIL_BYTES_MAX = 64 * 1024;
export const TAIL_BYTES_MIN = 4 * 1024;
