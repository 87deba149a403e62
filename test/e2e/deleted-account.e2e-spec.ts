import { TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp({ revocationPollMs: 600_000 });
});
beforeEach(async () => {
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

/** As if another instance had erased the account and its notice were still on the way. */
const vanish = (): Promise<unknown> => t.database.query('delete from users where id = $1', [ada.id]);

describe('an account that is deleted while its token still passes', () => {
  it('gets no error of the server for a budget', async () => {
    await vanish();
    expectProblem(
      await ada.put('/users/me/budget', { day_limit_micro_usd: 500, month_limit_micro_usd: null }),
      'unauthenticated',
    );
  });

  it('gets no error of the server for a message with an Idempotency-Key', async () => {
    const { id } = await ada.project();
    await vanish();
    const sent = ada.post('/chat', { project_id: id, message: 'Hi' }).set('idempotency-key', 'once');
    expectProblem(await sent, 'unauthenticated');
  });
});
