import { createParser } from 'eventsource-parser';
import type { Response, Test } from 'supertest';

export interface ReceivedEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: Record<string, unknown>;
}

/** Splits the text of a stream into its events. */
export function parseEvents(text: string): ReceivedEvent[] {
  const events: ReceivedEvent[] = [];
  createParser({
    onEvent: ({ id, event, data }) => events.push({ id, event, data: JSON.parse(data) as Record<string, unknown> }),
  }).feed(text);
  return events;
}

/** Reads a stream to its end. */
export async function readEvents(test: Test): Promise<ReceivedEvent[]> {
  const response = await test.buffer(true).parse((res, done) => {
    let text = '';
    res.setEncoding('utf8');
    res.on('data', (chunk: string) => (text += chunk));
    res.on('end', () => done(null, text));
  });
  expect(response.status).toBe(200);
  expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  return parseEvents((response as Response & { body: string }).body);
}

/** The concatenated text of the deltas. */
export function textOf(events: readonly ReceivedEvent[]): string {
  return events
    .filter(({ event }) => event === 'message.delta')
    .map(({ data }) => data.text as string)
    .join('');
}
