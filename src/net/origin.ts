// Who may talk to the broker from inside a browser: the Origin and Host policy. Pure decisions over header values.
//
// Any web page may open a WebSocket to a loopback port and send simple requests there; what the browser adds truthfully
// is Origin (the page) and Host (the name by which the page reached us). Clients outside browsers send no Origin.
//
// A page on the broker's own host is let in, but "Origin equals Host" alone would invite DNS rebinding: the page of
// evil.example resolves its own name to 127.0.0.1 and then both headers say evil.example. Such a name is never one the
// broker is known by, so the equality counts only for hosts that cannot be rebound: IP addresses, and names the broker
// was told are its own (its listen and advertised hosts). A rebound page's plain GET carries no Origin at all, so when
// the listener is bound to loopback the Host itself is held to the same rule, and so are /metrics and the like. Bound
// elsewhere, any Host is served without an Origin: proxies and cluster names are many, and no browser is the weak point.

/** The outcome, with what to tell the client. */
export type OriginDecision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

export interface OriginPolicyOptions {
  /** Origins let in beside the rule: `https://app.example`, or `*` for every one. */
  readonly allowOrigins: readonly string[];
  /** Host names, without port, by which this broker is reached: listen and advertised hosts. */
  readonly ownHosts: readonly string[];
  /** The listener is reachable from this machine alone. */
  readonly isBoundToLoopback: boolean;
}

const ALLOWED: OriginDecision = { allowed: true };
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** Host name of an http(s) origin, lower case, IPv6 in brackets; undefined for `null`, other schemes and nonsense. */
function originHost(origin: string): { readonly name: string; readonly host: string } | undefined {
  if (!URL.canParse(origin)) return undefined;
  const url = new URL(origin);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  return { name: url.hostname, host: url.host };
}

/** Parses a Host header; undefined where it is absent or not a host. The port is undefined where the header has none. */
export function parseHost(
  header: string | undefined,
): { readonly name: string; readonly port: number | undefined } | undefined {
  if (header === undefined || /[\s/?#@\\]/.test(header) || !URL.canParse(`http://${header}`)) return undefined;
  const url = new URL(`http://${header}`);
  const digits = /:(\d+)$/.exec(header)?.[1];
  return { name: url.hostname, port: digits === undefined ? undefined : Number(digits) };
}

/** Whether a host name, as a URL prints it, always means this machine. RFC 6761 reserves `.localhost`. */
export function isLoopbackHost(name: string): boolean {
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '[::1]' ||
    (IPV4.test(name) && name.startsWith('127.'))
  );
}

function isAddress(name: string): boolean {
  return IPV4.test(name) || name.startsWith('[');
}

export class OriginPolicy {
  readonly #allowOrigins: ReadonlySet<string>;
  readonly #ownHosts: ReadonlySet<string>;
  readonly #isBoundToLoopback: boolean;

  constructor(options: OriginPolicyOptions) {
    this.#allowOrigins = new Set(options.allowOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, '')));
    this.#ownHosts = new Set(options.ownHosts.map((host) => host.toLowerCase()));
    this.#isBoundToLoopback = options.isBoundToLoopback;
  }

  /** Whether a request with these headers is served at all, be it an upgrade or a plain one. */
  decide(origin: string | undefined, hostHeader: string | undefined): OriginDecision {
    if (origin !== undefined && this.#isListed(origin)) return ALLOWED;
    const host = parseHost(hostHeader);
    if (this.#isBoundToLoopback && host !== undefined && !this.#isTrustedHost(host.name)) {
      return { allowed: false, reason: `host ${host.name} is not one of this broker's; it listens on loopback only` };
    }
    if (origin === undefined) return ALLOWED;
    const page = originHost(origin);
    if (page !== undefined && isLoopbackHost(page.name)) return ALLOWED;
    const isOwn = page !== undefined && page.name === host?.name && this.#isTrustedHost(page.name);
    if (isOwn) return ALLOWED;
    return {
      allowed: false,
      reason: 'origin is not allowed; start the broker with --allow-origin to let its pages in',
    };
  }

  #isListed(origin: string): boolean {
    return this.#allowOrigins.has('*') || this.#allowOrigins.has(origin.toLowerCase());
  }

  #isTrustedHost(name: string): boolean {
    return isLoopbackHost(name) || isAddress(name) || this.#ownHosts.has(name);
  }
}
