// Every bound in one place: its value, its unit, and who consumes it.

/** Largest request frame, in bytes (Kafka's socket.request.max.bytes default). Consumed by net/ and protocol/. */
export const REQUEST_BYTES_MAX = 104_857_600;
/** Default of message.max.bytes: one record batch with its 12 bytes of offset and length. Consumed by broker/ configs. */
export const MESSAGE_BYTES_MAX_DEFAULT = 1_048_588;
/** Bytes of one inbound slab; every slot has two. Consumed by platform/ slots and workers. */
export const SLAB_BYTES = 8 * 1024 * 1024;
/** Operating-system file handles that one store keeps open. Consumed by the Node store. */
export const OPEN_FILES_MAX = 512;
/** Longest topic name (Kafka's limit). Consumed by broker/. */
export const TOPIC_NAME_LENGTH_MAX = 249;
/** Array elements in one request or response, all arrays together: bounds memory from hostile frames. Consumed by protocol/. */
export const FRAME_ELEMENTS_MAX = 1_000_000;
