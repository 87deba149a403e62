import { SessionSummaries, type SummaryTask } from '../../src/modules/chat/context/session-summaries.js';
import { newId } from '../../src/kernel/ids.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectSoon } from '../support/expect-soon.js';
import type { ModelAnswer, ModelRequest } from '../support/scripted-model.js';
import { setPrice } from '../support/ledger.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

// Of 1500 tokens, 1050 are used with an unknown model. A turn takes some 110, so a summary is made ahead after the eighth.
const WORDS = 'word '.repeat(100);
const CONFIG = { contextTokens: 1500, summaryModel: 'summariser' };

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp(CONFIG);
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

type Summarise = (request: ModelRequest, answer: ModelAnswer) => void | Promise<void>;
const noted: Summarise = (_, answer) => {
  answer.delta(`Noted ${calls().length}.`);
  answer.finish();
};
let asked = 0;

/** Answers are short; `summarise` says what the summariser does. */
function script(summarise: Summarise = noted): void {
  asked = t.model.requests.length;
  t.model.always((request, answer) => {
    if (request.model === 'summariser') return summarise(request, answer);
    answer.delta('Yes.');
    answer.finish();
  });
}
beforeEach(() => script());

/** What the summariser was asked in this test. */
const calls = (): ModelRequest[] => t.model.requests.slice(asked).filter(({ model }) => model === 'summariser');
const transcript = (call: number): string => calls()[call]?.messages.at(-1)?.content as string;

interface SummaryRow {
  readonly messageId: string;
  readonly content: string | null;
  readonly count: number | null;
}
const summaries = (sessionId: string): Promise<SummaryRow[]> =>
  t.database.query<SummaryRow>(
    `select message_id as "messageId", content, message_count as count from session_summaries where session_id = $1
     order by message_count`,
    [sessionId],
  );
const made = (sessionId: string, count: number): Promise<SummaryRow[]> =>
  expectSoon(async () => {
    const rows = await summaries(sessionId);
    expect(rows.filter(({ content }) => content !== null)).toHaveLength(count);
    return rows;
  });

/** Turns `from` to `to` of a session, each with its number in it. */
async function talk(first: TurnBody | string, to: number, from = 1, message = WORDS): Promise<TurnBody[]> {
  const turns: TurnBody[] = [];
  let place = typeof first === 'string' ? { project_id: first } : { session_id: first.session_id };
  for (let turn = from; turn <= to; turn++) {
    turns.push(await ada.turn({ ...place, message: `Turn ${turn}. ${message}` }));
    place = { session_id: (turns.at(-1) as TurnBody).session_id };
  }
  return turns;
}

const summarising = async (fields = {}): Promise<string> =>
  (await ada.project({ context_overflow: 'summarise', ...fields })).id;
const contextOf = ({ assistant_message }: TurnBody): MessageBody['context'] => assistant_message.context;
const last = (turns: TurnBody[]): TurnBody => turns.at(-1) as TurnBody;
const textsSent = (): unknown[] => t.model.requests.at(-1)?.messages.map(({ content }) => content) ?? [];

describe('a long session', () => {
  it('is summarised once, ahead of need, and each turn without room for all of it uses the summary', async () => {
    const turns = await talk(await summarising(), 7);
    const { session_id } = last(turns);
    expect(await summaries(session_id)).toEqual([]);
    turns.push(...(await talk(last(turns), 8, 8)));
    const [summary] = await made(session_id, 1);
    expect(summary).toEqual({ messageId: turns[4]?.assistant_message.id, content: 'Noted 1.', count: 10 });
    expect(transcript(0)).toContain('User: Turn 1.');
    expect(transcript(0)).toContain('User: Turn 5.');
    expect(transcript(0)).not.toContain('Turn 6.');
    expect(calls()[0]?.max_completion_tokens ?? calls()[0]?.max_tokens).toBe(157);
    // The whole still fits, and is better than a summary.
    turns.push(...(await talk(last(turns), 9, 9)));
    expect(contextOf(last(turns))).toMatchObject({ messages_sent: 17, summarised: 0, dropped: 0 });
    turns.push(...(await talk(last(turns), 11, 10)));
    expect(contextOf(turns[9] as TurnBody)).toMatchObject({ messages_sent: 9, summarised: 10, dropped: 0 });
    expect(contextOf(turns[10] as TurnBody)).toMatchObject({ messages_sent: 11, summarised: 10, dropped: 0 });
    expect(textsSent().slice(0, 2)).toEqual([expect.stringContaining('Noted 1.'), expect.stringContaining('Turn 6.')]);
    expect(calls()).toHaveLength(1);
  });

  it('is summarised further from the existing summary', async () => {
    const turns = await talk(await summarising(), 8);
    await made(last(turns).session_id, 1);
    turns.push(...(await talk(last(turns), 13, 9)));
    const rows = await made(last(turns).session_id, 2);
    expect(rows.map(({ count }) => count)).toEqual([10, 20]);
    expect(transcript(1)).toContain('Noted 1.');
    expect(transcript(1)).toContain('Turn 6.');
    expect(transcript(1)).not.toContain('Turn 5.');
    const [turn] = await talk(last(turns), 14, 14);
    expect(contextOf(turn as TurnBody)).toMatchObject({ messages_sent: 7, summarised: 20, dropped: 0 });
    expect(textsSent()[0]).toContain('Noted 2.');
  });

  it('is summarised at once when a turn needs a summary and has none', async () => {
    const turns = await talk(await summarising(), 2, 1, WORDS.repeat(3));
    expect(calls()).toHaveLength(0);
    turns.push(...(await talk(last(turns), 3, 3, WORDS.repeat(5))));
    expect(contextOf(last(turns))).toMatchObject({ messages_sent: 3, summarised: 2, dropped: 0 });
    expect(textsSent()[0]).toContain('Noted 1.');
    expect(calls()).toHaveLength(1);
  });

  it('that was long before summaries were enabled is summarised step by step after each turn', async () => {
    const { id } = await ada.project();
    const turns = await talk(id, 30);
    await ada.patch(`/projects/${id}`, { context_overflow: 'summarise' }).expect(200);
    turns.push(...(await talk(last(turns), 31, 31)));
    expect(contextOf(last(turns))).toMatchObject({ summarised: 0 });
    const rows = await made(last(turns).session_id, 3);
    expect(rows.map(({ count }) => count)).toEqual([12, 24, 36]);
    turns.push(...(await talk(last(turns), 32, 32)));
    await made(last(turns).session_id, 5);
    const [turn] = await talk(last(turns), 33, 33);
    const { messages_sent, summarised, dropped } = contextOf(turn as TurnBody) as { [key: string]: number };
    expect({ total: (messages_sent ?? 0) + (summarised ?? 0), dropped }).toEqual({ total: 65, dropped: 0 });
  });

  it('is summarised when it has more messages than a turn reads, however short they are', async () => {
    const few = await t.another({ historyMessages: 10 });
    const here = ada.at(few.getHttpServer());
    let turn = await here.turn({ project_id: await summarising(), message: 'Short' });
    for (let i = 2; i <= 5; i++) turn = await here.turn({ session_id: turn.session_id, message: 'Short' });
    const [summary] = await made(turn.session_id, 1);
    expect(summary?.count).toBe(6);
    for (let i = 6; i <= 7; i++) turn = await here.turn({ session_id: turn.session_id, message: 'Short' });
    expect(contextOf(turn)).toMatchObject({ messages_sent: 7, summarised: 6, dropped: 0 });
  });

  it('is summarised by the model of its project when none is configured', async () => {
    const own = await t.another({ summaryModel: undefined });
    const here = ada.at(own.getHttpServer());
    const project_id = await summarising({ model: 'its-own' });
    let turn = await here.turn({ project_id, message: WORDS, model: 'another' });
    for (let i = 2; i <= 8; i++)
      turn = await here.turn({ session_id: turn.session_id, message: WORDS, model: 'another' });
    await made(turn.session_id, 1);
    expect(t.model.requests.slice(asked).map(({ model }) => model)).toEqual([
      ...Array<string>(8).fill('another'),
      'its-own',
    ]);
  });

  it('uses and makes no summaries when its project drops turns', async () => {
    const project_id = await summarising();
    const turns = await talk(project_id, 8);
    await made(last(turns).session_id, 1);
    await ada.patch(`/projects/${project_id}`, { context_overflow: 'drop' }).expect(200);
    turns.push(...(await talk(last(turns), 13, 9)));
    expect(contextOf(last(turns))).toMatchObject({ summarised: 0, dropped: expect.any(Number) as number });
    expect(contextOf(last(turns))?.dropped).toBeGreaterThan(0);
    expect(calls()).toHaveLength(1);
  });
});

describe('a branch', () => {
  it('uses only summaries of its own path', async () => {
    const turns = await talk(await summarising(), 8);
    const { session_id } = last(turns);
    await made(session_id, 1);
    // From before the end of the summary: the fourth turn is not on this path.
    const parent_id = turns[1]?.assistant_message.id;
    let early = await ada.turn({ session_id, parent_id, message: `Early. ${WORDS}` });
    for (let i = 0; i < 4; i++) early = await ada.turn({ session_id, message: `Early. ${WORDS}` });
    expect(contextOf(early)).toMatchObject({ messages_sent: 13, summarised: 0, dropped: 0 });
    early = await ada.turn({ session_id, message: `Early. ${WORDS}` });
    const rows = await made(session_id, 2);
    expect(rows.map(({ count }) => count)).toEqual([10, 10]);
    expect(transcript(1)).not.toContain('Noted');
    expect(transcript(1)).not.toContain('Turn 3.');
    for (let i = 0; i < 2; i++) early = await ada.turn({ session_id, message: `Early. ${WORDS}` });
    expect(contextOf(early)).toMatchObject({ messages_sent: 9, summarised: 10, dropped: 0 });
    expect(textsSent()[0]).toContain('Noted 2.');
    // From behind it.
    const late = await ada.turn({
      session_id,
      parent_id: turns[7]?.assistant_message.id,
      message: `Late. ${WORDS.repeat(2)}`,
    });
    expect(contextOf(late)).toMatchObject({ messages_sent: 7, summarised: 10, dropped: 0 });
    expect(textsSent()[0]).toContain('Noted 1.');
    // Another answer to the same question has the same path.
    const { body } = await ada.post(`/chat/messages/${late.assistant_message.id}/regenerate`, {}).expect(200);
    expect(contextOf(body as TurnBody)).toEqual(contextOf(late));
  });
});

describe('a summary that fails', () => {
  const needsOne = async (mark = ''): Promise<TurnBody> =>
    last(await talk(await summarising(), 2, 1, mark + WORDS.repeat(3)));

  it.each<[string, Summarise]>([
    ['is refused', (_, answer) => answer.refuse(500)],
    ['is empty', (_, answer) => answer.finish()],
    ['is cut', (_, answer) => answer.drop()],
  ])('and %s lets the turn continue without it, and is not retried at once', async (how, summarise) => {
    script(summarise);
    // What is made ahead for the session of the case before may come as late as now.
    const mark = `It ${how}. `;
    const before = await needsOne(mark);
    const [turn] = await talk(before, 3, 3, WORDS.repeat(5));
    expect(turn).toMatchObject({ assistant_message: { status: 'completed' } });
    expect(contextOf(turn as TurnBody)).toMatchObject({ messages_sent: 3, summarised: 0, dropped: 2 });
    await talk(before, 4, 4, WORDS.repeat(5));
    // Of what both would have summed up, once; the second turn may have had more to be summed up than the first.
    const mine = calls().flatMap(({ messages }) => {
      const text = JSON.stringify(messages);
      return text.includes(mark) ? [text] : [];
    });
    expect(mine.length).toBeGreaterThan(0);
    expect(new Set(mine).size).toBe(mine.length);
  });

  it('to finish in time is no longer waited for', async () => {
    const hasty = await t.another({ summaryTimeoutMs: 100 });
    script((_, answer) => answer.closed);
    const before = await needsOne();
    const turn = await ada.at(hasty.getHttpServer()).turn({ session_id: before.session_id, message: WORDS.repeat(5) });
    expect(contextOf(turn)).toMatchObject({ summarised: 0, dropped: 2 });
  });

  it('stops waiting when its turn is stopped', async () => {
    let reach = (): void => undefined;
    const reached = new Promise<void>((resolve) => (reach = resolve));
    let closed = false;
    script(async (_, answer) => {
      reach();
      await answer.closed;
      closed = true;
    });
    const { session_id } = await needsOne();
    const { body } = await ada.post('/chat', { session_id, message: WORDS.repeat(5), background: true }).expect(202);
    await reached;
    const { id } = (body as TurnBody).assistant_message;
    expect((await ada.post(`/chat/messages/${id}/stop`).expect(200)).body).toMatchObject({
      status: 'stopped',
      content: '',
      context: null,
    });
    await expectSoon(() => expect(closed).toBe(true));
  });
});

describe('while a summary is made', () => {
  it('no connection and no transaction is held, and no other instance makes it', async () => {
    const turns = await talk((await ada.project()).id, 8);
    const { session_id } = last(turns);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    script(async (_, answer) => {
      await released;
      answer.delta('Once.');
      answer.finish();
    });
    const task: SummaryTask = {
      userId: ada.id,
      sessionId: session_id,
      leafId: last(turns).assistant_message.id,
      room: 1047,
      questionTokens: 0,
      project: {
        projectId: newId(),
        provider: null,
        providerKey: null,
        fallbacks: [],
        model: null,
        params: {},
        onCrash: 'retry',
        contextOverflow: 'summarise',
      },
      contentKey: null,
      model: null,
    };
    const instances = [t.app, await t.another(), await t.another()];
    const { signal } = new AbortController();
    const attempts = instances.map((app) => app.get(SessionSummaries).extend(task, signal, false));
    await expectSoon(() => expect(calls()).toHaveLength(1));
    // Those who come too late do not wait.
    expect(await Promise.race(attempts)).toBeNull();
    await expectSoon(async () => {
      const open = await t.database.query(
        `select state, query from pg_stat_activity
         where datname = current_database() and application_name = 'parley' and xact_start is not null`,
      );
      expect(open).toEqual([]);
    });
    expect(await summaries(session_id)).toEqual([expect.objectContaining({ content: null })]);
    release();
    const outcomes = await Promise.all(attempts);
    expect(outcomes.filter((outcome) => outcome !== null)).toEqual([
      { summary: { content: 'Once.', tokens: expect.any(Number) as number, messageCount: 10 }, isWhole: true },
    ]);
    expect(await summaries(session_id)).toEqual([expect.objectContaining({ content: 'Once.', count: 10 })]);
    expect(calls()).toHaveLength(1);
  });

  it('its session can be deleted', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    script(async (_, answer) => {
      await released;
      answer.delta('Too late.');
      answer.finish();
    });
    const { session_id } = last(await talk(await summarising(), 8));
    await expectSoon(() => expect(calls()).toHaveLength(1));
    await ada.delete(`/chat/sessions/${session_id}`).expect(204);
    release();
    await expectSoon(async () => expect(await summaries(session_id)).toEqual([]));
  });
});

it('each summary call is in the ledger, also a failed one', async () => {
  const entries = (sessionId: string): Promise<unknown[]> =>
    t.database.query(
      `select status, model, input_tokens is not null as "isCounted" from usage_entries
       where session_id = $1 and kind = 'summary'`,
      [sessionId],
    );
  /** A session that was long before: three summaries in a row. */
  const long = async (): Promise<string> => {
    const { id } = await ada.project();
    const turns = await talk(id, 30);
    await ada.patch(`/projects/${id}`, { context_overflow: 'summarise' }).expect(200);
    return last(await talk(last(turns), 31, 31)).session_id;
  };
  const sessionId = await long();
  await made(sessionId, 3);
  const completed = { status: 'completed', model: 'summariser', isCounted: true };
  expect(await entries(sessionId)).toEqual([completed, completed, completed]);
  script((_, answer) => answer.refuse(500));
  const failedId = await long();
  await expectSoon(async () =>
    expect(await entries(failedId)).toEqual([{ ...completed, status: 'failed', isCounted: false }]),
  );
});

it('the summary of an encrypted project is stored encrypted, and decrypted for later turns and the export', async () => {
  const turns = await talk(await summarising({ encrypt_content: true }), 8);
  const { session_id } = last(turns);
  expect(await made(session_id, 1)).toMatchObject([{ content: '', count: 10 }]);
  expect(transcript(0)).toContain('Turn 1.');
  turns.push(...(await talk(last(turns), 13, 9)));
  expect(contextOf(last(turns))).toMatchObject({ summarised: 10, dropped: 0 });
  expect(textsSent()[0]).toContain('Noted 1.');
  await made(session_id, 2);
  expect(transcript(1)).toContain('Noted 1.');
  const { text } = await ada.get('/users/me/export').buffer(true).expect(200);
  const rows = text.split('\n').filter((line) => line.includes('"session_summaries"') && line.includes(session_id));
  expect(rows.map((line) => (JSON.parse(line) as { row: { content: string } }).row.content).sort()).toEqual([
    'Noted 1.',
    'Noted 2.',
  ]);
});

it('no summary is made when a budget has no room for it; the oldest turns are left out', async () => {
  await setPrice(t, { output: 0 });
  await setPrice(t, { model: 'summariser' });
  const needy = async (day_limit_micro_usd: number): Promise<TurnBody> => {
    await ada.put('/users/me/budget', { day_limit_micro_usd, month_limit_micro_usd: null }).expect(200);
    const before = await talk(await summarising(), 2, 1, WORDS.repeat(3));
    return last(await talk(last(before), 3, 3, WORDS.repeat(5)));
  };
  // It may have 157 tokens.
  expect(contextOf(await needy(156))).toMatchObject({ messages_sent: 3, summarised: 0, dropped: 2 });
  expect(calls()).toHaveLength(0);
  expect(contextOf(await needy(157))).toMatchObject({ messages_sent: 3, summarised: 2, dropped: 0 });
  expect(calls()).toHaveLength(1);
  await ada.put('/users/me/budget', { day_limit_micro_usd: null, month_limit_micro_usd: null }).expect(200);
});

it('summaries are part of the export, and are deleted with the account', async () => {
  const eve = await TestUser.register(t);
  const { id } = await eve.project({ context_overflow: 'summarise' });
  let turn = await eve.turn({ project_id: id, message: WORDS });
  for (let i = 2; i <= 8; i++) turn = await eve.turn({ session_id: turn.session_id, message: WORDS });
  await made(turn.session_id, 1);
  const { text } = await eve.get('/users/me/export').buffer(true).expect(200);
  expect(text).toContain('"content":"Noted 1."');
  await eve.erase().expect(204);
  expect(await summaries(turn.session_id)).toEqual([]);
});
