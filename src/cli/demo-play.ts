import { randomBytes } from 'node:crypto';
import type { MessageResponse } from '../modules/chat/public/message.dto.js';
import type {
  MessageDeltaEvent,
  TurnCompletedEvent,
  TurnFailedEvent,
  TurnStartedEvent,
} from '../modules/chat/public/turn-event.dto.js';
import type { DemoClient } from './demo-client.js';
import type { Paper } from './paper.js';

const PROMPTS = [
  { name: 'Role', content: 'You are a friendly guide to Lisbon.' },
  { name: 'Style', content: 'Answer in at most three short sentences.' },
];
const QUESTIONS = [
  'My name is Ada. It may rain tomorrow: what should I see in Lisbon?',
  'What is my name, and what did I ask you before?',
] as const;

export interface PlayOptions {
  readonly keep: boolean;
  readonly isOwnServer: boolean;
}

/** Plays the demo step by step. It deletes the account at the end, also after a failure, unless `keep` is set. */
export async function playDemo(client: DemoClient, paper: Paper, { keep, isOwnServer }: PlayOptions): Promise<void> {
  paper.title('A first chat with Parley');
  paper.aside(`at ${client.url}`);
  const account = await register(client, paper);
  try {
    const projectId = await makeProject(client, paper);
    await addPrompts(client, paper, projectId);
    paper.heading('Send a message; the answer is streamed word by word');
    const sessionId = await turn(client, paper, { project_id: projectId, message: QUESTIONS[0], stream: true });
    paper.heading('Send another message in the same session; the model sees the first turn');
    await turn(client, paper, { session_id: sessionId, message: QUESTIONS[1], stream: true });
    await showHistory(client, paper, sessionId);
  } catch (error) {
    if (!keep) await client.deleteAccount(account.password).catch(() => undefined);
    throw error;
  }
  if (keep) {
    paper.heading('The account is kept');
    paper.result(`sign in with ${account.email} and the password ${account.password}`);
  } else {
    paper.heading('Delete the account with all its data');
    paper.request('DELETE', '/users/me');
    await client.deleteAccount(account.password);
    paper.result('204: everything is deleted');
  }
  paper.blank();
  paper.aside(isOwnServer ? 'Next: npm start, then open http://localhost:8000/docs' : `Next: open ${client.url}/docs`);
  paper.blank();
}

async function register(client: DemoClient, paper: Paper): Promise<{ email: string; password: string }> {
  paper.heading('Create an account');
  const email = `demo-${randomBytes(4).toString('hex')}@example.com`;
  const password = randomBytes(12).toString('base64url');
  paper.request('POST', '/auth/register', { email, password: '…', display_name: 'Ada' });
  const signedIn = await client.request<{ access_token: string; expires_in: number }>('POST', '/auth/register', {
    email,
    password,
    display_name: 'Ada',
  });
  client.accessToken = signedIn.access_token;
  paper.result(`signed in; the access token is valid for ${Math.round(signedIn.expires_in / 60)} minutes`);
  return { email, password };
}

async function makeProject(client: DemoClient, paper: Paper): Promise<string> {
  paper.heading('Create a project');
  const body = { name: 'Lisbon guide' };
  paper.request('POST', '/projects', body);
  const { id } = await client.request<{ id: string }>('POST', '/projects', body);
  paper.result(`project ${id}`);
  return id;
}

async function addPrompts(client: DemoClient, paper: Paper, projectId: string): Promise<void> {
  paper.heading('Add two system prompts; the model reads them first, in this order');
  for (const body of PROMPTS) {
    paper.request('POST', `/projects/${projectId}/prompts`, body);
    const { position } = await client.request<{ position: number }>('POST', `/projects/${projectId}/prompts`, body);
    paper.result(`prompt at position ${position}`);
  }
}

/** Prints a turn while it is written, and resolves with the id of its session. Throws when the turn does not complete. */
async function turn(client: DemoClient, paper: Paper, body: object): Promise<string> {
  paper.request('POST', '/chat', body);
  const begun = performance.now();
  const since = (): number => performance.now() - begun;
  const writer = paper.answer();
  let sessionId = '';
  let firstWordMs: number | undefined;
  for await (const { event, data } of client.stream('/chat', body)) {
    if (event === 'turn.started') sessionId = (data as TurnStartedEvent).session_id;
    if (event === 'message.delta') {
      firstWordMs ??= since();
      writer.write((data as MessageDeltaEvent).text);
    }
    if (event === 'turn.failed') {
      const { problem } = data as TurnFailedEvent;
      throw new Error(`the turn failed with ${problem.code}: ${problem.detail ?? problem.title}`);
    }
    if (event === 'turn.completed') {
      writer.end();
      const { assistant_message: answer } = data as TurnCompletedEvent;
      paper.result(
        `${described(answer)}; first word after ${ms(firstWordMs ?? since())}, the last after ${ms(since())}`,
      );
      return sessionId;
    }
  }
  throw new Error('the stream ended before the turn completed');
}

async function showHistory(client: DemoClient, paper: Paper, sessionId: string): Promise<void> {
  paper.heading('Read the stored conversation');
  const path = `/chat/sessions/${sessionId}/messages`;
  paper.request('GET', path);
  const { data } = await client.request<{ data: MessageResponse[] }>('GET', path);
  paper.result(`${data.length} messages, oldest first`);
  for (const message of data) {
    paper.aside(`  ${message.role === 'user' ? 'user' : `assistant, ${described(message)}`}`);
    paper.quote(excerpt(message.text));
  }
}

/** A short excerpt is enough: the reader has just seen the whole text. */
function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= 200 ? line : `${line.slice(0, line.lastIndexOf(' ', 200))} …`;
}

function described({ provider, model, status, usage }: MessageResponse): string {
  const name = model === provider || model === null ? provider : `${provider}, ${model}`;
  const tokens = usage === null ? '' : `, ${usage.input_tokens} tokens in, ${usage.output_tokens} out`;
  return `${status} (${name}${tokens})`;
}

function ms(duration: number): string {
  return duration < 1000 ? `${Math.round(duration)} ms` : `${(duration / 1000).toFixed(1)} s`;
}
