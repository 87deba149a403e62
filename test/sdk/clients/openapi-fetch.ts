import createClient from 'openapi-fetch';
import { readEvents } from './events';
import type { components, paths } from './generated';
import { EMAIL, FUTURE, NOWHERE, PASSWORD, play, SERVER, tell, unexpected } from './tell';

type TurnEvent = components['schemas']['TurnEvent'];

async function job(): Promise<void> {
  const headers: Record<string, string> = {};
  const client = createClient<paths>({ baseUrl: SERVER, headers });
  const registered = await client.POST('/auth/register', { body: { email: EMAIL, password: PASSWORD } });
  if (registered.data === undefined || !('access_token' in registered.data)) {
    return unexpected('register', registered.error);
  }
  const authorization = `Bearer ${registered.data.access_token}`;
  client.use({
    onRequest: ({ request }) => {
      request.headers.set('authorization', authorization);
      return request;
    },
  });
  tell('register', { email: registered.data.user.email });

  const { data: project, error } = await client.POST('/projects', {
    body: { name: 'Guide', on_conflict: 'queue', on_crash: 'keep', params: { temperature: 0.2 } },
  });
  if (project === undefined) return unexpected('project', error);
  tell('project', { name: project.name, on_conflict: project.on_conflict, temperature: project.params.temperature });
  const at = { path: { project_id: project.id } };

  const { data: prompt } = await client.POST('/projects/{project_id}/prompts', {
    params: at,
    body: { content: 'You know Lisbon.' },
  });
  tell('prompt', { content: prompt?.content, position: prompt?.position });

  const sent = await client.POST('/chat', { body: { project_id: project.id, message: 'What should I see?' } });
  if (sent.data === undefined) return unexpected('turn', sent.error);
  const { session_id, assistant_message: answer } = sent.data;
  const [part] = answer.parts;
  tell('turn', { text: answer.text, status: answer.status, part: part?.type === 'text' ? part.text : null });

  const streamed = await client.POST('/chat/stream', {
    body: { session_id, parts: [{ type: 'text', text: 'And then?' }] },
    parseAs: 'stream',
  });
  if (streamed.response.body === null) return unexpected('stream', streamed.response.status);
  const events = await readEvents<TurnEvent>(streamed.response.body);
  const deltas = events.map((event) => (event.type === 'message.delta' ? event.text : ''));
  tell('stream', { first: events[0]?.type, last: events.at(-1)?.type, text: deltas.join('') });

  const seen: string[] = [];
  let pages = 0;
  let cursor: string | null = null;
  do {
    const listed: { data?: components['schemas']['MessagePage'] } = await client.GET(
      '/chat/sessions/{session_id}/messages',
      { params: { path: { session_id }, query: cursor === null ? { limit: 3 } : { limit: 3, cursor } } },
    );
    if (listed.data === undefined) return unexpected('pages', listed);
    pages += 1;
    seen.push(...listed.data.data.map(({ id }) => id));
    cursor = listed.data.next_cursor;
  } while (cursor !== null);
  tell('pages', { pages, messages: new Set(seen).size });

  const { error: invalid } = await client.POST('/chat', { body: { message: 'Where?' } });
  tell('invalid', { status: invalid?.status, code: invalid?.code, pointer: invalid?.errors?.[0]?.pointer });

  const nowhere = { params: { path: { project_id: NOWHERE } } };
  const { error: missing } = await client.GET('/projects/{project_id}', nowhere);
  tell('missing', { status: missing?.status, code: missing?.code });

  const { data: renamed } = await client.PATCH('/projects/{project_id}', {
    params: at,
    body: { name: 'Guide to Lisbon' },
  });
  tell('patch', { name: renamed?.name, on_conflict: renamed?.on_conflict });

  const future = createClient<paths>({ baseUrl: FUTURE, headers: { authorization } });
  const { data: later } = await future.GET('/chat/messages/{message_id}', {
    params: { path: { message_id: answer.id } },
  });
  const { error: problem } = await future.GET('/projects/{project_id}', nowhere);
  tell('future', {
    status: later?.status,
    finish_reason: later?.finish_reason,
    text: later?.text,
    code: problem?.code,
  });
}

play(job);
