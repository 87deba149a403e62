import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

type Node = MessageBody & { sibling_ids: string[] };

describe('a session', () => {
  let t: TestApp;
  let ada: TestUser;

  beforeAll(async () => {
    t = await createTestApp({ titleModel: 'namer' });
    ada = await TestUser.register(t);
  });
  afterAll(() => t.close());

  const list = async (sessionId: string, query = ''): Promise<Node[]> =>
    ((await ada.get(`/chat/sessions/${sessionId}/messages${query}`).expect(200)).body as { data: Node[] }).data;
  const texts = (nodes: Node[]): string[] => nodes.map(({ content }) => content);
  const title = async (sessionId: string): Promise<string | null> =>
    ((await ada.get(`/chat/sessions/${sessionId}`).expect(200)).body as { title: string | null }).title;

  describe('with branches', () => {
    let sessionId: string;
    let first: TurnBody;
    let other: TurnBody;
    let edited: TurnBody;

    beforeAll(async () => {
      t.model.always(null);
      const project = await ada.project();
      first = await ada.turn({ project_id: project.id, message: 'One' });
      sessionId = first.session_id;
      await ada.turn({ session_id: sessionId, message: 'Two' });
      other = (await ada.post(`/chat/messages/${first.assistant_message.id}/regenerate`, {}).expect(200))
        .body as TurnBody;
      edited = await ada.turn({ session_id: sessionId, message: 'Two, edited', parent_id: first.assistant_message.id });
    });

    it('shows the path to the newest message, with the siblings of each', async () => {
      const path = await list(sessionId);
      expect(texts(path)).toEqual(['One', 'You said: One', 'Two, edited', 'You said: Two, edited']);
      expect(path[0]?.sibling_ids).toEqual([first.user_message.id]);
      expect(path[1]?.sibling_ids).toEqual([first.assistant_message.id, other.assistant_message.id]);
      expect(path[2]?.sibling_ids).toHaveLength(2);
      expect(path[2]?.sibling_ids[1]).toBe(edited.user_message.id);
    });

    it('shows the path to any message, and all branches when asked', async () => {
      expect(texts(await list(sessionId, `?leaf_id=${other.assistant_message.id}`))).toEqual(['One', 'You said: One']);
      expect(await list(sessionId, '?view=all')).toHaveLength(7);
    });

    it.each(['asc', 'desc'])('can be paged along the path, %s', async (order) => {
      const whole = texts(await list(sessionId, `?order=${order}`));
      const seen: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const { body } = await ada
          .get(`/chat/sessions/${sessionId}/messages?limit=1&order=${order}${cursor && `&cursor=${cursor}`}`)
          .expect(200);
        const page = body as { data: Node[]; next_cursor: string | null };
        seen.push(...texts(page.data));
        cursor = page.next_cursor;
      }
      expect(seen).toEqual(whole);
    });

    it('refuses a leaf of another session', async () => {
      const { user_message } = await ada.turn({ project_id: (await ada.project()).id });
      expectProblem(await ada.get(`/chat/sessions/${sessionId}/messages?leaf_id=${user_message.id}`), 'not_found');
    });
  });

  describe('without a name', () => {
    const named = (): void =>
      t.model.always((request, answer) => {
        answer.delta(request.model === 'namer' ? '“A trip to Lisbon”\n' : 'Answer');
        answer.finish();
      });

    it('gets a name from its first message at once, and from the title model after its first turn', async () => {
      const project = await ada.project();
      const gate = t.model.hold('Answer');
      const message = 'What should I see in Lisbon when I have only two days and do not like museums at all?';
      const { session_id } = (
        await ada.post('/chat', { project_id: project.id, message, background: true }).expect(202)
      ).body as TurnBody;
      expect(await title(session_id)).toBe('What should I see in Lisbon when I have only two days and…');
      named();
      await gate.reached;
      gate.release();
      await expectSoon(async () => expect(await title(session_id)).toBe('A trip to Lisbon'));
    });

    it('keeps a name that the user gave meanwhile', async () => {
      const project = await ada.project();
      let naming = false;
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      t.model.always(async (request, answer) => {
        if (request.model === 'namer') {
          naming = true;
          await released;
        }
        answer.delta('Text');
        answer.finish();
      });
      const { session_id } = await ada.turn({ project_id: project.id });
      await expectSoon(() => expect(naming).toBe(true));
      await ada.patch(`/chat/sessions/${session_id}`, { title: 'Mine' }).expect(200);
      release();
      await ada.turn({ session_id, message: 'Second' });
      expect(await title(session_id)).toBe('Mine');
    });

    it('keeps the beginning of its first message when the title model fails', async () => {
      t.model.always((request, answer) => {
        if (request.model === 'namer') return answer.refuse(500);
        answer.delta('Answer');
        answer.finish();
      });
      const { session_id } = await ada.turn({ project_id: (await ada.project()).id, message: 'Hello there' });
      expect(await title(session_id)).toBe('Hello there');
    });
  });
});
