import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp } from '../../src/app.factory.js';
import { type AppConfig, defaultConfig } from '../../src/app-config.js';
import { ScriptedModel } from './scripted-model.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

export interface TestApp {
  readonly app: NestFastifyApplication;
  /** For supertest. */
  readonly server: ReturnType<NestFastifyApplication['getHttpServer']>;
  readonly config: AppConfig;
  readonly database: TestDatabase;
  readonly model: ScriptedModel;
  /** Another instance of the same application on the same database and model, as behind a load balancer. */
  another(overrides?: Partial<AppConfig>): Promise<NestFastifyApplication>;
  close(): Promise<void>;
}

/**
 * The real application with its own database, a scripted model, cheap password hashes and no log.
 * @param database dropped when the application is closed
 */
export async function createTestApp(overrides: Partial<AppConfig> = {}, database?: TestDatabase): Promise<TestApp> {
  database ??= await createTestDatabase();
  const model = await ScriptedModel.start();
  const config: AppConfig = Object.assign(defaultConfig(), {
    nodeEnv: 'test',
    databaseUrl: database.url,
    databasePoolSize: 5,
    migrateOnStart: false,
    jwtSecret: 'a test secret that is long enough to be taken',
    passwordPepper: 'a test pepper that is long enough to be taken',
    masterKeys: '1:ry/QAZzr2CuwIXPJQLO2k792r9f02C757wIT/Xkgkq8=',
    bcryptCost: 4,
    workerThreads: 1,
    passwordQueue: 1000,
    // All tests come from one address. The limits are on, but high.
    loginFailures: 100_000,
    loginFailuresPerAddress: 100_000,
    loginFailuresPerAccount: 100_000,
    signInRequestsPerAddress: 100_000,
    registrationsPerAddress: 100_000,
    refreshesPerAddress: 100_000,
    mailRequestsPerAddress: 100_000,
    mailsPerRecipient: 100_000,
    defaultPlan: 'unlimited',
    mailRetryMs: 10,
    llmProvider: 'openai',
    openaiApiKey: 'sk-test-canary',
    openaiBaseUrl: model.url,
    openaiModel: 'scripted',
    llmRetries: 0,
    // Only the statements that a test causes are run.
    circuitPollMs: 600_000,
    // Tests share their machine, so a late event loop does not mean overload.
    maxEventLoopDelayMs: 0,
    shutdownGraceMs: 1000,
    logLevel: 'silent',
    ...overrides,
  } satisfies Partial<AppConfig>);
  const app = await createApp(config);
  const others: NestFastifyApplication[] = [];
  return {
    app,
    server: app.getHttpServer(),
    config,
    database,
    model,
    another: async (more = {}) => {
      const other = await createApp(Object.assign(defaultConfig(), config, more));
      others.push(other);
      return other;
    },
    close: async () => {
      for (const other of others) await other.close();
      await app.close();
      await model.stop();
      await database.drop();
    },
  };
}
