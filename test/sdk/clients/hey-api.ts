import { client } from './generated/client.gen';
import {
  createProject,
  createProjectPrompt,
  getMessage,
  getProject,
  listMessages,
  register,
  sendMessage,
  streamMessage,
  updateProject,
} from './generated';
import type { TurnEvent } from './generated';
import { EMAIL, FUTURE, NOWHERE, PASSWORD, play, SERVER, tell, unexpected } from './tell';

async function job(): Promise<void> {
  client.setConfig({ baseUrl: SERVER });
  const { data: signedIn } = await register({ body: { email: EMAIL, password: PASSWORD }, throwOnError: true });
  if (!('access_token' in signedIn)) return unexpected('register', signedIn);
  client.setConfig({ auth: signedIn.access_token });
  tell('register', { email: signedIn.user.email });

  const { data: project } = await createProject({
    body: { name: 'Guide', on_conflict: 'queue', on_crash: 'keep', params: { temperature: 0.2 } },
    throwOnError: true,
  });
  tell('project', { name: project.name, on_conflict: project.on_conflict, temperature: project.params.temperature });

  const { data: prompt } = await createProjectPrompt({
    path: { project_id: project.id },
    body: { content: 'You know Lisbon.' },
    throwOnError: true,
  });
  tell('prompt', { content: prompt.content, position: prompt.position });

  const { data: turn } = await sendMessage({
    body: { project_id: project.id, message: 'What should I see?' },
    throwOnError: true,
  });
  const { session_id, assistant_message: answer } = turn;
  const [part] = answer.parts;
  tell('turn', { text: answer.text, status: answer.status, part: part?.type === 'text' ? part.text : null });

  const { stream } = await streamMessage({ body: { session_id, parts: [{ type: 'text', text: 'And then?' }] } });
  const events: TurnEvent[] = [];
  for await (const event of stream) events.push(event);
  const deltas = events.map((event) => (event.type === 'message.delta' ? event.text : ''));
  tell('stream', { first: events[0]?.type, last: events.at(-1)?.type, text: deltas.join('') });

  const seen: string[] = [];
  let pages = 0;
  let cursor: string | null | undefined;
  do {
    const { data: page } = await listMessages({
      path: { session_id },
      query: cursor == null ? { limit: 3 } : { limit: 3, cursor },
      throwOnError: true,
    });
    pages += 1;
    seen.push(...page.data.map(({ id }) => id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  tell('pages', { pages, messages: new Set(seen).size });

  const { error: invalid } = await sendMessage({ body: { message: 'Where?' } });
  tell('invalid', { status: invalid?.status, code: invalid?.code, pointer: invalid?.errors?.[0]?.pointer });

  const { error: missing } = await getProject({ path: { project_id: NOWHERE } });
  tell('missing', { status: missing?.status, code: missing?.code });

  const { data: renamed } = await updateProject({
    path: { project_id: project.id },
    body: { name: 'Guide to Lisbon' },
    throwOnError: true,
  });
  tell('patch', { name: renamed.name, on_conflict: renamed.on_conflict });

  client.setConfig({ baseUrl: FUTURE });
  const { data: later } = await getMessage({ path: { message_id: answer.id }, throwOnError: true });
  const { error: problem } = await getProject({ path: { project_id: NOWHERE } });
  tell('future', { status: later.status, finish_reason: later.finish_reason, text: later.text, code: problem?.code });
}

play(job);
