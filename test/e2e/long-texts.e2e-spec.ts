import { EventLoop } from '../../src/platform/load/event-loop.js';
import { TestUser } from '../support/as-user.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** Nothing in it is a space, so counting its tokens takes as long as it can. */
const CHINESE = Array.from({ length: 99_999 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919) % 20_000))).join('');
const FLOOD = 20;

let t: TestApp;
let ada: TestUser;
let flooder: TestUser;
let adasProject: string;
let floodedProject: string;

beforeAll(async () => {
  t = await createTestApp({ maxEventLoopDelayMs: 500 });
});
beforeEach(async () => {
  [ada, flooder] = [await TestUser.register(t), await TestUser.register(t)];
  adasProject = (await ada.project()).id;
  floodedProject = (await flooder.project()).id;
});
afterAll(() => t.close());

/** Sends all requests at once, and lets Ada chat until they are answered; both as numbers of responses by status. */
async function chatDuring(
  requests: readonly PromiseLike<{ status: number }>[],
): Promise<{ flood: Record<string, number>; chat: Record<string, number> }> {
  let isOver = false;
  const flood = Promise.all(requests).finally(() => (isOver = true));
  const chat: { status: number }[] = [];
  do chat.push(await ada.post('/chat', { project_id: adasProject, message: 'Hi' }));
  while (!isOver);
  return { flood: byStatus(await flood), chat: byStatus(chat) };
}

function byStatus(responses: readonly { status: number }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of responses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

describe('twenty concurrent texts of 99,999 Chinese characters of one user', () => {
  it("as messages do not delay another user's chat", async () => {
    const requests = Array.from({ length: FLOOD }, () =>
      flooder.post('/chat', { project_id: floodedProject, message: CHINESE }),
    );
    const { flood, chat } = await chatDuring(requests);
    expect(Object.keys(chat)).toEqual(['200']);
    expect(t.app.get(EventLoop).isLate).toBe(false);
    // Too large for any model, or refused before they are counted.
    expect(Object.keys(flood).filter((status) => status !== '429')).toEqual(['422']);
  });

  it("as prompts do not delay another user's chat", async () => {
    const requests = Array.from({ length: FLOOD }, () =>
      flooder.post(`/projects/${floodedProject}/prompts`, { content: CHINESE }),
    );
    const { flood, chat } = await chatDuring(requests);
    expect(Object.keys(chat)).toEqual(['200']);
    expect(t.app.get(EventLoop).isLate).toBe(false);
    expect(Object.keys(flood).filter((status) => status !== '429')).toEqual(['201']);
  });
});
