import { Global, type LoggerService, Module } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { RawUpstream } from '../support/raw-upstream.js';
import { Clock } from '../../src/kernel/clock.js';
import { Cache } from '../../src/platform/cache/cache.js';
import { CacheCounts } from '../../src/platform/cache/cache-counts.js';
import { Circuits } from '../../src/platform/circuits/circuits.js';
import { type AppConfig, defaultConfig, SETTINGS_GROUPS } from '../../src/app-config.js';
import { ConfigModule } from '../../src/platform/config/config.module.js';
import { OutboundModule } from '../../src/platform/outbound/outbound.module.js';
import { Metrics } from '../../src/platform/observability/metrics.js';
import { LlmModule } from '../../src/modules/llm/llm.module.js';
import { LLM_PROVIDER, type LlmProvider } from '../../src/modules/llm/public/llm-provider.js';

/** Circuits of which no other instance hears. */
@Global()
@Module({ providers: [Clock, Circuits], exports: [Circuits] })
class LoneCircuitsModule {}

/** Keeps what was logged. */
class Ear implements LoggerService {
  readonly heard: string[] = [];

  log(message: unknown): void {
    this.heard.push(`log: ${String(message)}`);
  }

  warn(message: unknown): void {
    this.heard.push(`warn: ${String(message)}`);
  }

  error(message: unknown): void {
    this.heard.push(`error: ${String(message)}`);
  }
}

/** What is kept in this process alone: there is no database here that could tell of a change. */
@Global()
@Module({
  providers: [
    {
      provide: Cache,
      useFactory: () => {
        const deaf = { listen: () => Promise.resolve() };
        return new Cache(new CacheCounts(new Metrics(defaultConfig())), undefined as never, deaf as never, null);
      },
    },
  ],
  exports: [Cache],
})
class OwnCacheModule {}

async function start(settings: Partial<AppConfig>) {
  const config = Object.assign(defaultConfig(), settings);
  const module = await Test.createTestingModule({
    imports: [
      ConfigModule.with(config, SETTINGS_GROUPS),
      OutboundModule,
      LoneCircuitsModule,
      OwnCacheModule,
      LlmModule,
    ],
  }).compile();
  const ear = new Ear();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: ear });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return { app, ear };
}

const untilHeard = async (ear: Ear, words: string): Promise<void> => {
  while (!ear.heard.some((line) => line.includes(words))) await new Promise((resolve) => setImmediate(resolve));
};

describe('LlmModule', () => {
  it('is offline by default, reports that, lists its model and is healthy', async () => {
    const { app, ear } = await start({ offlineDelayMs: 0 });
    expect(app.get<LlmProvider>(LLM_PROVIDER).name).toBe('offline');
    await untilHeard(ear, 'warn: The provider is offline');
    const models = await app.inject({ url: '/llm/models' });
    expect(models.json()).toEqual({ data: [{ id: 'offline', context_window: null }], next_cursor: null });
    const health = await app.inject({ url: '/llm/health' });
    expect(health.json()).toEqual({ provider: 'offline', model: 'offline', ok: true, reason: null });
    await app.close();
  });

  it('starts and stops at once while the provider hangs, and leaves no socket', async () => {
    const upstream = await RawUpstream.start();
    const begin = performance.now();
    const { app, ear } = await start({ llmProvider: 'openai', openaiApiKey: 'k', openaiBaseUrl: upstream.url });
    while (upstream.openSockets === 0) await new Promise((resolve) => setImmediate(resolve));
    await app.close();
    expect(performance.now() - begin).toBeLessThan(3000);
    await upstream.untilIdle(500);
    expect(ear.heard.filter((line) => line.includes('openai'))).toEqual([]);
    await upstream.close();
  });

  it("reports a refused key in the log and in health without the provider's text", async () => {
    const upstream = await RawUpstream.start();
    const body = JSON.stringify({ error: { message: 'Incorrect API key provided: canary' } });
    upstream.answerWith([
      `HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
      body,
    ]);
    const { app, ear } = await start({ llmProvider: 'openai', openaiApiKey: 'canary', openaiBaseUrl: upstream.url });
    await untilHeard(
      ear,
      'warn: openai cannot be used at the moment: The model provider refused the key of this server (HTTP 401)',
    );
    const health = await app.inject({ url: '/llm/health' });
    expect(health.json()).toMatchObject({
      ok: false,
      reason: 'The model provider refused the key of this server (HTTP 401)',
    });
    expect(ear.heard.join()).not.toContain('canary');
    expect(upstream.openSockets).toBeGreaterThan(0);
    await app.close();
    await upstream.untilIdle(500);
    await upstream.close();
  });
});
