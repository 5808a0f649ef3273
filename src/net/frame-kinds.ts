// What a request frame is, from the API key in its first two bytes (Kafka protocol guide, "Request Header"): as much as a
// connection needs to know before anybody has decoded it.

/** The one request that is large, and of which nothing is kept once it has been answered. */
const PRODUCE_KEY = 0;
/** The one request with a large answer. */
const FETCH_KEY = 1;

/** Whether the frame that begins at a position is a Produce request. */
export function isProduce(bytes: Uint8Array, position = 0): boolean {
  return bytes[position] === 0 && bytes[position + 1] === PRODUCE_KEY;
}

export function isFetch(frame: Uint8Array): boolean {
  return frame[0] === 0 && frame[1] === FETCH_KEY;
}
