import type { Test } from 'supertest';
import { parseEvents, type ReceivedEvent, textOf } from './read-events.js';

/** A stream that a test reads while it arrives. */
export interface Watched {
  /** The events so far. */
  events(): ReceivedEvent[];
  /** The text so far. */
  text(): string;
  /** All events, once the stream has ended. */
  readonly whole: Promise<ReceivedEvent[]>;
}

/** Starts to read a stream. */
export function watchEvents(test: Test): Watched {
  let raw = '';
  // Only complete events count: the last one may still be arriving.
  const events = (): ReceivedEvent[] => parseEvents(raw.slice(0, raw.lastIndexOf('\n\n') + 2));
  const whole = test
    .buffer(true)
    .parse((res, done) => {
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => (raw += chunk));
      res.on('end', () => done(null, raw));
    })
    .then(({ status }) => {
      expect(status).toBe(200);
      return events();
    });
  return { events, text: () => textOf(events()), whole };
}
