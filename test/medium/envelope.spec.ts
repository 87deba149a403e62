import { randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Clock } from '../../src/kernel/clock.js';
import { newId } from '../../src/kernel/ids.js';
import { DataKeyRotation } from '../../src/platform/crypto/data-key-rotation.js';
import { Envelope } from '../../src/platform/crypto/envelope.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { TestUser } from '../support/as-user.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const SECRET = 'canary-of-a-secret';
const place = { table: 'things', column: 'secret', ids: [newId()] };
const newKey = (version: number): string => `${version}:${randomBytes(32).toString('base64')}`;

let t: TestApp;
let envelope: Envelope;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp();
  envelope = t.app.get(Envelope);
});
afterAll(() => t.close());
beforeEach(async () => {
  ada = await TestUser.register(t);
});

const versions = async (): Promise<number[]> =>
  (await t.database.query<{ v: number }>('select distinct master_version as v from data_keys order by 1')).map(
    ({ v }) => v,
  );
const envelopeOf = (app: NestFastifyApplication): Envelope => app.get(Envelope);

describe('the envelope', () => {
  it('decrypts its own ciphertext on any instance, and stores nothing in plain text', async () => {
    const sealed = await envelope.encrypt(ada.id, place, SECRET);
    expect(sealed.includes(SECRET)).toBe(false);
    expect(await envelope.decrypt(ada.id, place, sealed)).toBe(SECRET);
    expect(await envelopeOf(await t.another()).decrypt(ada.id, place, sealed)).toBe(SECRET);
  });

  it('decrypts it for no other row, column, table or user', async () => {
    const eve = await TestUser.register(t);
    const sealed = await envelope.encrypt(ada.id, place, SECRET);
    const others = [{ ids: [newId()] }, { ids: [] }, { column: 'other' }, { table: 'others' }];
    for (const other of others) {
      await expect(envelope.decrypt(ada.id, { ...place, ...other }, sealed)).rejects.toThrow('cannot be decrypted');
    }
    await expect(envelope.decrypt(eve.id, place, sealed)).rejects.toThrow('things.secret cannot be decrypted');
  });

  it('makes one key per user, however many instances encrypt at once', async () => {
    const other = envelopeOf(await t.another());
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? envelope : other).encrypt(ada.id, place, `${SECRET} ${i}`)),
    );
    const fresh = envelopeOf(await t.another());
    for (const [i, sealed] of all.entries()) expect(await fresh.decrypt(ada.id, place, sealed)).toBe(`${SECRET} ${i}`);
  });

  it('never uses a key whose unit of work was rolled back', async () => {
    const work = t.app.get(UnitOfWork).run({ userId: ada.id }, async () => {
      await envelope.encrypt(ada.id, place, SECRET);
      throw new Error('the second write failed');
    });
    await expect(work).rejects.toThrow('the second write failed');
    expect(await t.database.query('select 1 from data_keys where user_id = $1', [ada.id])).toEqual([]);
    const sealed = await envelope.encrypt(ada.id, place, SECRET);
    expect(await envelopeOf(await t.another()).decrypt(ada.id, place, sealed)).toBe(SECRET);
  });

  it('drops a deleted key from memory within a minute, and then decrypts nothing of the user', async () => {
    const sealed = await envelope.encrypt(ada.id, place, SECRET);
    await t.database.query('delete from data_keys where user_id = $1', [ada.id]);
    expect(await envelope.decrypt(ada.id, place, sealed)).toBe(SECRET);
    const clock = t.app.get(Clock);
    clock.nowMs = () => Date.now() + 60_000;
    await expect(envelope.decrypt(ada.id, place, sealed)).rejects.toThrow();
    clock.nowMs = () => Date.now();
  });
});

describe('a rotation of the master key', () => {
  it('re-encrypts every key with the newest version; instances with both versions or only the newest can use it', async () => {
    const users = await Promise.all(Array.from({ length: 5 }, () => TestUser.register(t)));
    const sealed = await Promise.all(users.map(({ id }) => envelope.encrypt(id, place, SECRET)));
    const openAll = async (app: NestFastifyApplication): Promise<void> => {
      for (const [i, { id }] of users.entries())
        expect(await envelopeOf(app).decrypt(id, place, sealed[i] as Buffer)).toBe(SECRET);
    };
    const old = t.config.masterKeys as string;
    const second = newKey(2);
    const reader = await t.another({ masterKeys: `${old},${second}` });
    const writer = await t.another({ masterKeys: `${second}, ${old}` });
    const alone = await t.another({ masterKeys: second });

    await expect(openAll(alone)).rejects.toThrow('MASTER_KEYS lacks version 1');
    const keys = (await t.database.query('select 1 from data_keys')).length;
    expect(await writer.get(DataKeyRotation).run()).toEqual({ version: 2, wrapped: keys, failed: 0, reasons: [] });
    expect(await versions()).toEqual([2]);
    for (const app of [reader, writer, alone]) await openAll(app);
    const told = await t.database.query(
      `select facts from audit_events where user_id = $1 and action = 'account.data_key_rotated'`,
      [users[0]?.id],
    );
    expect(told).toEqual([{ facts: { version: 2 } }]);
    // A second run finds nothing to do.
    expect(await writer.get(DataKeyRotation).run()).toEqual({ version: 2, wrapped: 0, failed: 0, reasons: [] });
  });

  it('skips a key that it cannot decrypt, and reports the missing version', async () => {
    const unknown = await t.another({ masterKeys: newKey(7) });
    const lost = await TestUser.register(t);
    await envelopeOf(unknown).encrypt(lost.id, place, SECRET);
    const writer = await t.another({ masterKeys: `${newKey(3)},${t.config.masterKeys}` });
    await envelope.encrypt(ada.id, place, SECRET);
    const { wrapped, failed, reasons } = await writer.get(DataKeyRotation).run();
    expect(wrapped).toBeGreaterThan(0);
    expect(failed).toBeGreaterThan(0);
    expect(reasons.join()).toContain('MASTER_KEYS lacks version 7');
    const [kept] = await t.database.query('select master_version from data_keys where user_id = $1', [lost.id]);
    expect(kept).toEqual({ master_version: 7 });
  });
});
