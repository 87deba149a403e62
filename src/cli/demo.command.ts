import { loadConfig } from '../app-config.js';
import { type Environment, Interrupted, UsageError } from './command.js';
import { DemoClient } from './demo-client.js';
import { playDemo } from './demo-play.js';
import { type OwnServer, startOwnServer } from './own-server.js';
import { Paper } from './paper.js';

export interface DemoOptions {
  /** Address of a running server; without it, the local server of the configuration, or else a temporary one. */
  readonly url: string | undefined;
  /** Keep the account with its data, so that a person can look around. */
  readonly keep: boolean;
}

/** Plays a first chat and prints it. When anything fails, it cleans up and throws an error of one line. */
export async function demoCommand({ url, keep }: DemoOptions, env: Environment): Promise<void> {
  const paper = new Paper(process.stdout, env);
  const interrupt = new AbortController();
  // Not `once`: under npm one Ctrl-C arrives twice, and the second must not end the process before it has cleaned up.
  const onSignal = (): void => interrupt.abort(new Interrupted());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  let own: OwnServer | undefined;
  try {
    const target = url === undefined ? await serverAtHome(paper, env) : await namedServer(url);
    if (typeof target !== 'string') own = target;
    interrupt.signal.throwIfAborted();
    const address = typeof target === 'string' ? target : target.url;
    await playDemo(new DemoClient(address, interrupt.signal), paper, { keep, isOwnServer: own !== undefined });
  } catch (error) {
    paper.stop();
    throw interrupt.signal.aborted ? new Interrupted() : error;
  } finally {
    await own?.stop();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
  }
}

async function namedServer(given: string): Promise<string> {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`--url: "${given}" is not an address like http://localhost:8000`);
  }
  const address = url.href.replace(/\/$/, '');
  const problem = await DemoClient.probe(address);
  if (problem !== null) throw new Error(`${problem}. Start the server with \`npm start\`, or omit --url.`);
  return address;
}

/** The local server, if one runs, or else a temporary one. Both see the same data, because they share the embedded database. */
async function serverAtHome(paper: Paper, env: Environment): Promise<string | OwnServer> {
  const config = loadConfig(env);
  const scheme = config.tlsCertFile === undefined ? 'http' : 'https';
  const address = `${scheme}://localhost:${config.port}`;
  if (config.port !== 0 && (await DemoClient.probe(address)) === null) return address;
  paper.aside(`No server answers at ${address}: starting one for this demo …`);
  return startOwnServer(config);
}
