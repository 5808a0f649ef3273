// The few HTTP resources beside the WebSocket: health, readiness, metrics and a page that says what this is. Routing is
// a function from request to response values; whoever owns a server writes them out.

export interface HttpRequest {
  readonly method: string;
  /** Path with query, as in the request line. */
  readonly target: string;
  /** The request announces a body. */
  readonly hasBody: boolean;
  /** It has the key of a WebSocket handshake: a proxy on the way took its Upgrade header. */
  readonly isWebSocketKeyed: boolean;
  /** The Host header, for showing how to connect. */
  readonly host: string | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the resources show. */
export interface HttpService {
  readonly version: string;
  /** Undefined when the broker serves, else what it still waits for. */
  notReady(): string | undefined;
  /** Prometheus text exposition and its content type. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
}

const PATHS: ReadonlySet<string> = new Set(['/', '/healthz', '/readyz', '/metrics', '/favicon.ico']);

export function textResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body: `${text}\n`,
  };
}

/** Answers a request; rejects only if the metrics do. */
export async function routeHttp(request: HttpRequest, service: HttpService): Promise<HttpResponse> {
  const path = request.target.split('?', 1)[0] ?? '/';
  if (!PATHS.has(path)) {
    return textResponse(404, `not found: there are /, /healthz, /readyz and /metrics, and a WebSocket at /`);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return textResponse(
      405,
      `method ${request.method} is not allowed: use GET, or a WebSocket to produce and consume`,
      {
        allow: 'GET, HEAD',
        connection: 'close',
      },
    );
  }
  if (request.hasBody) return textResponse(413, 'a request body is not accepted', { connection: 'close' });
  if (request.isWebSocketKeyed) return upgradeRequired();
  // Browsers ask for it beside any page; an error in the console would look like one of the broker's.
  if (path === '/favicon.ico') return { status: 204, headers: {}, body: '' };
  if (path === '/healthz') return textResponse(200, 'ok');
  if (path === '/readyz') return readiness(service);
  if (path === '/metrics') return exposition(service);
  return textResponse(200, welcome(service.version, request.host));
}

/** The answer to whoever wants another protocol than the WebSocket, or lost its Upgrade header on the way. */
export function upgradeRequired(): HttpResponse {
  return textResponse(
    426,
    'only an upgrade to websocket is served; a proxy on the way must pass Upgrade and Connection',
    {
      upgrade: 'websocket',
      connection: 'upgrade',
    },
  );
}

function readiness(service: HttpService): HttpResponse {
  const reason = service.notReady();
  return reason === undefined ? textResponse(200, 'ready') : textResponse(503, reason, { 'retry-after': '1' });
}

async function exposition(service: HttpService): Promise<HttpResponse> {
  const { contentType, body } = await service.metrics();
  return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body };
}

/** Host header characters that may be shown; the page is plain text, so this is tidiness and not escaping. */
const HOST_SHOWN = /^[\w.:[\]-]{1,255}$/;

function welcome(version: string, host: string | undefined): string {
  const authority = host !== undefined && HOST_SHOWN.test(host) ? host : '127.0.0.1:8092';
  return [
    `Millrace ${version}: a Kafka-compatible log.`,
    '',
    'Connect with a WebSocket to this address:',
    `  new WebSocket('ws://${authority}/')            JSON messages (subprotocol json)`,
    `  new WebSocket('ws://${authority}/', 'kafka')   Kafka requests, one binary message each`,
    '',
    'From a shell:',
    `  echo hello | npx millrace produce greetings --server ws://${authority}`,
    `  npx millrace consume greetings --from beginning --server ws://${authority}`,
    '',
    'Beside it: /healthz, /readyz, /metrics',
  ].join('\n');
}
