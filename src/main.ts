import { nodeVersionProblem } from './node-version.js';

const problem = nodeVersionProblem(process.versions.node);
if (problem === undefined) {
  (await import('./stack-traces.js')).mapStackTraces();
  // Imported late: an old Node.js cannot load it, and must first report its version.
  const { Lifecycle } = await import('./lifecycle.js');
  await new Lifecycle(process.env).start();
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
