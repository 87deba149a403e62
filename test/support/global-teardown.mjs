import { once } from 'node:events';
import { rmSync } from 'node:fs';

/** After all tests: the server that the setup has started is stopped, and the directory of the tests removed. */
export default async function teardown() {
  const { server, dir, janitor } = globalThis.__PARLEY_TEST__;
  await server?.stop();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  if (janitor === undefined) return;
  // Nothing else may be left to wait for, and Jest would end here, with code 0, before it has told its result.
  janitor.ref();
  const gone = once(janitor, 'exit');
  janitor.kill('SIGKILL');
  await gone;
}
