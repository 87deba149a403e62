import { createParser } from 'eventsource-parser';

/** The `data` of every server-sent event of a body, for libraries that hand over the body as it is. */
export async function readEvents<Event>(body: AsyncIterable<Uint8Array | string>): Promise<Event[]> {
  const events: Event[] = [];
  const parser = createParser({ onEvent: ({ data }) => events.push(JSON.parse(data) as Event) });
  const decoder = new TextDecoder();
  for await (const chunk of body)
    parser.feed(typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }));
  return events;
}
