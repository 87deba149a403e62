import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { newId } from '../../src/kernel/ids.js';
import { SecondFactorsRepository } from '../../src/modules/auth/second-factors.repository.js';
import { SignInAddressesRepository } from '../../src/modules/auth/sign-in-addresses.repository.js';
import { AdminRepository } from '../../src/modules/admin/admin.repository.js';
import { ApiKeysRepository } from '../../src/modules/auth/api-keys.repository.js';
import { SignInsRepository } from '../../src/modules/auth/sign-ins.repository.js';
import { SummaryStore } from '../../src/modules/chat/context/summary-store.js';
import { MessagesRepository } from '../../src/modules/chat/messages/messages.repository.js';
import { SessionsRepository } from '../../src/modules/chat/sessions/sessions.repository.js';
import { PlansRepository } from '../../src/modules/limits/plans.repository.js';
import { TurnBucketsRepository } from '../../src/modules/limits/turn-buckets.repository.js';
import { TurnClaims } from '../../src/modules/chat/storage/turn-claims.js';
import { TurnStore } from '../../src/modules/chat/storage/turn-store.js';
import { RetentionRepository } from '../../src/modules/privacy/retention.repository.js';
import { ProjectsRepository } from '../../src/modules/projects/projects.repository.js';
import { PromptsRepository } from '../../src/modules/prompts/prompts.repository.js';
import { BudgetsRepository } from '../../src/modules/usage/budgets.repository.js';
import { EntriesRepository } from '../../src/modules/usage/entries.repository.js';
import { PricesRepository } from '../../src/modules/usage/prices.repository.js';
import { UsageRecorder } from '../../src/modules/usage/public/usage-recorder.js';
import { UsageRepository } from '../../src/modules/usage/usage.repository.js';
import { UsersRepository } from '../../src/modules/users/users.repository.js';
import { CircuitsRepository } from '../../src/platform/circuits/circuits.repository.js';
import { Notifications } from '../../src/platform/database/notifications.js';
import { pgPool } from '../../src/platform/database/pg-pool.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { AuditRepository } from '../../src/platform/audit/audit.repository.js';
import { Mailer } from '../../src/platform/mail/mailer.js';
import { IdempotencyRepository } from '../../src/platform/idempotency/idempotency.repository.js';
import { RevocationsRepository } from '../../src/platform/revocations/revocations.repository.js';
import { TestUser } from '../support/as-user.js';
import { setPrice } from '../support/ledger.js';
import { sentStatements } from '../support/sent-statements.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const FOLDER = fileURLToPath(new URL('./snapshots/', import.meta.url));
const UPDATE = process.env.UPDATE_SNAPSHOTS === '1';

let t: TestApp;
let wire: Wire;
let ada: TestUser;
let project: { id: string };

/** Sees what the pool's connections send: statements, and how many writes they took. */
class Wire {
  statements: string[] = [];
  writes = 0;
  readonly pool: ReturnType<typeof pgPool>;
  private readonly watched = new Set<PoolClient>();

  constructor(app: TestApp['app']) {
    this.pool = pgPool(app.get(DataSource));
    this.pool.on('acquire', (client) => this.watch(client));
  }

  /** Whether every connection lies in the pool, unused. */
  get isQuiet(): boolean {
    return this.pool.idleCount === this.pool.totalCount && this.pool.waitingCount === 0;
  }

  async during(work: () => Promise<unknown>): Promise<{ statements: string[]; writes: number }> {
    [this.statements, this.writes] = [[], 0];
    await work();
    return { statements: this.statements, writes: this.writes };
  }

  private watch(client: PoolClient): void {
    if (this.watched.has(client)) return;
    this.watched.add(client);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      this.statements.push(...sentStatements(args[0]));
      return query(...args);
    }) as PoolClient['query'];
    // Everything that is written before the event loop turns leaves in one of these calls.
    const { stream } = (
      client as unknown as { connection: { stream: Record<'_write' | '_writev', (...args: unknown[]) => unknown> } }
    ).connection;
    for (const name of ['_write', '_writev'] as const) {
      const write = stream[name].bind(stream);
      stream[name] = (...args: unknown[]) => {
        this.writes += 1;
        return write(...args);
      };
    }
  }
}

beforeAll(async () => {
  // Nothing happens by itself while statements are counted.
  t = await createTestApp({
    databasePoolSize: 3,
    turnLeaseMs: 600_000,
    turnSweepMs: 600_000,
    turnFlushMs: 60_000,
    revocationPollMs: 600_000,
  });
  // Nor at a notice: handing leases back wakes whoever hears it.
  await t.app.get(Notifications).onApplicationShutdown();
  wire = new Wire(t.app);
  ada = await TestUser.register(t);
  project = await ada.project();
  await ada.prompt(project.id);
  // The mail that greets her looks things up beside the request.
  await t.app.get(Mailer).settled();
});
afterAll(() => t.close());

type Call = () => Promise<unknown>;

const key = { route: 'POST /projects', key: 'k', requestHash: Buffer.alloc(32) };
const response = { body: {} };
const request = { model: null, params: {} };
const options = { policy: null, idempotencyKey: null };
const at = { lastActiveAt: '2026-01-01T00:00:00.000Z', id: newId() };
const id = newId();
const entryOf = (userId: string) => ({
  ...{ userId, id, at: new Date(0), actorKind: 'user' as const, actorId: null },
  ...{ action: 'account.registered' as const, subjectId: null, facts: {} },
});

/** Ways to call each method so that it shows all the SQL it has; a method that is not here fails the test. */
const RECIPES: [
  new (...args: never[]) => object,
  string,
  (subject: never, userId: string) => Record<string, Call[]>,
][] = [
  [
    UsersRepository,
    'users',
    (users: UsersRepository, userId) => ({
      find: [() => users.find(userId)],
      findForUpdate: [() => users.findForUpdate(userId)],
      insert: [() => users.insert({ id: userId, email: 'x@example.com', passwordHash: 'x', displayName: null })],
      update: [
        () => users.update(userId, { displayName: 'x' }),
        () => users.update(userId, { passwordHash: 'x' }),
        () => users.update(userId, {}),
        () => users.update(userId, { role: 'admin' }),
        () => users.update(userId, { plan: 'pro', requestsPerMinute: 1, tokensPerMinute: null }),
      ],
      lockAdministration: [() => users.lockAdministration()],
      setDisabled: [() => users.setDisabled(userId, true)],
      listAccounts: [() => users.listAccounts({ emailPrefix: 'a%', isDisabled: null }, null, 21)],
      resetPassword: [() => users.resetPassword(userId, 'old', 'new')],
      verifyEmail: [() => users.verifyEmail(userId)],
      findCredentials: [() => users.findCredentials('x@example.com')],
    }),
  ],
  [
    SignInsRepository,
    'sign-ins',
    (signIns: SignInsRepository, userId) => ({
      insert: [() => signIns.insert({ userId, id, seed: Buffer.alloc(1), userAgent: null, expiresAt: new Date(0) })],
      find: [() => signIns.find(userId, id)],
      advance: [() => signIns.advance({ userId, id, generation: 1 } as never, new Date(0))],
      list: [() => signIns.list(userId, null, 21), () => signIns.list(userId, id, 21)],
      revoke: [() => signIns.revoke(userId, id)],
      revokeOthers: [() => signIns.revokeOthers(userId, id)],
      sweep: [() => signIns.sweep(30)],
    }),
  ],
  [
    ApiKeysRepository,
    'api-keys',
    (keys: ApiKeysRepository, userId) => ({
      insert: [
        () =>
          keys.insert({
            userId,
            id,
            name: 'x',
            prefix: 'x',
            keyHash: Buffer.alloc(32),
            scopes: ['read'],
            projectId: null,
            expiresAt: null,
            requestsPerMinute: null,
            tokensPerMinute: null,
          }),
      ],
      find: [() => keys.find(userId, id)],
      removeAll: [() => keys.removeAll(userId)],
      list: [() => keys.list(userId, null, 21), () => keys.list(userId, id, 21)],
      remove: [() => keys.remove(userId, id)],
      findByHash: [() => keys.findByHash(Buffer.alloc(32))],
      markUsed: [() => keys.markUsed([{ userId, id, atMs: 0 }])],
    }),
  ],
  [
    SecondFactorsRepository,
    'second-factors',
    (factors: SecondFactorsRepository, userId) => ({
      find: [() => factors.find(userId)],
      offer: [() => factors.offer(userId, Buffer.alloc(1))],
      confirm: [() => factors.confirm({ userId, secret: Buffer.alloc(1) } as never, [Buffer.alloc(1)])],
      spendStep: [() => factors.spendStep(userId, 1)],
      spendRecoveryCode: [() => factors.spendRecoveryCode(userId, Buffer.alloc(1))],
      replaceRecoveryCodes: [() => factors.replaceRecoveryCodes(userId, [Buffer.alloc(1)])],
      remove: [() => factors.remove(userId)],
    }),
  ],
  [
    ProjectsRepository,
    'projects',
    (projects: ProjectsRepository, userId) => ({
      find: [() => projects.find(userId, id)],
      get: [() => projects.get(userId, id)],
      findForUpdate: [() => projects.findForUpdate(userId, id)],
      list: [() => projects.list(userId, null, 21), () => projects.list(userId, id, 21)],
      insert: [
        () =>
          projects.insert({
            userId,
            id,
            name: 'x',
            description: null,
            provider: null,
            model: null,
            fallbacks: [],
            params: {},
            onConflict: 'reject',
            onCrash: 'retry',
            retentionDays: null,
            requestsPerMinute: null,
            tokensPerMinute: null,
            isContentEncrypted: false,
            contextOverflow: 'drop',
          }),
      ],
      update: [() => projects.update(userId, id, { name: 'x', params: {} })],
      remove: [() => projects.remove(userId, id)],
    }),
  ],
  [
    PromptsRepository,
    'prompts',
    (prompts: PromptsRepository, userId) => ({
      find: [() => prompts.find(userId, id)],
      get: [() => prompts.get(userId, id)],
      findForUpdate: [() => prompts.findForUpdate(userId, id)],
      list: [() => prompts.list(userId, project.id, -1, 21)],
      insert: [
        () =>
          prompts.insert({
            userId,
            id,
            projectId: project.id,
            name: null,
            content: 'x',
            contentTokens: 1,
            position: 7,
          }),
      ],
      update: [() => prompts.update(userId, id, { content: 'x', contentTokens: 1 })],
      reorder: [() => prompts.reorder(userId, project.id, [id])],
      remove: [() => prompts.remove(userId, id)],
    }),
  ],
  [
    SessionsRepository,
    'sessions',
    (sessions: SessionsRepository, userId) => ({
      find: [() => sessions.find(userId, id)],
      get: [() => sessions.get(userId, id)],
      findForUpdate: [() => sessions.findForUpdate(userId, id)],
      list: [
        () => sessions.list(userId, project.id, {}, null, 21),
        () => sessions.list(userId, project.id, { isArchived: true }, null, 21),
        () => sessions.list(userId, project.id, { isArchived: false, title: 'x' }, at, 21),
      ],
      insert: [() => sessions.insert({ userId, id, projectId: project.id, title: null, metadata: {} } as never)],
      update: [
        () => sessions.update(userId, id, { title: 'x', isArchived: true, isPinned: true }),
        () => sessions.update(userId, id, { metadata: {}, isArchived: false, isPinned: false }),
      ],
      suggestTitle: [() => sessions.suggestTitle(userId, id, 'x')],
      remove: [() => sessions.remove(userId, id)],
    }),
  ],
  [
    MessagesRepository,
    'messages',
    (messages: MessagesRepository, userId) => ({
      find: [() => messages.find(userId, id)],
      get: [() => messages.get(userId, id)],
      list: [
        () => messages.list(userId, id, { order: 'asc', afterSeq: null, limit: 21 }),
        () => messages.list(userId, id, { order: 'asc', afterSeq: 3, limit: 21 }),
        () => messages.list(userId, id, { order: 'desc', afterSeq: 3, limit: 21 }, [id]),
      ],
      listPathIds: [
        () => messages.listPathIds(userId, id, id, { order: 'asc', afterSeq: null, limit: 21 }),
        () => messages.listPathIds(userId, id, id, { order: 'desc', afterSeq: 3, limit: 21 }),
      ],
      listSiblingIds: [() => messages.listSiblingIds(userId, id, [id, null])],
      rate: [() => messages.rate(userId, id, 'up', null, null)],
    }),
  ],
  [
    SignInAddressesRepository,
    'sign-in-addresses',
    (addresses: SignInAddressesRepository, userId) => ({
      isKnown: [() => addresses.isKnown(userId, '192.0.2.7')],
      insert: [() => addresses.insert(userId, '192.0.2.7')],
    }),
  ],
  [
    IdempotencyRepository,
    'idempotency',
    (keys: IdempotencyRepository, userId) => ({
      lock: [() => keys.lock(userId, key)],
      find: [() => keys.find(userId, key)],
      insert: [() => keys.insert(userId, key, response)],
      findKept: [() => keys.findKept(userId, key)],
      sweep: [() => keys.sweep(24)],
    }),
  ],
  [
    RevocationsRepository,
    'revocations',
    (revocations: RevocationsRepository, userId) => ({
      // Rolled back: what is told by its commit would show in the statements of others.
      put: [() => revocations.put(userId, [id], true, 60).then(() => Promise.reject(new Error('not really')))],
      readSince: [() => revocations.readSince('0')],
      sweep: [() => revocations.sweep()],
    }),
  ],
  [
    PlansRepository,
    'plans',
    (plans: PlansRepository) => ({
      find: [() => plans.find('free')],
      list: [() => plans.list()],
      put: [() => plans.put({ name: 'free', requestsPerMinute: 1, tokensPerMinute: null })],
      listNames: [() => plans.listNames()],
    }),
  ],
  [TurnBucketsRepository, 'turn-buckets', (buckets: TurnBucketsRepository) => ({ sweep: [() => buckets.sweep()] })],
  [
    CircuitsRepository,
    'circuits',
    (circuits: CircuitsRepository) => ({
      put: [() => circuits.put('x', 1000)],
      readSince: [() => circuits.readSince('0')],
      sweep: [() => circuits.sweep()],
    }),
  ],
  [
    BudgetsRepository,
    'budgets',
    (budgets: BudgetsRepository, userId) => ({
      get: [() => budgets.get(userId, id)],
      readRoom: [() => budgets.readRoom(userId, id, { provider: 'p', model: 'm', inputTokens: 1, outputTokens: 1 })],
      putLimits: [() => budgets.putLimits(userId, id, { day: 1, month: null })],
      putCaps: [() => budgets.putCaps(userId, { day: 1, month: null })],
    }),
  ],
  [
    UsageRepository,
    'usage',
    (usage: UsageRepository, userId) => ({
      sum: (['day', 'model', 'project'] as const).map(
        (by) => () => usage.sum(userId, null, new Date(0), new Date(1), by),
      ),
    }),
  ],
  [
    EntriesRepository,
    'usage-entries',
    (entries: EntriesRepository) => ({ listEstimated: [() => entries.listEstimated('openrouter', 50)] }),
  ],
  [
    PricesRepository,
    'prices',
    (prices: PricesRepository) => ({ add: [() => prices.add([])], replace: [() => prices.replace([])] }),
  ],
  [
    AdminRepository,
    'admin',
    (admin: AdminRepository, userId) => ({ usage: [() => admin.usage(new Date(0), new Date(1), userId, 21)] }),
  ],
  [
    AuditRepository,
    'audit',
    (audit: AuditRepository, userId) => ({
      append: [() => audit.append(entryOf(userId))],
      list: [() => audit.list(userId, null, 21)],
      walk: [() => audit.walk({ userId, seq: 1 }, 1000)],
      listEmptied: [() => audit.listEmptied()],
    }),
  ],
  [
    RetentionRepository,
    'retention',
    (retention: RetentionRepository, userId) => ({
      listDue: [() => retention.listDue({ userId, projectId: id }, 200)],
      lockProject: [() => retention.lockProject({ userId, projectId: id })],
      lockSessions: [() => retention.lockSessions({ userId, projectId: id }, 30, 100)],
      remove: [() => retention.remove(userId, [id])],
      addToRun: [() => retention.addToRun({ userId, projectId: id }, { sessions: 1, messages: 1, idempotencyKeys: 1 })],
      removeRun: [() => retention.removeRun({ userId, projectId: id })],
    }),
  ],
  [
    TurnStore,
    'turn-store',
    (store: TurnStore, userId) => {
      const given = { content: 'x', parts: null, tokens: 1, title: 'x' };
      const session = { sessionId: id, projectId: null, parentId: undefined };
      const asked = { attempts: [{}] } as never;
      const claimed = { userId, messageId: id, claimId: id, attempt: 2, request, crashes: 0, isStopRequested: false };
      return {
        open: [
          () => store.open({ userId }, { projectId: id }, given, request, { policy: 'queue', idempotencyKey: key }),
          () => store.open({ userId }, session, given, request, options),
        ],
        openSibling: [() => store.openSibling({ userId }, id, request, options)],
        reopen: [() => store.reopen(claimed)],
        close: [
          () => store.close({ claimId: id, answer: { userId, id }, contentKey: null, project: {} } as never, asked),
          () =>
            store.close(
              { claimId: id, answer: { userId, id }, contentKey: null, project: {}, isMetered: true } as never,
              asked,
            ),
        ],
        findMessage: [() => store.findMessage({ userId }, id)],
        findSettled: [() => store.findSettled({ answer: { userId, id }, attempt: 1 } as never)],
        releaseKey: [() => store.releaseKey({ userId }, key)],
        findTurn: [() => store.findTurn({ userId }, id)],
        readProgress: [() => store.readProgress({ userId }, id, { attempt: 1, offset: 0 })],
      };
    },
  ],
  [
    UsageRecorder,
    'usage-recorder',
    (recorder: UsageRecorder, userId) => {
      const place = { userId, projectId: id, sessionId: id, messageId: id };
      return {
        recordDeletedTurn: [() => recorder.recordDeletedTurn(place, [{} as never])],
        record: [() => recorder.record(place, 'title', [])],
        correct: [() => recorder.correct(place, { kind: 'answer', attempt: 1 }, {} as never)],
      };
    },
  ],
  [
    SummaryStore,
    'summary-store',
    (store: SummaryStore, userId) => ({
      findAged: [() => store.findAged({ userId }, id, { keptTokens: 1, keptMessages: 1, readTokens: 1 })],
      claim: [() => store.claim({ userId }, id, id, 1)],
      save: [() => store.save({ userId }, id, { content: 'x', tokens: 1, messageCount: 2 }, null)],
    }),
  ],
  [
    TurnClaims,
    'turn-claims',
    (claims: TurnClaims, userId) => ({
      requestStop: [() => claims.requestStop({ userId }, id)],
      claimNext: [() => claims.claimNext({ userId }, id)],
      claimWaiting: [() => claims.claimWaiting({ userId }, id)],
      renew: [() => claims.renew([id])],
      release: [() => claims.release()],
      claimExpired: [() => claims.claimExpired(20)],
      findStranded: [() => claims.findStranded(20)],
      save: [
        () =>
          claims.save([{ userId, messageId: id, claimId: id, attempt: 1, startOffset: 0, text: 'x', sealed: null }]),
      ],
      notifyEnd: [() => claims.notifyEnd(id)],
    }),
  ],
];

/** Private methods: what they send is seen with those that call them. */
const HELPERS = [
  ...['run', 'openBy', 'contentKeyOf', 'runGuarded', 'claimOf', 'admission', 'bounds', 'opened', 'hash'],
  ...['removeMessages', 'removeKeys', 'insertOnce'],
];

/** Methods of these that need none. */
const BY_SYSTEM_SCOPE = ['findCredentials', 'listNames', 'sweep', 'findByHash', 'markUsed', 'listAccounts', 'listDue'];

const IN_A_UNIT_OF_WORK = new Set<unknown>([
  PlansRepository,
  UsersRepository,
  ApiKeysRepository,
  SignInsRepository,
  SecondFactorsRepository,
  SignInAddressesRepository,
  ProjectsRepository,
  PromptsRepository,
  SessionsRepository,
  MessagesRepository,
  RetentionRepository,
  BudgetsRepository,
  UsageRepository,
]);

/** Methods of the others that are part of their caller's transaction. */
const IN_A_CALLERS_UNIT_OF_WORK = new Map<unknown, string[]>([
  [IdempotencyRepository, ['lock', 'find', 'insert']],
  [RevocationsRepository, ['put']],
  [AuditRepository, ['append', 'list']],
]);

/** TypeORM writes one line; the clauses of each statement begin a line here, so that a diff shows what has changed. */
function readable(statement: string): string {
  const text = statement.replace(/'[0-9a-f]{8}-[0-9a-f-]{27}'/g, `'<tenant>'`).trim();
  if (text.includes('\n')) return text.replace(/^ {7}/gm, '');
  return text.replace(/ (FROM|WHERE|SET|VALUES|RETURNING|ORDER BY|LIMIT|FOR UPDATE)\b/g, '\n$1').trimEnd();
}

function compare(name: string, text: string): void {
  mkdirSync(FOLDER, { recursive: true });
  const file = `${FOLDER}${name}.sql`;
  if (UPDATE) writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

describe('the SQL of a repository', () => {
  it.each(RECIPES.map(([type, name]) => [name, type] as const))('%s has a snapshot of each method', (name, type) => {
    const recipe = RECIPES.find((entry) => entry[1] === name)?.[2] as (subject: never, userId: string) => object;
    const methods = Object.getOwnPropertyNames(type.prototype).filter((method) => method !== 'constructor');
    expect(Object.keys(recipe({} as never, id)).sort()).toEqual(
      methods.filter((method) => !HELPERS.includes(method)).sort(),
    );
  });

  it.each(RECIPES.map(([type, name, recipe]) => [name, type, recipe] as const))(
    '%s matches the reviewed snapshot',
    async (name, type, recipe) => {
      const unitOfWork = t.app.get(UnitOfWork);
      const actor = { userId: newId() };
      const isSystem = (statement: string): boolean => /^(begin|commit|rollback)\b/i.test(statement);
      let text = '';
      for (const [method, calls] of Object.entries(recipe(t.app.get(type) as never, actor.userId))) {
        for (const call of calls) {
          const isBare = !IN_A_UNIT_OF_WORK.has(type) || BY_SYSTEM_SCOPE.includes(method);
          const isNested = IN_A_CALLERS_UNIT_OF_WORK.get(type)?.includes(method) === true;
          const { statements } = await wire.during(async () => {
            // What a call answers, or that it fails for want of rows, is not the question here.
            await (isBare && !isNested ? call() : unitOfWork.run(actor, call)).catch(() => undefined);
          });
          const shown = isBare && !isNested ? statements : statements.filter((statement) => !isSystem(statement));
          text += `-- ${type.name}.${method}\n${shown.map((statement) => `${readable(statement)};\n`).join('')}\n`;
        }
      }
      compare(name, text);
      // Every statement of a tenant names the tenant, whatever row-level security would do.
      for (const statement of text.split(/;\n/)) {
        const isData = /\b(from|update|into)\s+"?(?!users)(projects|prompts|chat_sessions|messages|turns|sign_ins)\b/i;
        if (!isData.test(statement) || /set local role parley_system/.test(text)) continue;
        expect(statement).toMatch(/user_id/);
      }
    },
  );
});

describe('a short turn', () => {
  it('takes exactly two round trips and two commits', async () => {
    await ada.turn({ project_id: project.id });
    const { statements, writes } = await wire.during(async () => {
      await ada.turn({ project_id: project.id, message: 'Hello' });
    });
    expect(writes).toBe(2);
    expect(statements.filter((statement) => statement === 'commit')).toHaveLength(2);
    compare('short-turn', statements.map((statement) => `${readable(statement)};\n`).join('\n'));
  });

  it('takes no more in a session with history', async () => {
    const { session_id } = await ada.turn({ project_id: project.id });
    const { statements, writes } = await wire.during(async () => {
      await ada.turn({ session_id, message: 'And then?' });
    });
    expect(writes).toBe(2);
    expect(statements.filter((statement) => statement === 'commit')).toHaveLength(2);
  });

  it('takes no more with limits of turns and tokens', async () => {
    const limited = 'update users set requests_per_minute = 1000, tokens_per_minute = 1000000 where id = $1';
    await t.database.query(limited, [ada.id]);
    const { statements, writes } = await wire.during(async () => {
      await ada.turn({ project_id: project.id });
    });
    await t.database.query('update users set requests_per_minute = null, tokens_per_minute = null', []);
    expect(writes).toBe(2);
    expect(statements.filter((statement) => statement === 'commit')).toHaveLength(2);
    expect(statements.filter((statement) => /charge_turn|settle_turn/.test(statement))).toHaveLength(2);
  });

  it('takes no more with an Idempotency-Key', async () => {
    const { writes } = await wire.during(async () => {
      await ada.post('/chat', { project_id: project.id, message: 'Once' }).set('idempotency-key', 'once').expect(200);
    });
    expect(writes).toBe(2);
  });

  it('takes no more with budgets, and the same number of statements', async () => {
    const turn = async (): Promise<string[]> => {
      const { statements, writes } = await wire.during(() => ada.turn({ project_id: project.id, model: 'offline' }));
      expect(writes).toBe(2);
      return [...statements];
    };
    const without = await turn();
    await setPrice(t, { model: 'offline' });
    for (const path of ['/users/me/budget', `/projects/${project.id}/budget`])
      await ada.put(path, { day_limit_micro_usd: 1_000_000, month_limit_micro_usd: 1_000_000 }).expect(200);
    expect(await turn()).toEqual(without);
    for (const path of ['/users/me/budget', `/projects/${project.id}/budget`])
      await ada.put(path, { day_limit_micro_usd: null, month_limit_micro_usd: null }).expect(200);
  });

  it('holds no connection and no transaction during the model call', async () => {
    const gate = t.model.hold('Let me', ' think');
    const turn = ada.turn({ project_id: project.id });
    await gate.reached;
    expect(wire.isQuiet).toBe(true);
    const open = await t.database.query(
      `select state, query from pg_stat_activity
       where datname = current_database() and application_name = 'parley' and xact_start is not null`,
    );
    expect(open).toEqual([]);
    gate.release();
    await turn;
    expect(wire.isQuiet).toBe(true);
  });
});

it('no snapshot is unused', () => {
  const written = [...RECIPES.map(([, name]) => `${name}.sql`), 'short-turn.sql'];
  expect(readdirSync(FOLDER).sort()).toEqual(written.sort());
});
