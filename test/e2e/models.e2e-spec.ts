import { TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { ScriptedModel } from '../support/scripted-model.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const KEY = 'sk-own-0123456789-x7Qa';

describe('The list of models', () => {
  let t: TestApp;
  let own: ScriptedModel;
  let ada: TestUser;
  let there: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp({ providerUrlAllow: ['127.0.0.1'] });
    own = await ScriptedModel.start();
    ada = await TestUser.register(t);
    there = ada.at((await t.another()).getHttpServer());
    // At its start each instance sees by the same address whether its key is good.
    await expectSoon(() => expect(t.model.listed).toHaveLength(2));
    t.model.listed.length = 0;
  });
  beforeEach(async () => {
    project = await ada.project();
  });
  afterAll(async () => {
    await t.close();
    await own.stop();
  });

  const list = async (user: TestUser, id = project.id): Promise<string[]> =>
    ((await user.get(`/projects/${id}/models`).expect(200)).body as { data: { id: string }[] }).data.map(
      (model) => model.id,
    );
  const setKey = (api_key = KEY): Promise<unknown> =>
    ada.put(`/projects/${project.id}/provider-key`, { provider: 'custom', api_key, base_url: own.url }).expect(200);

  it('of this server is fetched once for all users', async () => {
    const eve = await TestUser.register(t);
    const other = await eve.project();
    await Promise.all(Array.from({ length: 10 }, () => ada.get('/llm/models').expect(200)));
    expect(await list(ada)).toEqual(['scripted']);
    expect(await list(eve, other.id)).toEqual(['scripted']);
    expect(t.model.listed).toEqual(['Bearer sk-test-canary']);
  });

  it('of a project with its own key comes from that provider with that key, and is fetched once', async () => {
    await setKey();
    for (let i = 0; i < 3; i++) expect(await list(ada)).toEqual(['scripted']);
    expect(own.listed).toEqual([`Bearer ${KEY}`]);
  });

  it("is fetched again on every instance when the key changes, and is this server's when it is removed", async () => {
    await setKey();
    await list(ada);
    await list(there);
    own.listed.length = 0;
    await setKey('sk-another-0123456789');
    await list(there);
    await list(ada);
    expect(new Set(own.listed)).toEqual(new Set(['Bearer sk-another-0123456789']));
    own.listed.length = 0;
    await ada.delete(`/projects/${project.id}/provider-key`).expect(204);
    await list(there);
    expect(own.listed).toEqual([]);
  });

  it('is not shown to another user although it is cached', async () => {
    await setKey();
    await list(ada);
    const eve = await TestUser.register(t);
    expectProblem(await eve.get(`/projects/${project.id}/models`), 'not_found');
  });

  it("reports the provider's error as a turn would, and is fetched again", async () => {
    const refusing = await ScriptedModel.start();
    refusing.listsAre(401);
    await ada
      .put(`/projects/${project.id}/provider-key`, { provider: 'custom', api_key: KEY, base_url: refusing.url })
      .expect(200);
    expectProblem(await ada.get(`/projects/${project.id}/models`), 'project_key_refused');
    refusing.listsAre(200);
    await expectSoon(async () => expect(await list(ada)).toEqual(['scripted']));
    await refusing.stop();
  });
});
