import createClient from 'openapi-fetch';
import { createParser } from 'eventsource-parser';
import type { components, paths } from 'generated-api';

type TurnEvent = components['schemas']['TurnEvent'];
type Problem = components['schemas']['Problem'];

/** What a program of somebody else looks like that knows Parley by its OpenAPI document alone: it plays the main job. */
export async function playMainJob(baseUrl: string): Promise<string[]> {
  const client = createClient<paths>({ baseUrl });
  const email = `client-${Math.random().toString(36).slice(2)}@example.com`;
  const { data: signedIn, error } = await client.POST('/auth/register', {
    body: { email, password: 'correct horse battery' },
  });
  if (error !== undefined) throw new Error(explain(error));
  if (signedIn === undefined || !('access_token' in signedIn))
    throw new Error('the server asks for a verified address first');
  client.use({
    onRequest: ({ request }) => {
      request.headers.set('authorization', `Bearer ${signedIn.access_token}`);
      return request;
    },
  });

  const { data: project } = await client.POST('/projects', { body: { name: 'Guide', params: { temperature: 0.2 } } });
  if (project === undefined) throw new Error('no project');
  const model: string | null = project.model;

  const ids: string[] = [];
  for (const content of ['You know Lisbon.', 'Answer shortly.']) {
    const { data: prompt } = await client.POST('/projects/{project_id}/prompts', {
      params: { path: { project_id: project.id } },
      body: { content },
    });
    if (prompt !== undefined) ids.unshift(prompt.id);
  }
  const { data: prompts } = await client.PUT('/projects/{project_id}/prompts/order', {
    params: { path: { project_id: project.id } },
    body: { prompt_ids: ids },
  });

  const { data: turn } = await client.POST('/chat', {
    body: { project_id: project.id, message: 'What should I see?' },
  });
  if (turn === undefined) throw new Error('no turn');
  const { session_id, assistant_message } = turn;

  const stream = await client.POST('/chat/stream', {
    body: { session_id, parts: [{ type: 'text', text: 'And then?' }] },
    parseAs: 'stream',
  });
  const told: string[] = [];
  for (const event of await readEvents(stream.data as unknown as ReadableStream<Uint8Array>))
    told.push(describe(event));

  const { data: history } = await client.GET('/chat/sessions/{session_id}/messages', {
    params: { path: { session_id }, query: { order: 'asc', limit: 10 } },
  });

  const { data: rated } = await client.PUT('/chat/messages/{message_id}/feedback', {
    params: { path: { message_id: assistant_message.id } },
    body: { rating: 'up' },
  });
  const { error: missing, response } = await client.GET('/projects/{project_id}', {
    params: { path: { project_id: 'nothing' } },
  });
  return [
    `model: ${model}`,
    `prompts: ${prompts?.data.map(({ content }: { content: string }) => content).join(' ')}`,
    `answer: ${assistant_message.text}`,
    `tokens: ${typeof assistant_message.usage?.output_tokens}`,
    ...told,
    `history: ${history?.data.map(({ role }: { role: string }) => role).join(' ')}, next ${history?.next_cursor}`,
    `rated: ${rated?.feedback?.rating}`,
    `missing: ${response.status} ${missing?.code}`,
  ];
}

async function readEvents(stream: ReadableStream<Uint8Array>): Promise<TurnEvent[]> {
  const events: TurnEvent[] = [];
  const parser = createParser({
    onEvent: ({ data }) => events.push(JSON.parse(data) as TurnEvent),
  });
  const decoder = new TextDecoder();
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(chunk, { stream: true }));
  }
  return events;
}

/** The type of an event says what else it has, to the compiler as well. */
function describe(event: TurnEvent): string {
  switch (event.type) {
    case 'turn.started':
      return `started: ${event.assistant_message.status}`;
    case 'message.delta':
      return `delta: ${event.text}`;
    case 'turn.restarted':
      return `attempt: ${event.attempt}`;
    case 'turn.completed':
    case 'turn.stopped':
      return `${event.assistant_message.status}: ${describeParts(event.assistant_message.parts)}`;
    case 'turn.failed':
      return `failed: ${explain(event.problem)}`;
  }
}

function describeParts(parts: components['schemas']['ContentPart'][]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : (part.url ?? 'an image'))).join('');
}

/** Branches on the code. A server may send one that this program does not know. */
function explain({ code, title, errors = [] }: Problem): string {
  const known: components['schemas']['ErrorCode'] = code;
  return `${known}: ${title} ${errors.map(({ pointer }) => pointer).join(' ')}`;
}
