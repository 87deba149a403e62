import { getRepositoryToken } from '@nestjs/typeorm';
import { DataSource, type EntityMetadata, type ObjectLiteral, type Repository } from 'typeorm';
import { newId } from '../../src/kernel/ids.js';
import { Project } from '../../src/modules/projects/project.entity.js';
import { User } from '../../src/modules/users/user.entity.js';
import { TestUser } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** Rows that belong to no tenant, so all may read them. */
const PUBLIC_TABLES = ['plans'];

let t: TestApp;
let ada: TestUser;
let projectId: string;
let entities: readonly EntityMetadata[];

beforeAll(async () => {
  t = await createTestApp();
  ada = await TestUser.register(t);
  ({ id: projectId } = await ada.project());
  await ada.prompt(projectId);
  await ada.turn({ project_id: projectId });
  await ada.post('/auth/api-keys', { name: 'x', scopes: ['chat'] }).expect(201);
  entities = t.app.get(DataSource).entityMetadatas;
});
afterAll(() => t.close());

/** The repository that a developer would get by injecting it past the lint rule. */
const repositoryOf = ({ target }: EntityMetadata): Repository<ObjectLiteral> =>
  t.app.get<Repository<ObjectLiteral>>(getRepositoryToken(target as new () => object), { strict: false });

/** The number of rows that a statement has changed; 0 when the database refuses it. */
async function changed(work: () => Promise<{ affected?: number | null }>): Promise<number> {
  try {
    return (await work()).affected ?? 0;
  } catch (error) {
    expect(error).toMatchObject({ code: '42501' });
    return 0;
  }
}

describe('a repository outside of the unit of work', () => {
  it('exists for every entity, and most of their tables have rows', async () => {
    const counts = await Promise.all(
      entities.map(({ tableName }) => t.database.query(`select from ${tableName} limit 1`)),
    );
    expect(entities.length).toBeGreaterThan(10);
    expect(counts.filter((rows) => rows.length > 0).length).toBeGreaterThan(7);
  });

  it('sees no row of any tenant', async () => {
    const seen: string[] = [];
    for (const entity of entities) if ((await repositoryOf(entity).find()).length > 0) seen.push(entity.tableName);
    expect(seen).toEqual(PUBLIC_TABLES);
  });

  it('changes and deletes no row', async () => {
    const tables = await readTables(t.database);
    const before = await dump(t.database, tables);
    for (const entity of entities) {
      const [column] = entity.columns.filter(({ isPrimary }) => !isPrimary);
      const same = { [column?.propertyName ?? '']: () => `"${column?.databaseName}"` };
      const query = () => repositoryOf(entity).createQueryBuilder();
      expect(await changed(() => query().update().set(same).execute())).toBe(0);
      expect(await changed(() => query().delete().execute())).toBe(0);
    }
    expect(await dump(t.database, tables)).toEqual(before);
  });

  it('adds no row', async () => {
    const [users, projects] = [User, Project].map((entity) =>
      t.app.get(DataSource).getRepository<ObjectLiteral>(entity),
    );
    const user = { id: newId(), email: 'eve@example.com', passwordHash: 'x' };
    await expect(users?.insert(user)).rejects.toMatchObject({ code: '42501' });
    const project = { id: newId(), userId: ada.id, name: 'x' };
    await expect(projects?.insert(project)).rejects.toMatchObject({ code: '42501' });
  });
});
