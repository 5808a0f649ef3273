import { describe, expect, it } from 'vitest';
import { OriginPolicy } from '../../src/net/origin.ts';

const loopback = new OriginPolicy({ allowOrigins: [], ownHosts: ['127.0.0.1', 'devbox'], isBoundToLoopback: true });
const open = new OriginPolicy({ allowOrigins: [], ownHosts: ['broker.example'], isBoundToLoopback: false });
const listed = new OriginPolicy({
  allowOrigins: ['https://App.example/', 'null'],
  ownHosts: [],
  isBoundToLoopback: true,
});
const all = new OriginPolicy({ allowOrigins: ['*'], ownHosts: [], isBoundToLoopback: true });

type Row = readonly [origin: string | undefined, host: string | undefined, allowed: boolean, why: string];

const LOOPBACK_ROWS: readonly Row[] = [
  [undefined, '127.0.0.1:8092', true, 'a client outside browsers'],
  [undefined, undefined, true, 'a client that sends no Host'],
  [undefined, 'localhost:8092', true, 'by name'],
  [undefined, '[::1]:8092', true, 'by IPv6'],
  ['http://localhost:3000', 'localhost:8092', true, 'a page of a development server'],
  ['http://app.localhost:3000', '127.0.0.1:8092', true, 'a name below localhost'],
  ['https://127.0.0.1', '127.0.0.1:8092', true, 'loopback over TLS'],
  ['http://127.8.9.10:1', '127.0.0.1:8092', true, 'all of 127.0.0.0/8'],
  ['http://[::1]:3000', 'localhost:8092', true, 'IPv6 loopback'],
  ['http://0x7f.1:3000', 'localhost:8092', true, 'loopback as URLs normalise it'],
  ['http://devbox:8092', 'devbox:8092', true, 'the broker itself by its own name'],
  ['https://evil.example', 'localhost:8092', false, 'a foreign page'],
  ['https://evil.example', '127.0.0.1:8092', false, 'a foreign page by address'],
  ['http://localhost.evil.example', 'localhost:8092', false, 'a name that begins like localhost'],
  ['http://127.0.0.1.evil.example', 'localhost:8092', false, 'a name that begins like an address'],
  ['http://notlocalhost', 'localhost:8092', false, 'a name that ends like localhost'],
  ['http://evil.example:8092', 'evil.example:8092', false, 'DNS rebinding: both headers name the attacker'],
  [undefined, 'evil.example:8092', false, 'DNS rebinding: a plain GET of the rebound page'],
  ['http://localhost:3000', 'evil.example:8092', false, 'DNS rebinding seen from another page'],
  ['null', 'localhost:8092', false, 'a sandboxed frame, or a file'],
  ['', 'localhost:8092', false, 'an empty origin'],
  ['file://', 'localhost:8092', false, 'a file'],
  ['chrome-extension://localhost', 'localhost:8092', false, 'an extension with a name of its own choice'],
  ['http://localhost@evil.example', 'localhost:8092', false, 'credentials that look like a host'],
  ['nonsense', 'localhost:8092', false, 'no URL'],
];

const OPEN_ROWS: readonly Row[] = [
  [undefined, 'anything.cluster.local:8092', true, 'a client or proxy by any name'],
  ['http://broker.example:8092', 'broker.example:8092', true, 'the broker itself by its advertised name'],
  ['http://192.168.1.5:8092', '192.168.1.5:8092', true, 'the broker itself by address, which cannot be rebound'],
  ['http://192.168.1.5:3000', '192.168.1.5:8092', true, 'another port of the same host'],
  ['http://192.168.1.6:8092', '192.168.1.5:8092', false, 'another host'],
  ['http://evil.example:8092', 'evil.example:8092', false, 'DNS rebinding to an address in this network'],
];

describe('origin policy', () => {
  for (const [origin, host, allowed, why] of LOOPBACK_ROWS) {
    it(`bound to loopback ${allowed ? 'lets in' : 'refuses'} ${why} (Origin ${origin}, Host ${host})`, () => {
      expect(loopback.decide(origin, host).allowed).toBe(allowed);
    });
  }

  for (const [origin, host, allowed, why] of OPEN_ROWS) {
    it(`bound to the network ${allowed ? 'lets in' : 'refuses'} ${why} (Origin ${origin}, Host ${host})`, () => {
      expect(open.decide(origin, host).allowed).toBe(allowed);
    });
  }

  it('lets in exactly what is listed beside the rule', () => {
    expect(listed.decide('https://app.example', 'localhost:8092').allowed).toBe(true);
    expect(listed.decide('null', 'localhost:8092').allowed).toBe(true);
    expect(listed.decide('http://app.example', 'localhost:8092').allowed).toBe(false);
    expect(listed.decide('https://app.example:444', 'localhost:8092').allowed).toBe(false);
  });

  it('lets every origin in with *, but not a rebound page without one', () => {
    expect(all.decide('https://evil.example', 'localhost:8092').allowed).toBe(true);
    expect(all.decide(undefined, 'evil.example:8092').allowed).toBe(false);
  });

  it('says what to do about a refusal', () => {
    const decision = loopback.decide('https://app.example', 'localhost:8092');
    expect(decision.allowed ? '' : decision.reason).toContain('--allow-origin');
  });
});
