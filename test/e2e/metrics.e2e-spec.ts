import { readFileSync } from 'node:fs';
import request from 'supertest';
import { Metrics } from '../../src/platform/observability/metrics.js';
import { MetricsServer } from '../../src/platform/observability/metrics-server.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { TestUser } from '../support/as-user.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { watchEvents } from '../support/watch-events.js';

describe('GET /metrics', () => {
  let t: TestApp;
  let ada: TestUser;
  let project: { id: string };
  let port: number;

  beforeAll(async () => {
    t = await createTestApp({ metricsPort: 0, metricsHost: '127.0.0.1' });
    port = (await t.app.get(MetricsServer).listen()) as number;
    ada = await TestUser.register(t);
    project = await ada.project();
  });
  afterAll(() => t.close());

  const read = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    return response.text();
  };

  /** The value of one series, by its name and labels as they are written; 0 when it is not there. */
  const value = async (series: string): Promise<number> => {
    const line = (await read()).split('\n').find((candidate) => candidate.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? 0);
  };

  it('shows a turn: that it ran, how it ended, its usage and its time to first text', async () => {
    const gate = t.model.hold('Half', ' and whole');
    const turn = ada.turn({ project_id: project.id, message: 'Hello' });
    await gate.reached;
    expect(await value('parley_turns_running')).toBe(1);
    gate.release();
    const { assistant_message } = await turn;
    expect(await value('parley_turns_running')).toBe(0);
    expect(await value('parley_turns_started_total{how="opened"}')).toBe(1);
    expect(await value('parley_turns_settled_total{status="completed"}')).toBe(1);
    expect(await value('parley_turn_first_text_seconds_count{provider="openai"}')).toBe(1);
    expect(await value('parley_tokens_total{provider="openai",kind="output"}')).toBe(
      assistant_message.usage?.output_tokens,
    );
    expect(await value('parley_provider_attempts_total{provider="openai",status="completed"}')).toBe(1);
    const route = 'method="POST",route="/chat",status="2xx"';
    await expectSoon(async () => expect(await value(`parley_http_request_duration_seconds_count{${route}}`)).toBe(1));
  });

  it('counts a failure by its code', async () => {
    t.model.next((_request, answer) => answer.refuse(429));
    expectProblem(await ada.post('/chat', { project_id: project.id, message: 'x' }), 'provider_rate_limited');
    expect(await value('parley_turns_settled_total{status="failed"}')).toBe(1);
    expect(await value('parley_turn_errors_total{code="provider_rate_limited"}')).toBe(1);
    expect(await value('parley_provider_errors_total{provider="openai",code="provider_rate_limited"}')).toBe(1);
  });

  it('shows open streams, the connection pool and readiness', async () => {
    const gate = t.model.hold('Half');
    const watched = watchEvents(ada.post('/chat', { project_id: project.id, message: 'x', stream: true }));
    await gate.reached;
    await expectSoon(async () => expect(await value('parley_sse_streams')).toBe(1));
    gate.release();
    await watched.whole;
    await expectSoon(async () => expect(await value('parley_sse_streams')).toBe(0));
    const text = await read();
    for (const line of ['parley_ready 1', 'parley_database_waiting 0']) expect(text).toContain(`\n${line}\n`);
    expect(text).toMatch(/\nparley_database_connections_used \d\n/);
    expect(text).toMatch(/\nnodejs_eventloop_lag_p99_seconds /);
  });

  it('counts cache hits and misses', async () => {
    const [hits, misses] = ['hit', 'miss'].map(
      (result) => `parley_cache_requests_total{cache="prompts",result="${result}"}`,
    );
    const before = [await value(hits as string), await value(misses as string)] as const;
    const own = await ada.project();
    await ada.turn({ project_id: own.id });
    await ada.turn({ project_id: own.id });
    expect([await value(hits as string), await value(misses as string)]).toEqual([before[0] + 1, before[1] + 1]);
    expect(await value('parley_cache_requests_total{cache="guard",result="hit"}')).toBeGreaterThan(0);
  });

  it('is explained in the runbook, metric by metric', async () => {
    const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
    const explained = [...runbook.matchAll(/^\| `(parley_\w+)` \|/gm)].map(([, name]) => name as string);
    const served = [...(await read()).matchAll(/^# TYPE (parley_\w+) /gm)].map(([, name]) => name as string);
    expect(explained.sort()).toEqual(served.filter((name) => name !== 'parley_test_total').sort());
  });

  it('is not served on the public port', async () => {
    expectProblem(await request(t.server).get('/metrics'), 'not_found');
    expectProblem(await ada.get('/metrics'), 'not_found');
  });

  it('is the only path on its own port', async () => {
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/health/live'],
      ['POST', '/metrics'],
    ] as const) {
      expect((await fetch(`http://127.0.0.1:${port}${path}`, { method })).status).toBe(404);
    }
  });

  it('has few series under any traffic, and identifies no user', async () => {
    const series = async (): Promise<string[]> => (await read()).split('\n').filter((line) => !line.startsWith('#'));
    const ask = async (word: string): Promise<void> => {
      await ada.get(`/projects/${word}`).expect(404);
      await ada.get(`/${word}/${word}?${word}`).expect(404);
      await ada.turn({ project_id: project.id, message: word, model: word });
    };
    await ask('first-canary');
    await expectSoon(async () => expect((await series()).join()).toContain('route="none"'));
    const before = await series();
    for (const word of ['second-canary', 'third-canary', 'fourth-canary']) await ask(word);
    const after = await series();
    expect(after).toHaveLength(before.length);
    for (const word of ['canary', ada.id, ada.email, project.id, 'sk-test']) expect(after.join()).not.toContain(word);
  });

  it('labels unknown values as `other`', async () => {
    const count = new Metrics(t.config).counter('parley_test_total', 'Test.', { colour: ['red'] });
    const metrics = t.app.get(Metrics);
    const counted = metrics.counter('parley_test_total', 'Test.', { colour: ['red'] });
    for (const colour of ['red', 'blue', 'green', null]) counted({ colour });
    count({ colour: 'red' });
    expect(await value('parley_test_total{colour="red"}')).toBe(1);
    expect(await value('parley_test_total{colour="other"}')).toBe(3);
    expect(await read()).not.toMatch(/blue|green/);
  });

  it('stops with its instance', async () => {
    const other = await t.another();
    const otherPort = (await other.get(MetricsServer).listen()) as number;
    await other.close();
    await expect(fetch(`http://127.0.0.1:${otherPort}/metrics`)).rejects.toThrow();
  });

  it('is off unless a port is set', async () => {
    const other = await t.another({ metricsPort: undefined });
    expect(await other.get(MetricsServer).listen()).toBeNull();
  });

  it('says which setting to change when its port is taken', async () => {
    const other = await t.another({ metricsPort: port });
    await expect(other.get(MetricsServer).listen()).rejects.toThrow(`METRICS_PORT: ${port} at 127.0.0.1`);
  });
});
