import { once } from 'node:events';
import { rmSync } from 'node:fs';

/** Runs after all tests: stops the server that the setup started, and removes the directory of the tests. */
export default async function teardown() {
  const { server, dir, janitor } = globalThis.__PARLEY_TEST__;
  await server?.stop();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  if (janitor === undefined) return;
  // Without `ref`, the event loop could be empty here, and Jest would end with code 0 before it reports its result.
  janitor.ref();
  const gone = once(janitor, 'exit');
  janitor.kill('SIGKILL');
  await gone;
}
