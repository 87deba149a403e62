import request, { type Response } from 'supertest';
import { SignInAddressesRepository } from '../../src/modules/auth/sign-in-addresses.repository.js';
import { SignInsRepository } from '../../src/modules/auth/sign-ins.repository.js';
import { SummaryStore } from '../../src/modules/chat/context/summary-store.js';
import { MessagesRepository } from '../../src/modules/chat/messages/messages.repository.js';
import { SessionsRepository } from '../../src/modules/chat/sessions/sessions.repository.js';
import { TurnClaims } from '../../src/modules/chat/storage/turn-claims.js';
import { TurnStore } from '../../src/modules/chat/storage/turn-store.js';
import { ErasureRepository } from '../../src/modules/privacy/erasure.repository.js';
import { RetentionRepository } from '../../src/modules/privacy/retention.repository.js';
import { ProjectsRepository } from '../../src/modules/projects/projects.repository.js';
import { PromptsRepository } from '../../src/modules/prompts/prompts.repository.js';
import { BudgetsRepository } from '../../src/modules/usage/budgets.repository.js';
import { UsageRecorder } from '../../src/modules/usage/public/usage-recorder.js';
import type { UsedCall } from '../../src/modules/usage/public/used-call.js';
import { AuditRepository } from '../../src/platform/audit/audit.repository.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { PASSWORD, type TestUser } from '../support/as-user.js';
import type { TestApp } from '../support/test-app.js';
import { WITH_IDS } from './attempts.js';
import { ADDRESSES, KEPT_BODY, KEPT_KEY, LOST_KEY, type Outcome, type Probe, type Things } from './twins.js';

type Verb = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Every attempt on a route with ids, made by their owner. */
const requests: Probe[] = Object.entries(WITH_IDS).flatMap(([route, attempts]) =>
  attempts.map(({ query, body, headers }, i) => ({
    name: `${route} (${i})`,
    run: (twin, { server }, things) => {
      const [method, pattern] = route.split(' ') as [string, string];
      const path = pattern.replace(
        /:(\w+)/g,
        (_, name: string) => (things as unknown as Record<string, string>)[name] ?? '',
      );
      const test = request(server)[method.toLowerCase() as Verb](path).buffer(true).set(signed(twin));
      if (headers !== undefined) void test.set(headers);
      if (query !== undefined) void test.query(query(things, things));
      return body === undefined ? test : test.send(body(things, things));
    },
  })),
);

const http = (
  method: Verb,
  path: (things: Things) => string,
  body?: (things: Things) => object,
  headers = {},
): Probe => ({
  name: `${method.toUpperCase()} ${path(new Proxy({}, { get: (_, name) => `:${String(name)}` }) as Things)}`,
  run: (twin, { server }, things): Promise<Response> => {
    const test = request(server)
      [method](path(things))
      .buffer(true)
      .set({ ...signed(twin), ...headers });
    return Promise.resolve(body === undefined ? test : test.send(body(things)));
  },
});

const signed = ({ accessToken }: TestUser): { authorization: string } => ({ authorization: `Bearer ${accessToken}` });

/** Routes about the caller, and states that the attempts do not cover. */
const more: Probe[] = [
  http('get', () => '/users/me'),
  http('get', () => '/users/me/budget'),
  http(
    'put',
    () => '/users/me/budget',
    () => ({ day_limit_micro_usd: 1, month_limit_micro_usd: 2 }),
  ),
  http('get', () => '/users/me/usage'),
  http('get', () => '/users/me/usage?group_by=project'),
  http(
    'patch',
    () => '/users/me',
    () => ({ display_name: 'x' }),
  ),
  http(
    'post',
    () => '/users/me/password',
    () => ({ current_password: PASSWORD, new_password: 'another good one' }),
  ),
  {
    name: 'DELETE /users/me',
    run: async (twin, t) => {
      const { status, headers } = await twin.erase();
      const receipt = await request(t.server).get((headers['erasure-receipt'] as string | undefined) ?? '/nowhere');
      // Only the receipt shows how many rows were counted.
      return { status, text: JSON.stringify((receipt.body as { counts?: unknown }).counts) };
    },
  },
  http('post', () => '/auth/logout'),
  http('get', () => '/projects'),
  http(
    'put',
    ({ project_id }) => `/projects/${project_id}/prompts/order`,
    ({ prompt_id, second_prompt_id }) => ({
      prompt_ids: [second_prompt_id, prompt_id],
    }),
  ),
  http('get', () => '/projects?limit=1'),
  http(
    'post',
    () => '/projects',
    () => KEPT_BODY,
    { 'idempotency-key': KEPT_KEY },
  ),
  http(
    'post',
    () => '/projects',
    () => KEPT_BODY,
    { 'idempotency-key': 'a-new-key' },
  ),
  http(
    'post',
    () => '/chat',
    ({ project_id }) => ({ project_id, message: "ada's once" }),
    { 'idempotency-key': KEPT_KEY },
  ),
  http(
    'post',
    () => '/chat',
    ({ busy_session_id }) => ({ session_id: busy_session_id, message: 'x' }),
  ),
  http(
    'post',
    () => '/chat',
    ({ busy_session_id }) => ({
      session_id: busy_session_id,
      message: 'x',
      on_conflict: 'interrupt',
      background: true,
    }),
  ),
  http(
    'post',
    () => '/chat',
    ({ session_id, message_id }) => ({ session_id, parent_id: message_id, message: 'x' }),
  ),
  http(
    'post',
    () => '/chat',
    ({ session_id }) => ({ session_id, parent_id: null, message: 'x' }),
  ),
  http(
    'post',
    () => '/chat',
    ({ long_session_id }) => ({ session_id: long_session_id, message: 'x' }),
  ),
  http(
    'post',
    () => '/chat',
    ({ long_session_id, summarised_id }) => ({ session_id: long_session_id, parent_id: summarised_id, message: 'x' }),
  ),
  http(
    'post',
    ({ question_id }) => `/chat/messages/${question_id}/regenerate`,
    () => ({}),
  ),
  http(
    'post',
    ({ running_id }) => `/chat/messages/${running_id}/regenerate`,
    () => ({ background: true }),
  ),
  http(
    'post',
    ({ running_id }) => `/chat/messages/${running_id}/regenerate`,
    () => ({
      background: true,
      on_conflict: 'interrupt',
    }),
  ),
  http('get', ({ running_id }) => `/chat/messages/${running_id}`),
  http('get', ({ session_id, message_id }) => `/chat/sessions/${session_id}/messages?leaf_id=${message_id}&limit=1`),
  http('get', ({ session_id }) => `/chat/sessions/${session_id}/messages?order=desc&limit=1`),
  {
    name: 'POST /auth/refresh',
    run: ({ refreshToken }, { server }) => request(server).post('/auth/refresh').send({ refresh_token: refreshToken }),
  },
  {
    name: 'POST /auth/login',
    run: ({ email }, { server }) => request(server).post('/auth/login').send({ email, password: PASSWORD }),
  },
];

/** Calls of the application itself. A refusal is an outcome too. */
const call = (
  name: string,
  work: (t: TestApp, actor: { userId: string }, things: Things) => Promise<unknown>,
): Probe => ({
  name,
  run: async ({ id }, t, things): Promise<Outcome> => {
    try {
      return { status: 'done', text: JSON.stringify((await work(t, { userId: id }, things)) ?? null) };
    } catch (error) {
      return { status: (error as { code?: string }).code ?? 'failed', text: '' };
    }
  },
});

/** A model call with a cost. */
const CALL: UsedCall = {
  ...{ provider: 'openai', model: 'scripted', askedModel: 'scripted', isOwnKey: false, status: 'completed' },
  ...{ inputTokens: 1, outputTokens: 1, cachedInputTokens: null, isEstimated: false, costMicroUsd: 7 },
  ...{ generationId: null, rawUsage: null },
};

/** The ledger entries and budgets of a user. */
const moneyOf = ({ query }: TestApp['database'], userId: string): Promise<object[]> =>
  query(
    `select kind, count(*)::int, sum(cost_micro_usd)::int as amount from usage_entries where user_id = $1 group by kind
     union all select 'day ' || (project_id is null), 1, day_spent_micro_usd::int from budgets where user_id = $1
     union all select 'month ' || (project_id is null), 1, month_spent_micro_usd::int from budgets where user_id = $1
     order by 1`,
    [userId],
  );

/** The claim belongs to the victim; a twin without turns does not have it. */
const close = call('close', async ({ app, database }, { userId }, things) => {
  const { running_id: id } = things;
  const [turn] = await database.query<{ claimId: string }>(
    'select claim_id as "claimId" from turns where message_id = $1',
    [id],
  );
  const settled = { status: 'completed', content: 'x', contentTokens: 1, isUsageEstimated: false, attempts: [CALL] };
  const closed = await app.get(TurnStore).close(
    {
      ...turn,
      answer: { userId, id, sessionId: things.busy_session_id },
      attempt: 1,
      contentKey: null,
      project: { projectId: things.project_id },
    } as never,
    settled as never,
  );
  return [closed, await moneyOf(database, userId)];
});

const calls: Probe[] = [
  call('requestStop of a running turn', ({ app }, actor, { running_id }) =>
    app.get(TurnClaims).requestStop(actor, running_id),
  ),
  call('requestStop of a waiting turn', ({ app }, actor, { waiting_id }) =>
    app.get(TurnClaims).requestStop(actor, waiting_id),
  ),
  call('claimWaiting', ({ app }, actor, { waiting_id }) => app.get(TurnClaims).claimWaiting(actor, waiting_id)),
  call('claimNext', async ({ app, database }, actor, { running_id, busy_session_id }) => {
    await database.query('delete from turns where user_id = $1 and message_id = $2', [actor.userId, running_id]);
    const { messageId } = (await app.get(TurnClaims).claimNext(actor, busy_session_id)) ?? {};
    await database.query(`update turns set owner = claim_id where user_id = $1`, [actor.userId]);
    return messageId;
  }),
  call('UsageRecorder.recordDeletedTurn', async ({ app, database }, { userId }, things) => {
    const { project_id: projectId, question_id: messageId, session_id: sessionId } = things;
    await app.get(UsageRecorder).recordDeletedTurn({ userId, projectId, messageId, sessionId }, [CALL]);
    return moneyOf(database, userId);
  }),
  call('UsageRecorder.record', async ({ app, database }, { userId }, { project_id, message_id, session_id }) => {
    const place = { userId, projectId: project_id, messageId: message_id, sessionId: session_id };
    await app.get(UsageRecorder).record(place, 'title', [CALL]);
    return moneyOf(database, userId);
  }),
  call('BudgetsRepository.readRoom', ({ app }, actor, { project_id }) =>
    app.get(UnitOfWork).run(actor, () =>
      app.get(BudgetsRepository).readRoom(actor.userId, project_id, {
        ...{ provider: 'offline', model: 'offline', inputTokens: 1, outputTokens: 1 },
      }),
    ),
  ),
  call('BudgetsRepository.putLimits', ({ app, database }, actor, { project_id }) =>
    app
      .get(UnitOfWork)
      .run(actor, async () => {
        await app.get(BudgetsRepository).putLimits(actor.userId, null, { day: 3, month: 4 });
        await app.get(BudgetsRepository).putLimits(actor.userId, project_id, { day: 3, month: 4 });
      })
      .then(() => moneyOf(database, actor.userId)),
  ),
  call('BudgetsRepository.putCaps', ({ app, database }, actor) =>
    app
      .get(UnitOfWork)
      .run(actor, () => app.get(BudgetsRepository).putCaps(actor.userId, { day: 3, month: 4 }))
      .then(() => moneyOf(database, actor.userId)),
  ),
  ...Object.entries<keyof Things>({ 'up to a summary': 'summarised_id', 'without one': 'message_id' }).map(
    ([name, leaf]) =>
      call(`findAged ${name}`, ({ app }, actor, things) =>
        app.get(SummaryStore).findAged(actor, things[leaf], { keptTokens: 0, keptMessages: 0, readTokens: 1000 }),
      ),
  ),
  call('reserve a summary', ({ app }, actor, { message_id, session_id }) =>
    app.get(SummaryStore).claim(actor, message_id, session_id, 1000),
  ),
  call('save a summary', ({ app }, actor, { message_id }) =>
    app.get(SummaryStore).save(actor, message_id, { content: 'x', tokens: 1, messageCount: 2 }, null),
  ),
  call('releaseKey', ({ app }, actor) =>
    app.get(TurnStore).releaseKey(actor, { route: 'POST /chat', key: LOST_KEY, requestHash: Buffer.alloc(1) }),
  ),
  call('readProgress', ({ app }, actor, { running_id }) =>
    app.get(TurnStore).readProgress(actor, running_id, { attempt: 1, offset: 0 }),
  ),
  call('reopen', ({ app }, { userId }, { running_id }) =>
    app.get(TurnStore).reopen({
      userId,
      messageId: running_id,
      claimId: running_id,
      attempt: 2,
      request: { model: null, params: {} } as never,
      isStopRequested: false,
      crashes: 0,
    }),
  ),
  ...Object.entries<(app: TestApp['app'], userId: string, things: Things) => Promise<unknown>>({
    'SignInsRepository.find': (app, userId, { sign_in_id }) => app.get(SignInsRepository).find(userId, sign_in_id),
    'SignInsRepository.revoke': (app, userId, { sign_in_id }) => app.get(SignInsRepository).revoke(userId, sign_in_id),
    'SignInsRepository.advance': (app, userId, { sign_in_id: id }) =>
      app.get(SignInsRepository).advance({ userId, id, generation: 1 } as never, new Date()),
    'SignInAddressesRepository.isKnown': async (app, userId) => {
      const addresses = app.get(SignInAddressesRepository);
      return [
        await addresses.isKnown(userId, ADDRESSES[0] as string),
        await addresses.isKnown(userId, ADDRESSES[1] as string),
      ];
    },
    'SignInAddressesRepository.insert': (app, userId) =>
      app.get(SignInAddressesRepository).insert(userId, '198.51.100.3'),
    'AuditRepository.list': (app, userId) => app.get(AuditRepository).list(userId, null, 99),
    'MessagesRepository.list, from a place': (app, userId, { session_id }) =>
      app.get(MessagesRepository).list(userId, session_id, { order: 'asc', afterSeq: 1, limit: 9 }),
    'MessagesRepository.list, back from a place': (app, userId, { session_id, message_id }) =>
      app.get(MessagesRepository).list(userId, session_id, { order: 'desc', afterSeq: 9, limit: 9 }, [message_id]),
    'MessagesRepository.listPathIds': (app, userId, { session_id, message_id }) =>
      app
        .get(MessagesRepository)
        .listPathIds(userId, session_id, message_id, { order: 'asc', afterSeq: null, limit: 9 }),
    'SessionsRepository.suggestTitle': (app, userId, { session_id }) =>
      app.get(SessionsRepository).suggestTitle(userId, session_id, 'x'),
    'SessionsRepository.list, from a place': (app, userId, { project_id, running_id: id }) =>
      app
        .get(SessionsRepository)
        .list(userId, project_id, { isArchived: false, title: 'x' }, { lastActiveAt: '2100-01-01T00:00:00Z', id }, 9),
    'SessionsRepository.update, to archived': (app, userId, { session_id }) =>
      app.get(SessionsRepository).update(userId, session_id, { title: 'x', isArchived: true, isPinned: true }),
    'SessionsRepository.update, from archived': (app, userId, { session_id }) =>
      app.get(SessionsRepository).update(userId, session_id, { metadata: {}, isArchived: false, isPinned: false }),
    'ErasureRepository.count': (app, userId) => app.get(ErasureRepository).count(userId),
    'RetentionRepository.lockProject': (app, userId, { project_id: projectId }) =>
      app.get(RetentionRepository).lockProject({ userId, projectId }),
    'RetentionRepository.lockSessions': async (app, userId, { project_id: projectId }) =>
      (await app.get(RetentionRepository).lockSessions({ userId, projectId }, -1, 99)).length,
    'RetentionRepository.remove': (app, userId, { session_id, busy_session_id }) =>
      app.get(RetentionRepository).remove(userId, [session_id, busy_session_id]),
    'RetentionRepository.addToRun and removeRun': async (app, userId, { project_id: projectId }) => {
      await app
        .get(RetentionRepository)
        .addToRun({ userId, projectId }, { sessions: 1, messages: 1, idempotencyKeys: 1 });
      return app.get(RetentionRepository).removeRun({ userId, projectId });
    },
    'ProjectsRepository.list, from a place': (app, userId, { running_id }) =>
      app.get(ProjectsRepository).list(userId, running_id, 21),
    'ProjectsRepository.update': (app, userId, { project_id }) =>
      app.get(ProjectsRepository).update(userId, project_id, { name: 'x', params: {} }),
    'PromptsRepository.reorder': (app, userId, { project_id, prompt_id, question_id }) =>
      app.get(PromptsRepository).reorder(userId, project_id, [question_id, prompt_id]),
  }).map(([name, work]) =>
    call(name, ({ app }, actor, things) => app.get(UnitOfWork).run(actor, () => work(app, actor.userId, things))),
  ),
];

// Only the first few probes per statement are run without some rows, so `close` comes first: turns settle in most
// probes.
export const PROBES: readonly Probe[] = [close, ...more, ...calls, ...requests];
