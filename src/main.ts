import { nodeVersionProblem } from './node-version.js';

const problem = nodeVersionProblem(process.versions.node);
if (problem === undefined) {
  (await import('./stack-traces.js')).mapStackTraces();
  // Imported late: what an old Node.js can not even load must not be loaded before that is said.
  const { Lifecycle } = await import('./lifecycle.js');
  await new Lifecycle(process.env).start();
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
