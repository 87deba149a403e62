import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import { OutboundConfig } from '../../src/platform/outbound/outbound.config.js';
import type { HostResolver } from '../../src/platform/outbound/host-resolver.js';
import { ADDRESS_REFUSED, OutboundGuard } from '../../src/platform/outbound/outbound-guard.js';
import { SSRF_SPELLINGS } from '../attack/ssrf-spellings.mjs';

/** Returns the next of these answers at each call; the last one is repeated. */
function resolverOf(...answers: string[][]): HostResolver & { asked: number } {
  const resolve = (): ReturnType<HostResolver> => {
    const answer = answers[Math.min(resolve.asked++, answers.length - 1)] as string[];
    return Promise.resolve(answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  };
  resolve.asked = 0;
  return resolve;
}

const guardOf = (resolve: HostResolver, providerUrlAllow: string[] = []): OutboundGuard =>
  new OutboundGuard(Object.assign(new OutboundConfig(), { providerUrlAllow, llmConnectTimeoutMs: 1000 }), resolve);

const PUBLIC = ['93.184.215.14'];
const INTERNAL = 'must not lead to a private address';

describe('an address that a user gives', () => {
  it('has enough test cases of wrong spellings', () => {
    expect(SSRF_SPELLINGS.length).toBeGreaterThanOrEqual(80);
    expect(new Set(SSRF_SPELLINGS.map(({ url }) => url)).size).toBe(SSRF_SPELLINGS.length);
  });

  it.each(SSRF_SPELLINGS)('is refused without a DNS lookup: $name', async ({ url }) => {
    const resolve = resolverOf(PUBLIC);
    expect(await guardOf(resolve).objectionTo(url)).toMatch(/^(must|names)/);
    expect(resolve.asked).toBe(0);
  });

  it.each([
    'https://api.openai.com/v1',
    'https://api.openai.com',
    'HTTPS://API.OpenAI.com:443/v1/',
    'https://models.acme.dev:8443/a-b/c_d/~v1.2',
    'https://xn--bcher-kva.ch/v1',
    'https://8.8.8.8/v1',
    'https://[2606:4700:4700::1111]/v1',
  ])('is accepted when it is public: %s', async (url) => {
    expect(await guardOf(resolverOf(PUBLIC)).objectionTo(url)).toBeNull();
  });

  it.each([
    ['127.0.0.1'],
    ['169.254.169.254'],
    ['::1'],
    ['::ffff:10.0.0.1'],
    ['fd00::1'],
    ['100.64.0.1'],
    ['64:ff9b::a00:1'],
  ])('is refused when its name resolves to %s, even beside a public address', async (address) => {
    expect(await guardOf(resolverOf([address])).objectionTo('https://evil.dev/v1')).toBe(INTERNAL);
    expect(await guardOf(resolverOf([...PUBLIC, address])).objectionTo('https://evil.dev/v1')).toBe(INTERNAL);
  });

  it('is refused when its name is not found', async () => {
    const fail = (): Promise<never> => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    expect(await guardOf(fail).objectionTo('https://nobody.dev/v1')).toBe('names a host that is not found');
    expect(await guardOf(resolverOf([])).objectionTo('https://nobody.dev/v1')).toBe('names a host that is not found');
  });

  it('is accepted when the operator allows it, with any port and with http, but not similar addresses', async () => {
    const guard = guardOf(resolverOf(['10.1.2.3']), ['ollama', '192.168.7.0/24', 'fd12::/16']);
    for (const url of ['http://ollama:11434/v1', 'http://192.168.7.9:8000/v1', 'http://[fd12::5]:8000/v1']) {
      expect({ url, objection: await guard.objectionTo(url) }).toEqual({ url, objection: null });
    }
    for (const url of [
      'http://192.168.8.9:8000/v1',
      'http://ollama.dev:11434/v1',
      'http://0xc0a80709/v1',
      'http://a@ollama/',
    ]) {
      expect({ url, isRefused: (await guard.objectionTo(url)) !== null }).toEqual({ url, isRefused: true });
    }
  });
});

describe('a connection', () => {
  let server: Server;
  let port: number;
  let hits = 0;

  beforeAll(async () => {
    server = createServer((_request, response) => {
      hits++;
      response.end('internal');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => server.close());
  beforeEach(() => (hits = 0));

  async function call(guard: OutboundGuard, host: string): Promise<string> {
    const dispatcher = new Agent({ connect: guard.connect });
    try {
      return await (await request(`http://${host}:${port}/`, { dispatcher })).body.text();
    } finally {
      await dispatcher.destroy();
    }
  }

  it('is refused when the name resolves to another address than before (DNS rebinding)', async () => {
    const resolve = resolverOf(PUBLIC, ['127.0.0.1']);
    const guard = guardOf(resolve);
    expect(await guard.objectionTo('https://rebind.dev/v1')).toBeNull();
    await expect(call(guard, 'rebind.dev')).rejects.toMatchObject({ code: ADDRESS_REFUSED });
    expect({ hits, asked: resolve.asked }).toEqual({ hits: 0, asked: 2 });
  });

  it('uses exactly the checked addresses, after one lookup', async () => {
    const resolve = resolverOf(['127.0.0.1'], ['203.0.113.1']);
    expect(await call(guardOf(resolve, ['127.0.0.1']), 'model.dev')).toBe('internal');
    expect({ hits, asked: resolve.asked }).toEqual({ hits: 1, asked: 1 });
  });

  it.each(['127.0.0.1', '[::ffff:127.0.0.1]', '[::1]', '0.0.0.0'])(
    'is refused to the literal address %s',
    async (host) => {
      await expect(call(guardOf(resolverOf(PUBLIC)), host)).rejects.toMatchObject({ code: ADDRESS_REFUSED });
      expect(hits).toBe(0);
    },
  );
});
