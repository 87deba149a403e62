import { isAxiosError } from 'axios';
import { readEvents } from './events';
import { AuthApi, ChatApi, Configuration, ProjectsApi, PromptsApi } from './generated';
import type { Problem, TurnEvent } from './generated';
import { EMAIL, FUTURE, NOWHERE, PASSWORD, play, SERVER, tell, unexpected } from './tell';

async function job(): Promise<void> {
  const anyone = new Configuration({ basePath: SERVER });
  const { data: signedIn } = await new AuthApi(anyone).register({ email: EMAIL, password: PASSWORD });
  if (!('access_token' in signedIn)) return unexpected('register', signedIn);
  const accessToken = signedIn.access_token;
  const configuration = new Configuration({ basePath: SERVER, accessToken });
  const projects = new ProjectsApi(configuration);
  const chat = new ChatApi(configuration);
  tell('register', { email: signedIn.user.email });

  const { data: project } = await projects.createProject({
    name: 'Guide',
    on_conflict: 'queue',
    on_crash: 'keep',
    params: { temperature: 0.2 },
  });
  tell('project', { name: project.name, on_conflict: project.on_conflict, temperature: project.params.temperature });

  const { data: prompt } = await new PromptsApi(configuration).createProjectPrompt(project.id, {
    content: 'You know Lisbon.',
  });
  tell('prompt', { content: prompt.content, position: prompt.position });

  const { data: turn } = await chat.sendMessage({ project_id: project.id, message: 'What should I see?' });
  const { session_id, assistant_message: answer } = turn;
  const [part] = answer.parts;
  tell('turn', { text: answer.text, status: answer.status, part: part?.type === 'text' ? part.text : null });

  const request = { session_id, parts: [{ type: 'text' as const, text: 'And then?' }] };
  const streamed = await chat.streamMessage(request, undefined, { responseType: 'stream' });
  // axios hands over the stream where the generated type has its first event.
  const events = await readEvents<TurnEvent>(streamed.data as unknown as AsyncIterable<Uint8Array>);
  const deltas = events.map((event) => (event.type === 'message.delta' ? event.text : ''));
  tell('stream', { first: events[0]?.type, last: events.at(-1)?.type, text: deltas.join('') });

  const seen: string[] = [];
  let pages = 0;
  let cursor: string | undefined;
  do {
    const { data: page } = await chat.listMessages(session_id, 3, cursor);
    pages += 1;
    seen.push(...page.data.map(({ id }) => id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  tell('pages', { pages, messages: new Set(seen).size });

  const invalid = await problemOf(chat.sendMessage({ message: 'Where?' }));
  tell('invalid', { status: invalid.status, code: invalid.code, pointer: invalid.errors?.[0]?.pointer });

  const missing = await problemOf(projects.getProject(NOWHERE));
  tell('missing', { status: missing.status, code: missing.code });

  const { data: renamed } = await projects.updateProject(project.id, { name: 'Guide to Lisbon' });
  tell('patch', { name: renamed.name, on_conflict: renamed.on_conflict });

  const future = new Configuration({ basePath: FUTURE, accessToken });
  const { data: later } = await new ChatApi(future).getMessage(answer.id);
  const { code } = await problemOf(new ProjectsApi(future).getProject(NOWHERE));
  tell('future', { status: later.status, finish_reason: later.finish_reason, text: later.text, code });
}

async function problemOf(answer: Promise<unknown>): Promise<Problem> {
  try {
    return unexpected('an error was expected', await answer);
  } catch (error) {
    if (isAxiosError<Problem>(error) && error.response !== undefined) return error.response.data;
    throw error;
  }
}

play(job);
