import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ServerConfig } from '../config/server.config.js';
import { EventLoop } from './event-loop.js';

const SAMPLE_MS = 500;

/** Nothing else gets a turn for so long. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

it('notices a loop that turns less often than it looks, with any other timers, and when that is over', async () => {
  const loop = new EventLoop({ maxEventLoopDelayMs: 300 } as ServerConfig);
  // A timer that is due earlier makes all JavaScript's timers run before the one that measures.
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
