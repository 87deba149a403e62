import { DataSource } from 'typeorm';
import { pgPool } from '../../src/platform/database/pg-pool.js';
import { TestUser } from '../support/as-user.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const LONG = 'Speak in whole sentences. '.repeat(2000);

/** How many bytes the application has read from its database. */
class Received {
  /** Each connection, and what it had read when it was first seen. */
  private readonly streams = new Map<{ readonly bytesRead: number }, number>();

  constructor({ app }: Pick<TestApp, 'app'>) {
    pgPool(app.get(DataSource)).on('acquire', (client) => {
      const { stream } = (client as unknown as { connection: { stream: { readonly bytesRead: number } } }).connection;
      if (!this.streams.has(stream)) this.streams.set(stream, stream.bytesRead);
    });
  }

  async during(work: () => Promise<unknown>): Promise<number> {
    const before = this.sum();
    await work();
    return this.sum() - before;
  }

  private sum(): number {
    return [...this.streams].reduce((bytes, [{ bytesRead }, first]) => bytes + bytesRead - first, 0);
  }
}

describe('The prompts of a project', () => {
  let t: TestApp;
  let here: TestUser;
  let there: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp();
    here = await TestUser.register(t);
    there = here.at((await t.another()).getHttpServer());
  });
  beforeEach(async () => {
    project = await here.project();
  });
  afterAll(() => t.close());

  const asked = (): unknown[] =>
    (t.model.requests.at(-1)?.messages ?? [])
      .filter(({ role }) => role === 'system')
      .map(({ content }) => content as unknown);

  it('are current after a change, on the instance that made it and on others', async () => {
    const prompt = await here.prompt(project.id, 'Version 0');
    const { session_id } = await here.turn({ project_id: project.id });
    await there.turn({ session_id });
    for (let version = 1; version <= 6; version++) {
      const [writer, reader] = version % 2 === 0 ? [here, there] : [there, here];
      await writer.patch(`/prompts/${prompt.id}`, { content: `Version ${version}` }).expect(200);
      for (const user of [reader, writer, reader]) {
        await user.turn({ session_id });
        expect(asked()).toEqual([`Version ${version}`]);
        await user.turn({ project_id: project.id });
        expect(asked()).toEqual([`Version ${version}`]);
      }
    }
  });

  it('are current after one was added, moved or removed on another instance', async () => {
    const turnHere = async (): Promise<unknown[]> => {
      await here.turn({ project_id: project.id });
      return asked();
    };
    expect(await turnHere()).toEqual([]);
    const [a, b] = [await there.prompt(project.id, 'A'), await there.prompt(project.id, 'B')];
    expect(await turnHere()).toEqual(['A', 'B']);
    await there.put(`/projects/${project.id}/prompts/order`, { prompt_ids: [b.id, a.id] }).expect(200);
    expect(await turnHere()).toEqual(['B', 'A']);
    await there.delete(`/prompts/${b.id}`).expect(204);
    expect(await turnHere()).toEqual(['A']);
    await there.delete(`/prompts/${a.id}`).expect(204);
    expect(await turnHere()).toEqual([]);
  });

  it('are current after a change in the database that bypassed the application', async () => {
    await here.prompt(project.id, 'Before');
    await here.turn({ project_id: project.id });
    await t.database.query(`update prompts set content = 'After' where project_id = $1`, [project.id]);
    await here.turn({ project_id: project.id });
    expect(asked()).toEqual(['After']);
  });

  it('are never older than the last confirmed change, under concurrent changes and turns', async () => {
    const prompt = await here.prompt(project.id, '0');
    let answered = 0;
    const seen: { atLeast: number; used: number }[] = [];
    t.model.always(({ messages }, answer) => {
      const [system, user] = [messages[0]?.content, messages.at(-1)?.content];
      seen.push({ atLeast: Number(user), used: Number(system) });
      answer.finish();
    });
    const write = async (): Promise<void> => {
      for (let version = 1; version <= 15; version++) {
        const writer = version % 2 === 0 ? here : there;
        await writer.patch(`/prompts/${prompt.id}`, { content: String(version) }).expect(200);
        answered = version;
      }
    };
    const ask = async (user: TestUser): Promise<void> => {
      while (answered < 15) await user.turn({ project_id: project.id, message: String(answered) });
    };
    await Promise.all([write(), ask(here), ask(there), ask(there)]);
    t.model.always(null);
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.filter(({ atLeast, used }) => !(used >= atLeast))).toEqual([]);
  });

  it('are not read again while they are unchanged, by project, by session and with an API key', async () => {
    const received = new Received(t);
    await here.prompt(project.id, LONG);
    const { key } = await here.apiKey({ project_id: project.id });
    const bound = here.by(key);
    let session_id = '';
    const first = await received.during(async () => {
      ({ session_id } = await here.turn({ project_id: project.id }));
    });
    expect(first).toBeGreaterThan(LONG.length);
    const other = await here.session(project.id);
    for (const turn of [
      () => here.turn({ project_id: project.id }),
      () => here.turn({ session_id }),
      () => here.turn({ session_id, project_id: project.id }),
      () => bound.turn({ session_id: other.id }),
    ]) {
      const again = await received.during(turn);
      expect(again).toBeGreaterThan(0);
      expect(again).toBeLessThan(6000);
      expect(asked()).toEqual([LONG]);
    }
  });

  it('are never shown to another user, whichever project is named', async () => {
    await here.prompt(project.id, 'A secret');
    await here.turn({ project_id: project.id });
    const eve = await TestUser.register(t);
    const own = await eve.project();
    const { session_id } = await eve.turn({ project_id: own.id });
    await eve.post('/chat', { project_id: project.id, message: 'x' }).expect(404);
    await eve.post('/chat', { project_id: project.id, session_id, message: 'x' }).expect(404);
    await eve.turn({ session_id });
    expect(asked()).toEqual([]);
  });
});
