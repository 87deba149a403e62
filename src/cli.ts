import { nodeVersionProblem } from './node-version.js';

const problem = nodeVersionProblem(process.versions.node);
if (problem === undefined) {
  (await import('./stack-traces.js')).mapStackTraces();
  // When the reader of the output ends first (`… | head`), the command must still clean up its database.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  // Imported late, as in main.ts: an old Node.js cannot load it.
  const { runCommand } = await import('./cli/commands.js');
  process.exitCode = await runCommand(process.argv.slice(2), process.env);
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
