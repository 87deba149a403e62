import { signedIn } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { CacheCounts } from '../../platform/cache/cache-counts.js';
import { ServerConfig } from '../../platform/config/server.config.js';
import { Metrics } from '../../platform/observability/metrics.js';
import { VerifiedTokens } from './verified-tokens.js';

const ada = signedIn(newId(), newId());
const tokens = (): VerifiedTokens => new VerifiedTokens(new Clock(), new CacheCounts(new Metrics(new ServerConfig())));
const soon = (): number => Date.now() + 60_000;

describe('the cache of verified tokens', () => {
  it('holds no more than a few megabytes, however long the tokens are', () => {
    const memory = tokens();
    const tokensOf16K = Array.from({ length: 2000 }, (_, i) => `${i} `.padEnd(16_384, 'x'));
    for (const token of tokensOf16K) memory.remember(token, ada, soon());
    const known = tokensOf16K.filter((token) => memory.find(token) !== undefined);
    expect(known.length * 16_384).toBeLessThan(11_000_000);
    expect(known).toContain(tokensOf16K.at(-1));
  });

  it('has room for ten thousand people', () => {
    const memory = tokens();
    const usual = Array.from({ length: 10_000 }, (_, i) => `${i} `.padEnd(420, 'x'));
    for (const token of usual) memory.remember(token, ada, soon());
    expect(usual.filter((token) => memory.find(token) === undefined)).toEqual([]);
  });

  it('evicts the least recently used entry first', () => {
    const memory = tokens();
    memory.remember('in use', ada, soon());
    for (let i = 0; i < 30_000; i++) {
      memory.remember(`${i} `.padEnd(420, 'x'), ada, soon());
      expect(memory.find('in use')).toBe(ada);
    }
  });

  it('drops an entry at its expiry, and remembers until then that a key has no user', () => {
    const memory = tokens();
    memory.remember('over', ada, Date.now());
    memory.remember('nobody', null, soon());
    expect(memory.find('over')).toBeUndefined();
    expect(memory.find('nobody')).toBeNull();
    expect(memory.find('unknown')).toBeUndefined();
  });
});
