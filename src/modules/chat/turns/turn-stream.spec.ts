import type { SseEvent, SseStream } from '../../../platform/http/sse.js';
import { LiveTurn } from '../following/live-turn.js';
import type { Message } from '../message.entity.js';
import { parseEventId, streamTurn } from './turn-stream.js';

const at = new Date(0);
const message = (fields: Partial<Message>): Message =>
  ({
    id: 'answer',
    sessionId: 's',
    role: 'assistant',
    content: '',
    status: 'pending',
    attempt: 1,
    createdAt: at,
    completedAt: null,
    errorCode: null,
    context: null,
    feedbackRating: null,
    parts: null,
    inputTokens: null,
    outputTokens: null,
    ...fields,
  }) as Message;
const turnOf = (attempt: number): LiveTurn =>
  new LiveTurn({ question: message({ id: 'question', role: 'user' }), answer: message({}), attempt });

/** A client that reads everything, or nothing until `drain`. */
class Client {
  readonly events: string[] = [];
  isEnded = false;
  isSlow = false;
  drain = (): void => undefined;

  readonly sse = {
    write: ({ id, event, data }: SseEvent): boolean => {
      this.events.push(`${id} ${event} ${(data as { text?: string }).text ?? ''}`.trim());
      return !this.isSlow;
    },
    onDrain: (resume: () => void) => void (this.drain = resume),
    end: () => void (this.isEnded = true),
  } as unknown as SseStream;
}

describe('the stream of a turn', () => {
  it('numbers events by the position in the text after them', () => {
    const [turn, client] = [turnOf(1), new Client()];
    streamTurn(turn, client.sse, null);
    turn.append('Hello');
    turn.append(' you');
    turn.end(message({ content: 'Hello you', status: 'completed', completedAt: at }));
    expect(client.events).toEqual([
      '1.0 turn.started',
      '1.5 message.delta Hello',
      '1.9 message.delta  you',
      '1.end turn.completed',
    ]);
    expect(client.isEnded).toBe(true);
  });

  it('holds only an offset for a slow client, not a queue', () => {
    const [turn, client] = [turnOf(1), new Client()];
    streamTurn(turn, client.sse, { attempt: 1, offset: 0 });
    client.isSlow = true;
    for (const text of ['a', 'b', 'c', 'd']) turn.append(text);
    expect(client.events).toEqual(['1.1 message.delta a']);
    client.isSlow = false;
    client.drain();
    expect(client.events.slice(1)).toEqual(['1.4 message.delta bcd']);
  });

  it('sends a long answer piece by piece, each when the last was read, and then its end', () => {
    const text = 'word '.repeat(10_000);
    const turn = LiveTurn.past(message({ role: 'user' }), message({ content: text, status: 'completed' }));
    const client = new Client();
    client.isSlow = true;
    streamTurn(turn, client.sse, null);
    expect(client.events).toEqual(['1.0 turn.started']);
    for (let events = 2; events <= 5; events++) {
      client.drain();
      expect(client.events).toHaveLength(events);
    }
    expect(client.isEnded).toBe(false);
    client.drain();
    const ids = client.events.map((event) => event.split(' ')[0]);
    expect(ids).toEqual(['1.0', '1.16384', '1.32768', '1.49152', '1.50000', '1.end']);
    expect(client.isEnded).toBe(true);
  });

  it('sends no text of an answer before its deltas', () => {
    const started: unknown[] = [];
    const sse = { write: ({ data }: SseEvent) => started.push(data) > 0, end: () => undefined } as unknown as SseStream;
    streamTurn(LiveTurn.past(message({}), message({ content: 'Hello', status: 'completed' })), sse, null);
    expect(started[0]).toMatchObject({ assistant_message: { content: '' } });
    expect(started[1]).toMatchObject({ text: 'Hello' });
  });

  it('starts again when another attempt begins, and continues with it', () => {
    const [turn, client] = [turnOf(1), new Client()];
    streamTurn(turn, client.sse, null);
    turn.append('Lost');
    turn.restart(2);
    turn.append('New');
    expect(client.events.slice(2)).toEqual(['2.0 turn.restarted', '2.3 message.delta New']);
  });

  it('never returns to an attempt that the client has seen replaced', () => {
    const [turn, client] = [turnOf(1), new Client()];
    turn.append('Of the lost attempt');
    streamTurn(turn, client.sse, { attempt: 2, offset: 3 });
    turn.append(', still');
    expect(client.events).toEqual([]);
    turn.restart(2);
    turn.append('New text');
    expect(client.events).toEqual(['2.8 message.delta  text']);
  });

  it('ends without a terminal event when the turn continues on another instance', () => {
    const [turn, client] = [turnOf(1), new Client()];
    streamTurn(turn, client.sse, { attempt: 2, offset: 3 });
    turn.end(null);
    expect([client.events, client.isEnded]).toEqual([[], true]);
  });

  it.each([
    ['1.0', { attempt: 1, offset: 0 }],
    ['2.17', { attempt: 2, offset: 17 }],
    ['3.end', 'end'],
    ['', null],
    ['1', null],
    ['1.-1', null],
    ['x.1', null],
    ['1.99999999999', null],
  ])('reads the event id %j', (id, place) => {
    expect(parseEventId(id)).toEqual(place);
  });
});
