import { createHostResolver, RESOLVE_TIMEOUT_MS } from '../../src/platform/outbound/host-resolver.js';
import { NameServer } from '../support/name-server.js';

let names: NameServer;
let resolve: ReturnType<typeof createHostResolver>;

beforeAll(async () => {
  names = await NameServer.start();
  resolve = createHostResolver([names.address]);
  names.hosts.set('both.dev', { addresses: ['2606:4700:4700:0:0:0:0:1111', '93.184.215.14', '93.184.215.15'] });
  names.hosts.set('v6.dev', { addresses: ['2606:4700:4700:0:0:0:0:1111'] });
  names.hosts.set('alias.dev', { alias: 'both.dev' });
  names.hosts.set('empty.dev', {});
});
afterAll(() => names.stop());
beforeEach(() => (names.asked.length = 0));

describe('a host name from a user', () => {
  it('resolves to all its addresses, IPv4 first', async () => {
    const found = [
      { address: '93.184.215.14', family: 4 },
      { address: '93.184.215.15', family: 4 },
      { address: '2606:4700:4700::1111', family: 6 },
    ];
    expect(await resolve('both.dev', false)).toEqual(found);
    expect(await resolve('alias.dev', false)).toEqual(found);
  });

  it('may have only IPv6 addresses', async () => {
    expect(await resolve('v6.dev', false)).toEqual([{ address: '2606:4700:4700::1111', family: 6 }]);
  });

  it.each(['nobody.dev', 'empty.dev'])('is not found when it has no address: %s', async (name) => {
    await expect(resolve(name, false)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('fails within the time limit when its name server is silent', async () => {
    const begunMs = performance.now();
    await expect(resolve('a.silent.dev', false)).rejects.toMatchObject({ code: 'EAI_AGAIN' });
    expect(performance.now() - begunMs).toBeLessThan(RESOLVE_TIMEOUT_MS + 1000);
  });

  it('is looked up once for all concurrent callers, and again afterwards', async () => {
    await Promise.all(Array.from({ length: 50 }, () => resolve('both.dev', false)));
    expect(names.asked).toEqual(['both.dev', 'both.dev']);
    await resolve('both.dev', false);
    expect(names.asked).toHaveLength(4);
  });

  it('is not looked up in the hosts file of this machine', async () => {
    await expect(resolve('localhost', false)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });
});

describe('a host name that the operator allows', () => {
  it('is found in the hosts file, without a query to the name servers for users', async () => {
    expect((await resolve('localhost', true)).map(({ address }) => address)).toContain('127.0.0.1');
    expect(names.asked).toEqual([]);
  });
});
