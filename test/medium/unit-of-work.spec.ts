import type { DataSource } from 'typeorm';
import { AppError } from '../../src/kernel/errors/app-error.js';
import { newId } from '../../src/kernel/ids.js';
import { Project } from '../../src/modules/projects/project.entity.js';
import { Prompt } from '../../src/modules/prompts/prompt.entity.js';
import { User } from '../../src/modules/users/user.entity.js';
import { DatabaseConfig } from '../../src/platform/database/database.config.js';
import { appDataSource } from '../../src/platform/database/data-source.js';
import { statement, text, uuid } from '../../src/platform/database/statement.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { ENTITIES } from '../support/entities.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('a unit of work', () => {
  let database: TestDatabase;
  let wire: TcpProxy;
  let dataSource: DataSource;
  let unitOfWork: UnitOfWork;
  const ada = { userId: newId() };
  const eve = { userId: newId() };

  /** One connection, so that the next unit of work finds the leftovers of the previous one. */
  beforeAll(async () => {
    database = await createTestDatabase();
    wire = await TcpProxy.start(database.url);
    const config = Object.assign(new DatabaseConfig(), { databaseUrl: wire.url, databasePoolSize: 1 });
    dataSource = await appDataSource(config, PRODUCT_DATABASE, ENTITIES).initialize();
    unitOfWork = new UnitOfWork(dataSource);
    for (const { userId } of [ada, eve]) {
      await database.query('insert into users (id, email, password_hash) values ($1, $2, $3)', [
        userId,
        `${userId}@example.com`,
        'x',
      ]);
    }
  });
  afterAll(async () => {
    await dataSource.destroy();
    await wire.cut();
    await database.drop();
  });

  const add = async (name: string, { userId } = ada): Promise<void> => {
    await unitOfWork
      .repository(Project)
      .insert({ userId, id: newId(), name, description: null, provider: null, model: null, params: {} });
  };
  const stored = async (): Promise<string[]> =>
    (await database.query<{ name: string }>('select name from projects order by name')).map(({ name }) => name);
  const settings = async (): Promise<{ tenant: string | null; role: string; state: string }> => {
    const rows = await dataSource.query<{ tenant: string | null; role: string; state: string }[]>(
      `select current_setting('app.user_id', true) as tenant, current_user as role,
              case when now() = statement_timestamp() then 'idle' else 'in transaction' end as state`,
    );
    return rows[0] as { tenant: string | null; role: string; state: string };
  };

  beforeEach(async () => void (await database.query('delete from projects')));
  // After each test, the connection must be idle, without a tenant, and have the application's role.
  afterEach(async () => {
    const { tenant, ...rest } = await settings();
    expect(tenant ?? '').toBe('');
    expect(rest).toEqual({ role: 'parley_app', state: 'idle' });
  });

  it('commits its changes and returns the result of the work', async () => {
    const result = await unitOfWork.run(ada, async () => {
      await add('one');
      await add('two');
      expect(await stored()).toEqual([]);
      return 7;
    });
    expect(result).toBe(7);
    expect(await stored()).toEqual(['one', 'two']);
  });

  it('rolls everything back when the work throws, and throws the same error', async () => {
    const failure = new AppError('not_found');
    await expect(
      unitOfWork.run(ada, async () => {
        await add('one');
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect(await stored()).toEqual([]);
  });

  it('rolls everything back when the second write fails', async () => {
    const work = unitOfWork.run(ada, async () => {
      await add('one');
      await add('');
    });
    await expect(work).rejects.toThrow('ck_projects_name');
    expect(await stored()).toEqual([]);
  });

  it('maps the error of a failed statement to the catalogue', async () => {
    const user = { ...{ id: ada.userId, email: `${eve.userId}@example.com` }, passwordHash: 'x', displayName: null };
    const work = unitOfWork.run({ userId: ada.userId }, async () => {
      await unitOfWork.repository(User).update({ id: ada.userId }, { email: user.email });
    });
    await expect(work).rejects.toMatchObject({ name: 'AppError', code: 'email_taken' });
  });

  it('runs any kind of statement and returns its rows', async () => {
    const rename = statement<{ name: string }>()(
      'rename_projects',
      { userId: uuid, to: text },
      'update projects set name = :to where user_id = :userId returning name',
    );
    const renamed = await unitOfWork.run(ada, async () => {
      await add('one');
      return unitOfWork.query(rename({ userId: ada.userId, to: 'two' }));
    });
    expect(renamed).toEqual([{ name: 'two' }]);
    expect(await stored()).toEqual(['two']);
  });

  it('gives no repository outside a unit of work', () => {
    expect(() => unitOfWork.repository(Project)).toThrow('no unit of work is running');
    expect(() => unitOfWork.afterCommit(() => undefined)).toThrow('no unit of work is running');
    expect(() => unitOfWork.query('select 1', [])).toThrow('no unit of work is running');
  });

  it.each([
    ['committed', async () => undefined],
    ['rolled back', () => Promise.reject(new Error('no'))],
  ])('gives no repository to code that still runs after it has %s', async (_how, end) => {
    let late: Promise<unknown> | undefined;
    await unitOfWork
      .run(ada, async () => {
        late = new Promise((resolve) => setTimeout(resolve, 50)).then(() => unitOfWork.repository(Project));
        late.catch(() => undefined);
        await end();
      })
      .catch(() => undefined);
    await expect(late).rejects.toThrow('no unit of work is running');
  });

  it('lets code that still runs after it start another one, whether or not others are running', async () => {
    for (const isAlone of [true, false]) {
      let release = (): void => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      let late: Promise<unknown> | undefined;
      await unitOfWork.run(ada, async () => {
        late = gate.then(() => unitOfWork.run(ada, () => add(isAlone ? 'alone' : 'beside')));
        await Promise.resolve();
      });
      const other = isAlone ? null : unitOfWork.run(eve, async () => release());
      if (isAlone) release();
      await Promise.all([late, other]);
    }
    expect(await stored()).toEqual(['alone', 'beside']);
  });

  it('cannot be nested, and the outer one can continue', async () => {
    await unitOfWork.run(ada, async () => {
      const nested = async (): Promise<void> => unitOfWork.run(ada, () => add('nested'));
      await expect(nested()).rejects.toThrow('cannot be nested');
      const shared = async (): Promise<void> => unitOfWork.runShared(ada, () => add('nested'));
      await expect(shared()).rejects.toThrow('cannot be nested');
      await add('outer');
    });
    expect(await stored()).toEqual(['outer']);
  });

  describe('that is shared', () => {
    it('includes nested ones: all commit together or none does', async () => {
      await unitOfWork.runShared(ada, async () => {
        await unitOfWork.run(ada, () => add('one'));
        expect(await stored()).toEqual([]);
        await unitOfWork.run(ada, () => add('two'));
      });
      expect(await stored()).toEqual(['one', 'two']);
      const failing = unitOfWork.runShared(ada, async () => {
        await unitOfWork.run(ada, () => add('three'));
        throw new Error('later');
      });
      await expect(failing).rejects.toThrow('later');
      expect(await stored()).toEqual(['one', 'two']);
    });

    it('includes none of another tenant', async () => {
      const work = unitOfWork.runShared(ada, async () => {
        await unitOfWork.run(eve, async () => undefined);
      });
      await expect(work).rejects.toThrow('another tenant');
    });
  });

  describe('that switches to another tenant for a part', () => {
    it('sees and writes only the rows of that tenant, then its own again, and commits both together', async () => {
      await unitOfWork.run(ada, async () => {
        await add("Ada's");
        await unitOfWork.switchTo(eve, async () => {
          expect(await unitOfWork.repository(Project).find()).toEqual([]);
          await add("Eve's", eve);
        });
        expect(await unitOfWork.repository(Project).find()).toMatchObject([{ name: "Ada's" }]);
        expect(await stored()).toEqual([]);
      });
      expect(await stored()).toEqual(["Ada's", "Eve's"]);
    });

    it('returns to its own tenant after the part has failed, and keeps nothing when it fails itself', async () => {
      const work = unitOfWork.run(ada, async () => {
        const part = unitOfWork.switchTo(eve, () => Promise.reject(new Error('no')));
        await expect(part).rejects.toThrow('no');
        await add("Ada's");
        await unitOfWork.switchTo(eve, () => add("Ada's again"));
      });
      await expect(work).rejects.toThrow('row-level security');
      expect(await stored()).toEqual([]);
    });
  });

  it('runs as its tenant with the application role, and shows the tenant only its own rows', async () => {
    await unitOfWork.run(ada, () => add("Ada's"));
    await unitOfWork.run(eve, () => add("Eve's", eve));
    const seen = await unitOfWork.run(ada, async () => {
      const [row] = await unitOfWork.query<{ tenant: string; role: string }>(
        `select current_setting('app.user_id') as tenant, current_user as role`,
        [],
      );
      expect(row).toEqual({ tenant: ada.userId, role: 'parley_app' });
      return (await unitOfWork.repository(Project).find()).map(({ name }) => name);
    });
    expect(seen).toEqual(["Ada's"]);
  });

  it('cannot write a row of another tenant', async () => {
    await expect(unitOfWork.run(ada, () => add('smuggled', eve))).rejects.toThrow('row-level security');
    expect(await stored()).toEqual([]);
  });

  it.each([
    ['commit', async () => undefined],
    ['error of ours', () => Promise.reject(new Error('no'))],
    ['failed statement', () => add('')],
  ])('leaves no tenant on its connection after a(n) %s', async (_end, work) => {
    const pid = async (): Promise<unknown> => (await dataSource.query('select pg_backend_pid() as pid'))[0] as unknown;
    const before = await pid();
    await unitOfWork.run(ada, work).catch(() => undefined);
    expect(await pid()).toEqual(before);
    expect((await settings()).tenant ?? '').toBe('');
    expect(await dataSource.query('select * from users')).toEqual([]);
  });

  it('keeps its tenant while many others run at once', async () => {
    const config = Object.assign(new DatabaseConfig(), { databaseUrl: database.url, databasePoolSize: 3 });
    const wide = await appDataSource(config, PRODUCT_DATABASE, ENTITIES).initialize();
    const units = new UnitOfWork(wide);
    const seen = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        units.run(i % 2 === 0 ? ada : eve, async () => {
          await new Promise((resolve) => setImmediate(resolve));
          return (await units.repository(User).find()).map(({ id }) => id);
        }),
      ),
    );
    await wide.destroy();
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => [i % 2 === 0 ? ada.userId : eve.userId]));
  });

  it('refuses a tenant that is not an id, because it could be SQL', async () => {
    for (const userId of ['', "'; drop table users; --", ada.userId.toUpperCase()]) {
      await expect(unitOfWork.run({ userId }, async () => undefined)).rejects.toThrow('tenant is not an id');
    }
  });

  it('calls the commit hooks after the commit, in order', async () => {
    const calls: string[] = [];
    await unitOfWork.run(ada, async () => {
      unitOfWork.afterCommit(() => calls.push('first'));
      unitOfWork.afterCommit(() => calls.push('second'));
      await add('one');
      expect(calls).toEqual([]);
    });
    expect(calls).toEqual(['first', 'second']);
  });

  it('does not call the commit hooks without a commit', async () => {
    const calls: string[] = [];
    const hook = (): void => void calls.push('called');
    const failing: (() => Promise<unknown>)[] = [
      () => Promise.reject(new Error('no')),
      () => add(''),
      // A deferred constraint fails at COMMIT itself.
      async () => {
        const projectId = newId();
        const project = { ...{ userId: ada.userId, id: projectId, name: 'x', description: null }, params: {} };
        await unitOfWork.repository(Project).insert({ ...project, provider: null, model: null });
        for (const id of [newId(), newId()]) {
          const prompt = { userId: ada.userId, id, projectId, content: 'x', contentTokens: 1, position: 0 };
          await unitOfWork.repository(Prompt).insert(prompt);
        }
        expect(calls).toEqual([]);
      },
      // A failed statement whose error the work ignored.
      () => add('').catch(() => undefined),
    ];
    for (const work of failing) {
      const unit = unitOfWork.run(ada, async () => {
        unitOfWork.afterCommit(hook);
        await work();
      });
      await expect(unit).rejects.toThrow();
    }
    expect(calls).toEqual([]);
    expect(await stored()).toEqual([]);
  });

  it('throws when its COMMIT ended as ROLLBACK, because nothing was stored', async () => {
    const work = unitOfWork.run(ada, async () => {
      await add('one');
      await add('').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('the transaction ended as ROLLBACK');
    expect(await stored()).toEqual([]);
  });

  it('releases its connection after every failure', async () => {
    for (let i = 0; i < 20; i++) {
      await expect(
        unitOfWork.run(ada, () => (i % 2 === 0 ? add('') : Promise.reject(new Error('no')))),
      ).rejects.toThrow();
    }
    await unitOfWork.run(ada, () => add('after all'));
    expect(await stored()).toEqual(['after all']);
  });

  it('throws database_unavailable when the server is gone, before or in the middle, and works again when it is back', async () => {
    await wire.cut();
    await expect(unitOfWork.run(ada, () => add('never'))).rejects.toMatchObject({ code: 'database_unavailable' });
    await wire.restore();
    const cutInside = unitOfWork.run(ada, async () => {
      await add('never');
      wire.drop();
      await add('never');
    });
    await expect(cutInside).rejects.toMatchObject({ code: 'database_unavailable' });
    await unitOfWork.run(ada, () => add('back'));
    expect(await stored()).toEqual(['back']);
  });
});
