import { prefersEvents } from './accept.js';

describe('a client', () => {
  it.each([
    'text/event-stream',
    'TEXT/Event-Stream; charset=utf-8',
    'text/event-stream;q=0.5',
    'text/event-stream, */*;q=0.1',
    'text/event-stream;q=0.9, application/json;q=0.8',
    'application/json;q=0, text/event-stream;q=0.001',
    'text/*',
    'text/event-stream, application/json;q=0',
    'text/event-stream, application/json;q=many',
  ])('that sends Accept: %s prefers events', (accept) => {
    expect(prefersEvents(accept)).toBe(true);
  });

  it.each([
    undefined,
    '',
    '*/*',
    'application/json',
    'application/json, text/event-stream',
    'text/event-stream, application/json',
    'text/event-stream, */*',
    'application/json, text/event-stream;q=0.9',
    'text/event-stream;q=0',
    'text/event-stream;q=0, */*;q=0',
    'text/*;q=1, text/event-stream;q=0',
    'text/event-streams',
    'text/event-stream;q=many',
    'image/png',
  ])('that sends Accept: %s gets JSON', (accept) => {
    expect(prefersEvents(accept)).toBe(false);
  });
});
