import { readEvents } from './events';
import { AuthApi, ChatApi, Configuration, ProblemFromJSON, ProjectsApi, PromptsApi, ResponseError } from './generated';
import type { Problem, TurnEvent } from './generated';
import { EMAIL, FUTURE, NOWHERE, PASSWORD, play, SERVER, tell, unexpected } from './tell';

async function job(): Promise<void> {
  const anyone = new Configuration({ basePath: SERVER });
  const signedIn = await new AuthApi(anyone).register({ registerRequest: { email: EMAIL, password: PASSWORD } });
  if (!('accessToken' in signedIn)) return unexpected('register', signedIn);
  const { accessToken } = signedIn;
  const configuration = new Configuration({ basePath: SERVER, accessToken });
  const projects = new ProjectsApi(configuration);
  const chat = new ChatApi(configuration);
  tell('register', { email: signedIn.user.email });

  const project = await projects.createProject({
    createProjectRequest: { name: 'Guide', onConflict: 'queue', onCrash: 'keep', params: { temperature: 0.2 } },
  });
  tell('project', { name: project.name, on_conflict: project.onConflict, temperature: project.params.temperature });

  const prompt = await new PromptsApi(configuration).createProjectPrompt({
    projectId: project.id,
    createProjectPromptRequest: { content: 'You know Lisbon.' },
  });
  tell('prompt', { content: prompt.content, position: prompt.position });

  const turn = await chat.sendMessage({
    sendMessageRequest: { projectId: project.id, message: 'What should I see?' },
  });
  const { sessionId, assistantMessage: answer } = turn;
  const [part] = answer.parts;
  tell('turn', { text: answer.text, status: answer.status, part: part?.type === 'text' ? part.text : null });

  const { raw } = await chat.streamMessageRaw({
    streamMessageRequest: { sessionId, parts: [{ type: 'text', text: 'And then?' }] },
  });
  if (raw.body === null) return unexpected('stream', raw.status);
  const events = await readEvents<TurnEvent>(raw.body);
  const deltas = events.map((event) => (event.type === 'message.delta' ? event.text : ''));
  tell('stream', { first: events[0]?.type, last: events.at(-1)?.type, text: deltas.join('') });

  const seen: string[] = [];
  let pages = 0;
  let cursor: string | undefined;
  do {
    const page = await chat.listMessages({ sessionId, limit: 3, cursor });
    pages += 1;
    seen.push(...page.data.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  tell('pages', { pages, messages: new Set(seen).size });

  const invalid = await problemOf(chat.sendMessage({ sendMessageRequest: { message: 'Where?' } }));
  tell('invalid', { status: invalid.status, code: invalid.code, pointer: invalid.errors?.[0]?.pointer });

  const missing = await problemOf(projects.getProject({ projectId: NOWHERE }));
  tell('missing', { status: missing.status, code: missing.code });

  const renamed = await projects.updateProject({
    projectId: project.id,
    updateProjectRequest: { name: 'Guide to Lisbon' },
  });
  tell('patch', { name: renamed.name, on_conflict: renamed.onConflict });

  const future = new Configuration({ basePath: FUTURE, accessToken });
  const later = await new ChatApi(future).getMessage({ messageId: answer.id });
  const { code } = await problemOf(new ProjectsApi(future).getProject({ projectId: NOWHERE }));
  tell('future', { status: later.status, finish_reason: later.finishReason, text: later.text, code });
}

async function problemOf(answer: Promise<unknown>): Promise<Problem> {
  try {
    return unexpected('an error was expected', await answer);
  } catch (error) {
    if (error instanceof ResponseError) return ProblemFromJSON(await error.response.json());
    throw error;
  }
}

play(job);
