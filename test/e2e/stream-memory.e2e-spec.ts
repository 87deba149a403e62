import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ScriptedModel } from '../support/scripted-model.js';
import { ServerProcess } from '../support/server-process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const STREAMS = 300;
const WORDS = 20;
/** What the model is told of each turn, in characters: an open stream must not keep it. */
const CONTEXT = 40_000;
/** Objects and buffers of one open stream, its two sockets with it: 23,900 to 24,500 with Node.js 20.20, and a tenth more. */
const BYTES_PER_STREAM = 26_500;

describe('the memory of open streams', () => {
  let database: TestDatabase;
  let model: ScriptedModel;
  let child: ChildProcess;
  let url: string;
  let server: ServerProcess | undefined;
  const open: ClientRequest[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    model = await ScriptedModel.start();
    const { PATH, HOME } = process.env;
    child = fork(pathOf('../../dist/src/main.js'), [], {
      execArgv: ['--expose-gc', '--import', pathOf('../../bench/probe.mjs')],
      env: {
        ...{ PATH, HOME, LOG_LEVEL: 'warn', PORT: '0', HOST: '127.0.0.1' },
        DATA_DIR: mkdtempSync(join(process.env.PARLEY_TEST_DIR as string, 'memory-')),
        ...{ DATABASE_URL: database.url, MIGRATE_ON_START: 'false' },
        ...{ LLM_PROVIDER: 'openai', OPENAI_API_KEY: 'k', OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'scripted' },
        ...{ DEFAULT_PLAN: 'unlimited', CONTEXT_TOKENS: '32000' },
        JWT_SECRET: 'a test secret that is long enough to be taken',
        PASSWORD_PEPPER: 'a test pepper that is long enough to be taken',
        BCRYPT_COST: '4',
      },
      silent: true,
    });
    server = new ServerProcess(child);
    url = (await server.ready()).url;
  });
  afterAll(async () => {
    for (const post of open) post.destroy();
    await server?.stop('SIGKILL');
    await model.stop();
    await database.drop();
  });

  async function post(path: string, body: object, token = ''): Promise<Record<string, string>> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    expect([200, 201]).toContain(response.status);
    return (await response.json()) as Record<string, string>;
  }

  /** Opens a stream and reads until the model has said all its words so far. */
  async function openStream(token: string, projectId: string): Promise<void> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const sent = request(`${url}/chat`, { method: 'POST', headers, agent: false });
    open.push(sent);
    sent.on('error', () => undefined);
    sent.end(JSON.stringify({ project_id: projectId, message: 'Go', stream: true }));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    let text = '';
    await new Promise<void>((resolve) => {
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (text.split('word').length > WORDS) resolve();
      });
    });
  }

  async function memoryInUse(): Promise<number> {
    const told = once(child, 'message') as Promise<[NodeJS.MemoryUsage]>;
    child.send('memory');
    const [{ heapUsed, arrayBuffers }] = await told;
    return heapUsed + arrayBuffers;
  }

  it('is bounded, and does not include the context of the model', async () => {
    model.always(async (_request, answer) => {
      for (let word = 0; word < WORDS; word++) answer.delta(' word');
      await answer.closed;
    });
    const { access_token: token } = await post('/auth/register', {
      email: 'ada@example.com',
      password: 'correct horse battery',
    });
    const { id: projectId } = await post('/projects', { name: 'Project' }, token);
    await post(`/projects/${projectId}/prompts`, { content: 'Be kind. '.repeat(CONTEXT / 9) }, token);
    const openMany = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index += 20)
        await Promise.all(Array.from({ length: 20 }, () => openStream(token as string, projectId as string)));
    };
    // What is made once, by the first of them, is in the difference no more.
    await openMany(60);
    const before = await memoryInUse();
    await openMany(STREAMS);
    const perStream = ((await memoryInUse()) - before) / STREAMS;
    expect(perStream).toBeLessThan(BYTES_PER_STREAM);
    // It measures something.
    expect(perStream).toBeGreaterThan(5000);
  });
});
