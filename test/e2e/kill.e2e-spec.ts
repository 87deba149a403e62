import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScriptedModel } from '../support/scripted-model.js';
import { startServer } from '../support/server-process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const TURNS = 50;

describe('kill -9 in the middle of fifty turns', () => {
  let database: TestDatabase;
  let model: ScriptedModel;

  beforeAll(async () => {
    database = await createTestDatabase();
    model = await ScriptedModel.start();
  });
  afterAll(async () => {
    await model.stop();
    await database.drop();
  });

  it('loses no question, and the next start answers every question', async () => {
    const env = {
      DATA_DIR: mkdtempSync(join(process.env.PARLEY_TEST_DIR as string, 'kill-')),
      DATABASE_URL: database.url,
      MIGRATE_ON_START: 'false',
      PORT: '0',
      LLM_PROVIDER: 'openai',
      OPENAI_API_KEY: 'k',
      OPENAI_BASE_URL: model.url,
      TURN_LEASE_MS: '1000',
      TURN_SWEEP_MS: '200',
      JWT_SECRET: 'a test secret that is long enough to be taken',
      PASSWORD_PEPPER: 'a test pepper that is long enough to be taken',
      BCRYPT_COST: '4',
    };
    const first = await startServer(env);
    const post = async (path: string, body: object, token = ''): Promise<Record<string, unknown>> => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
      return (await (
        await fetch(`${first.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
      ).json()) as Record<string, unknown>;
    };
    const { access_token } = await post('/auth/register', { email: 'ada@example.com', password: 'correct horse' });
    const project = await post('/projects', { name: 'Project' }, access_token as string);
    model.always(async (_request, answer) => {
      answer.delta('Half an ans');
      await answer.closed;
    });
    const questions = Array.from({ length: TURNS }, (_, index) => `Question ${index}`);
    const send = (message: string): Promise<unknown> =>
      post('/chat', { project_id: project.id, message, background: true }, access_token as string);
    await Promise.all(questions.map(send));
    await first.stop('SIGKILL');

    const asked = await database.query<{ content: string }>(`select content from messages where role = 'user'`);
    expect(asked.map(({ content }) => content).sort()).toEqual([...questions].sort());

    model.always(null);
    const second = await startServer(env);
    const answers = () =>
      database.query<{ content: string; status: string }>(
        `select content, status from messages where role = 'assistant'`,
      );
    for (let tries = 0; tries < 400 && (await answers()).some(({ status }) => status !== 'completed'); tries++)
      await sleep(50);
    expect((await answers()).map(({ content }) => content).sort()).toEqual(
      questions.map((question) => `You said: ${question}`).sort(),
    );
    await second.stop();
  }, 60_000);
});
