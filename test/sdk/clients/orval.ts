import { readEvents } from './events';
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
} from './generated/parley';
import type { TurnEvent } from './generated/parley.schemas';
import { setServer } from './orval-fetch';
import { EMAIL, FUTURE, NOWHERE, PASSWORD, play, SERVER, tell, unexpected } from './tell';

async function job(): Promise<void> {
  setServer(SERVER);
  const registered = await register({ email: EMAIL, password: PASSWORD });
  if (registered.status !== 201) return unexpected('register', registered);
  setServer(SERVER, registered.data.access_token);
  tell('register', { email: registered.data.user.email });

  const created = await createProject({
    name: 'Guide',
    on_conflict: 'queue',
    on_crash: 'keep',
    params: { temperature: 0.2 },
  });
  if (created.status !== 201) return unexpected('project', created);
  const project = created.data;
  tell('project', { name: project.name, on_conflict: project.on_conflict, temperature: project.params.temperature });

  const prompt = await createProjectPrompt(project.id, { content: 'You know Lisbon.' });
  if (prompt.status !== 201) return unexpected('prompt', prompt);
  tell('prompt', { content: prompt.data.content, position: prompt.data.position });

  const turn = await sendMessage({ project_id: project.id, message: 'What should I see?' });
  if (turn.status !== 200) return unexpected('turn', turn);
  const { session_id, assistant_message: answer } = turn.data;
  const [part] = answer.parts;
  tell('turn', { text: answer.text, status: answer.status, part: part?.type === 'text' ? part.text : null });

  const streamed = await streamMessage({ session_id, parts: [{ type: 'text', text: 'And then?' }] });
  if (streamed.status !== 200) return unexpected('stream', streamed);
  // orval takes the schema for the whole body; the function that it calls hands over the stream.
  const events = await readEvents<TurnEvent>(streamed.data as unknown as ReadableStream<Uint8Array>);
  const deltas = events.map((event) => (event.type === 'message.delta' ? event.text : ''));
  tell('stream', { first: events[0]?.type, last: events.at(-1)?.type, text: deltas.join('') });

  const seen: string[] = [];
  let pages = 0;
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listMessages>> = await listMessages(session_id, {
      limit: 3,
      ...(cursor !== null && { cursor }),
    });
    if (page.status !== 200) return unexpected('pages', page);
    pages += 1;
    seen.push(...page.data.data.map(({ id }) => id));
    cursor = page.data.next_cursor;
  } while (cursor !== null);
  tell('pages', { pages, messages: new Set(seen).size });

  const invalid = await sendMessage({ message: 'Where?' });
  if (invalid.status !== 422) return unexpected('invalid', invalid);
  tell('invalid', { status: invalid.data.status, code: invalid.data.code, pointer: invalid.data.errors?.[0]?.pointer });

  const missing = await getProject(NOWHERE);
  if (missing.status !== 404) return unexpected('missing', missing);
  tell('missing', { status: missing.data.status, code: missing.data.code });

  const renamed = await updateProject(project.id, { name: 'Guide to Lisbon' });
  if (renamed.status !== 200) return unexpected('patch', renamed);
  tell('patch', { name: renamed.data.name, on_conflict: renamed.data.on_conflict });

  setServer(FUTURE);
  const later = await getMessage(answer.id);
  const problem = await getProject(NOWHERE);
  if (later.status !== 200 || problem.status !== 404) return unexpected('future', { later, problem });
  const { status, finish_reason, text } = later.data;
  tell('future', { status, finish_reason, text, code: problem.data.code });
}

play(job);
