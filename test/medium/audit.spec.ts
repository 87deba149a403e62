import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { Clock } from '../../src/kernel/clock.js';
import { newId } from '../../src/kernel/ids.js';
import { AuditLog } from '../../src/platform/audit/audit-log.js';
import { AuditRepository } from '../../src/platform/audit/audit.repository.js';
import { type AuditVerdict, verifyAudit } from '../../src/platform/audit/audit-verifier.js';
import { DatabaseConfig } from '../../src/platform/database/database.config.js';
import { appDataSource } from '../../src/platform/database/data-source.js';
import { SystemScope } from '../../src/platform/database/system-scope.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('the audit log', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let unitOfWork: UnitOfWork;
  let rows: AuditRepository;
  let log: AuditLog;

  beforeAll(() => Logger.overrideLogger(false));
  beforeEach(async () => {
    database = await createTestDatabase();
    const config = Object.assign(new DatabaseConfig(), { databaseUrl: database.url, databasePoolSize: 20 });
    dataSource = await appDataSource(config, PRODUCT_DATABASE, []).initialize();
    unitOfWork = new UnitOfWork(dataSource);
    rows = new AuditRepository(unitOfWork, new SystemScope(dataSource, PRODUCT_DATABASE));
    log = new AuditLog(unitOfWork, rows, new Clock());
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const by = (userId: string) => ({ userId, signInId: newId() });
  const add = (userId: string, subjectId = newId()) =>
    unitOfWork.run({ userId }, () =>
      log.record(by(userId), 'project.changed', {
        subjectId,
        fields: ['name', 'über'],
        count: 1.5,
        is: true,
        no: null,
      }),
    );

  /** A chain of five events. */
  async function chain(): Promise<string> {
    const userId = newId();
    for (let i = 0; i < 5; i++) await add(userId);
    return userId;
  }

  const verify = (): Promise<AuditVerdict> => verifyAudit(rows);

  /** Runs SQL as a superuser, who bypasses policies, grants and triggers. */
  async function tamper(sql: string, values: unknown[] = []): Promise<void> {
    for (const table of ['audit_events', 'audit_heads'])
      await database.query(`alter table ${table} disable trigger user`);
    await database.query(sql, values);
    for (const table of ['audit_events', 'audit_heads'])
      await database.query(`alter table ${table} enable trigger user`);
  }

  it('links each event to the previous one, and returns the new end', async () => {
    const userId = newId();
    const [first, second] = [await add(userId), await add(userId)];
    const stored = await database.query<{ seq: number; previous_hash: Buffer; hash: Buffer }>(
      'select seq, previous_hash, hash from audit_events order by seq',
    );
    expect(stored).toEqual([
      { seq: 1, previous_hash: Buffer.alloc(32), hash: first.hash },
      { seq: 2, previous_hash: first.hash, hash: second.hash },
    ]);
    expect(second).toEqual({ seq: 2, hash: second.hash });
    expect(await verify()).toEqual({ chains: 1, events: 2, broken: [] });
  });

  it('stays intact when twenty events are recorded concurrently, in two chains', async () => {
    const users = [newId(), newId()] as const;
    await Promise.all(Array.from({ length: 40 }, (_, i) => add(users[i % 2] as string)));
    expect(await verify()).toEqual({ chains: 2, events: 40, broken: [] });
    for (const userId of users) expect((await log.list({ userId }, null, 100))[0]?.seq).toBe(20);
  });

  it('keeps no event of a unit of work that was rolled back, and continues without a gap', async () => {
    const userId = await chain();
    const failing = unitOfWork.run({ userId }, async () => {
      await log.record(by(userId), 'project.deleted', { subjectId: newId() });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await add(userId)).seq).toBe(6);
    expect(await verify()).toEqual({ chains: 1, events: 6, broken: [] });
  });

  it('records the actor', async () => {
    const userId = newId();
    const [signInId, apiKeyId, adminId] = [newId(), newId(), newId()];
    await unitOfWork.run({ userId }, async () => {
      await log.record({ userId, signInId, apiKeyId: null }, 'sign_in.created');
      await log.record({ userId, signInId: null, apiKeyId }, 'sign_in.created');
      await log.record({ userId, adminId }, 'sign_in.created');
      await log.record({ userId, is: 'system' }, 'sign_in.created');
      await log.record({ userId, is: 'anonymous' }, 'sign_in.created');
    });
    const events = await log.list({ userId }, null, 100);
    expect(events.map(({ actorKind, actorId }) => [actorKind, actorId]).reverse()).toEqual([
      ['user', signInId],
      ['api_key', apiKeyId],
      ['admin', adminId],
      ['system', null],
      ['anonymous', null],
    ]);
  });

  it('refuses an event for another user than that of the unit of work', async () => {
    const work = unitOfWork.run({ userId: newId() }, () => log.record(by(newId()), 'account.deleted'));
    await expect(work).rejects.toThrow('row-level security');
  });

  it.each(["update audit_events set action = 'a.b'", 'delete from audit_events', 'truncate audit_events'])(
    'refuses the application, and even the owner: %s',
    async (sql) => {
      const userId = await chain();
      await expect(database.queryAs(userId, sql)).rejects.toMatchObject({ code: '42501' });
      await expect(database.query(sql)).rejects.toMatchObject({
        code: '42501',
        message: 'audit_events is only ever added to',
      });
    },
  );

  it.each([
    'delete from audit_heads',
    'truncate audit_heads',
    "update audit_heads set seq = 4, previous_hash = 'x'",
    "update audit_heads set seq = seq + 1, previous_hash = 'x'",
    'update audit_heads set seq = seq + 2, previous_hash = hash',
  ])('lets a head advance only by one: %s', async (sql) => {
    const userId = await chain();
    await expect(database.queryAs(userId, sql)).rejects.toMatchObject({ code: '42501' });
    await expect(database.query(sql)).rejects.toMatchObject({ code: '42501' });
  });

  describe('when a superuser has', () => {
    const [OF, OTHERS] = ['user_id = $1', 'user_id <> $1'];
    const move = (from: number, to: number): string =>
      `update audit_events set seq = ${to} where seq = ${from} and ${OF}`;

    it.each<[string, string[], number, string]>([
      ['changed facts', [`update audit_events set facts = '{}' where seq = 3 and ${OF}`], 3, 'was changed'],
      ['changed who did it', [`update audit_events set actor_id = id where seq = 5 and ${OF}`], 5, 'was changed'],
      [
        'changed a time',
        [`update audit_events set at = at + interval '1 ms' where seq = 1 and ${OF}`],
        1,
        'was changed',
      ],
      [
        'deleted an event',
        [`delete from audit_events where seq = 3 and ${OF}`],
        4,
        'events before this one are missing',
      ],
      [
        'deleted the first',
        [`delete from audit_events where seq = 1 and ${OF}`],
        2,
        'events before this one are missing',
      ],
      [
        'deleted one and closed the gap',
        [`delete from audit_events where seq = 3 and ${OF}`, move(4, 3), move(5, 4)],
        3,
        'does not follow',
      ],
      ['swapped two', [move(2, 9), move(3, 2), move(9, 3)], 2, 'does not follow'],
      ['cut the tail', [`delete from audit_events where seq > 3 and ${OF}`], 4, 'has 5 events, but ends here'],
      ['deleted all events', [`delete from audit_events where ${OF}`], 1, 'all events are missing'],
      ['deleted the head', [`delete from audit_heads where ${OF}`], 6, 'end of the chain is unknown'],
      ['given the head another hash', [`update audit_heads set hash = '\\x00' where ${OF}`], 6, 'another hash'],
      [
        'put an event of another chain at the end',
        [
          `insert into audit_events select $1::uuid, 6, id, at, actor_kind, actor_id, action, subject_id, facts, previous_hash, hash
           from audit_events where seq = 1 and ${OTHERS}`,
        ],
        6,
        'does not follow',
      ],
    ])('%s, the verification detects it', async (_what, statements, seq, fault) => {
      const userId = await chain();
      await chain();
      for (const sql of statements) await tamper(sql, [userId]);
      expect((await verify()).broken).toEqual([{ userId, seq, fault: expect.stringContaining(fault) as string }]);
    });
  });

  it('is verified completely when there is more than one batch', async () => {
    const userId = newId();
    await unitOfWork.run({ userId }, async () => {
      for (let i = 0; i < 1001; i++) await log.record(by(userId), 'sign_in.created');
    });
    await chain();
    expect(await verify()).toEqual({ chains: 2, events: 1006, broken: [] });
    await tamper(`update audit_events set action = 'a.b' where seq = 1001`);
    expect((await verify()).broken).toHaveLength(1);
  });
});
