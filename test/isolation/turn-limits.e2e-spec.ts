import pg from 'pg';
import { TestUser, type TurnBody } from '../support/as-user.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;
let eve: TestUser;
let projectId: string;
let answerId: string;
let hold: { release(): void };

beforeAll(async () => {
  t = await createTestApp({ defaultPlan: 'free', turnLeaseMs: 600_000, turnSweepMs: 600_000 });
  [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
  const gate = t.model.hold();
  hold = gate;
  ({ id: projectId } = await ada.project());
  const { body } = await ada.post('/chat', { project_id: projectId, message: 'Hi', background: true }).expect(202);
  answerId = (body as TurnBody).assistant_message.id;
  await gate.reached;
});
afterAll(async () => {
  hold.release();
  await t.close();
});

/** Runs SQL as the application's role, for a tenant or for none, and rolls it back. */
async function as(tenant: string | null, sql: string, values: unknown[] = []): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: t.database.url });
  await client.connect();
  try {
    await client.query('begin; set local role parley_app');
    await client.query(`select set_config('app.user_id', $1, true)`, [tenant ?? '']);
    return (await client.query<object>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

const charge = (tenant: string | null, of: string): Promise<unknown[]> =>
  as(tenant, `select charge_turn($1, $2, $3, null, 'free', null, null, 100) is null as untouched`, [
    of,
    answerId,
    projectId,
  ]);
const buckets = (): Promise<unknown[]> => t.database.query('select * from turn_buckets order by subject_id, unit');

describe('the bucket of a user', () => {
  it.each([
    ['a stranger', () => eve.id],
    ['nobody', () => null],
  ])('cannot be charged by %s, whichever user the call names', async (_who, tenant) => {
    expect(await charge(tenant(), ada.id)).toEqual([{ untouched: true }]);
    expect(await charge(ada.id, ada.id)).toEqual([{ untouched: false }]);
  });

  it('cannot be refilled by a stranger', async () => {
    const before = await buckets();
    expect(before).toHaveLength(2);
    for (const sql of [
      'select settle_turn($1, $2, (select claim_id from turns where message_id = $2), -1000000)',
      'update turn_buckets set full_at = now() where user_id = $1 and $2::uuid is not null',
      'delete from turn_buckets where user_id = $1 and $2::uuid is not null',
    ])
      await as(eve.id, sql, [ada.id, answerId]);
    expect(await buckets()).toEqual(before);
    expect(await as(ada.id, 'delete from turn_buckets returning user_id')).toHaveLength(2);
  });
});

describe('plans', () => {
  const write = `insert into plans (name, requests_per_minute) values ('free', 1000000)
    on conflict (name) do update set requests_per_minute = excluded.requests_per_minute returning name`;
  const raise = `update plans set requests_per_minute = null where name = 'free' returning name`;

  it('can be read by everybody, and written only by an admin who is not disabled', async () => {
    expect(await as(eve.id, `select name from plans where name = 'free'`)).toEqual([{ name: 'free' }]);
    const tryAs = async (tenant: string | null): Promise<void> => {
      await expect(as(tenant, write)).rejects.toMatchObject({ code: '42501' });
      await expect(as(tenant, `insert into plans (name) values ('mine')`)).rejects.toMatchObject({ code: '42501' });
      expect(await as(tenant, raise)).toEqual([]);
      await expect(as(tenant, 'delete from plans')).rejects.toMatchObject({ code: '42501' });
    };
    for (const tenant of [eve.id, null]) await tryAs(tenant);
    await t.database.query(`update users set role = 'admin' where id = $1`, [eve.id]);
    expect(await as(eve.id, write)).toEqual([{ name: 'free' }]);
    expect(await as(eve.id, raise)).toEqual([{ name: 'free' }]);
    await t.database.query('update users set disabled_at = now() where id = $1', [eve.id]);
    await tryAs(eve.id);
  });
});
