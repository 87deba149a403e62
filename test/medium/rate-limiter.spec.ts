import { type Bucket, RateLimiter } from '../../src/platform/rate-limit/rate-limiter.js';
import { AppError } from '../../src/kernel/errors/app-error.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let here: RateLimiter;
let there: RateLimiter;

beforeAll(async () => {
  t = await createTestApp();
  here = t.app.get(RateLimiter);
  there = (await t.another()).get(RateLimiter);
});
beforeEach(() => t.database.query('delete from rate_limits'));
afterAll(() => t.close());

// While a test runs, the bucket refills by much less than a token.
const bucket = (subject: string, limit = 3, windowSeconds = 60_000): Bucket => ({
  name: 'test',
  limit,
  windowSeconds,
  subject,
});
const pass = (seconds: number): Promise<unknown> =>
  t.database.query(`update rate_limits set full_at = full_at - $1 * interval '1 second'`, [seconds]);
const refusalOf = async (taken: Promise<unknown>): Promise<AppError> => {
  const error = await taken.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AppError);
  expect((error as AppError).code).toBe('rate_limited');
  return error as AppError;
};

describe('a bucket', () => {
  it('gives its tokens and reports what is left, then refuses and says when to come back', async () => {
    const left = [];
    for (let i = 0; i < 3; i++) left.push((await here.take(bucket('ada')))[0]?.remaining);
    expect(left).toEqual([2, 1, 0]);
    const refused = await refusalOf(here.take(bucket('ada')));
    expect(refused.retryAfterSeconds).toBeGreaterThan(19_900);
    expect(refused.retryAfterSeconds).toBeLessThanOrEqual(20_000);
    expect(refused.headers).toEqual({
      'ratelimit-policy': '"test";q=3;w=60000',
      ratelimit: expect.stringMatching(/^"test";r=0;t=(59\d{3}|60000)$/) as unknown,
    });
  });

  it('refills evenly, and never holds more than its limit', async () => {
    for (let i = 0; i < 3; i++) await here.take(bucket('ada'));
    await pass(20_000);
    await here.take(bucket('ada'));
    await refusalOf(here.take(bucket('ada')));
    await pass(10_000_000);
    for (let i = 0; i < 3; i++) await here.take(bucket('ada'));
    await refusalOf(here.take(bucket('ada')));
  });

  it('gives no more tokens than it has to concurrent requests on two instances', async () => {
    const asked = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? here : there).take(bucket('ada', 7)));
    const results = await Promise.allSettled(asked);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
  });

  it('belongs to one subject and one limit', async () => {
    for (let i = 0; i < 3; i++) await here.take(bucket('ada'));
    await here.take(bucket('eve'));
    await here.take({ ...bucket('ada'), name: 'other' });
  });

  it('takes back unused tokens, up to its limit', async () => {
    for (let i = 0; i < 3; i++) await here.take(bucket('ada'));
    await there.giveBack(bucket('ada'));
    await here.take(bucket('ada'));
    await refusalOf(here.take(bucket('ada')));
    for (let i = 0; i < 9; i++) await here.giveBack(bucket('ada'));
    for (let i = 0; i < 3; i++) await here.take(bucket('ada'));
    await refusalOf(here.take(bucket('ada')));
  });
});

describe('several buckets', () => {
  it('give all or none', async () => {
    await here.take(bucket('small', 1));
    const refused = await refusalOf(here.take(bucket('large', 5), bucket('small', 1)));
    expect(refused.headers?.['ratelimit-policy']).toBe('"test";q=1;w=60000');
    const [large] = await here.take(bucket('large', 5));
    expect(large?.remaining).toBe(4);
  });

  it('do not deadlock', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const asked = Array.from({ length: 40 }, (_, i) => {
      const order = i % 2 === 0 ? names : [...names].reverse();
      return (i % 3 === 0 ? here : there).take(...order.map((name) => bucket(name, 1000)));
    });
    await Promise.all(asked);
    expect((await here.take(bucket('a', 1000)))[0]?.remaining).toBe(959);
  });
});

describe('the stored buckets', () => {
  it('do not reveal their subject', async () => {
    await here.take(bucket('ada@example.com'));
    const rows = await t.database.query<{ row: string }>(`select encode(key, 'escape') as row from rate_limits`);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toMatch(/ada|example|test/);
  });

  it('are removed when they are full, and only then', async () => {
    await here.take(bucket('ada'));
    await pass(1_000_000);
    await here.take(bucket('eve'));
    expect(await here.sweep()).toBe(1);
    expect((await here.take(bucket('eve')))[0]?.remaining).toBe(1);
  });
});
