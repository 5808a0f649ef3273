// A WebSocket of the conformance suite that is opened by `fetch` of a Durable Object's stub.

import type { Fetcher } from '../../../src/platform/workerd/routing.ts';
import type { ConformanceSocket } from '../../conformance/suite/host.ts';
import { Inbox } from '../../conformance/suite/sockets.ts';

interface AnsweredSocket {
  binaryType: string;
  accept(): void;
  send(message: Uint8Array | string): void;
  close(): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

export async function openFetched(fetcher: Fetcher, subprotocol: 'kafka' | 'json'): Promise<ConformanceSocket> {
  const headers = { upgrade: 'websocket', 'sec-websocket-protocol': subprotocol };
  const response: Response & { readonly webSocket?: AnsweredSocket } = await fetcher.fetch(
    new Request('http://broker/', { headers }),
  );
  const socket = response.webSocket;
  if (socket === undefined) throw new Error(`no WebSocket: ${response.status} ${await response.text()}`);
  const inbox = new Inbox();
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('message', ({ data }) => {
    if (typeof data === 'string') inbox.put(data);
    else if (data instanceof ArrayBuffer) inbox.put(new Uint8Array(data));
    else inbox.end(`a message that is neither text nor an ArrayBuffer: ${String(data)}`);
  });
  socket.addEventListener('close', ({ code, reason }) => inbox.end(`${code} ${reason}`));
  socket.accept();
  return {
    send: (message) => socket.send(message),
    receive: () => inbox.take(),
    close: () => socket.close(),
  };
}
