import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ServerConfig } from '../config/server.config.js';
import { EventLoop } from './event-loop.js';

const SAMPLE_MS = 500;

/** Blocks the event loop for the given time. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

it('detects a loop that is slower than the sampling, whatever other timers exist, and its recovery', async () => {
  const loop = new EventLoop({ maxEventLoopDelayMs: 300 } as ServerConfig);
  // An earlier timer makes all JavaScript timers run before the one that measures.
  const other = setInterval(() => undefined, 1);
  await sleep(50);
  for (let turns = 0; turns < 5 && !loop.isLate; turns++) {
    block(SAMPLE_MS + 100);
    await nextTurn();
  }
  expect(loop.isLate).toBe(true);
  await sleep(2.5 * SAMPLE_MS);
  expect(loop.isLate).toBe(false);
  clearInterval(other);
  loop.onApplicationShutdown();
});
