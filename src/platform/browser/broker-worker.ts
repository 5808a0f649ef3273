// The entry of the worker, thin.

import { consoleLogger } from './console-logger.ts';
import type { WorkerEvent, WorkerRequest } from './messages.ts';
import { WorkerHost } from './worker-host.ts';

const host = new WorkerHost((event: WorkerEvent) => postMessage(event), consoleLogger);

addEventListener('message', ({ data }: MessageEvent<WorkerRequest>) => host.receive(data));
addEventListener('online', () => host.receive({ kind: 'online' }));
