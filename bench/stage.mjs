/** The common parts of scenarios: a model, data, secrets, and servers with a database each. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { loadPlan, makeDataset } from './dataset.mjs';
import { importDist } from './harness.mjs';

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

export class Stage {
  servers = 0;

  /**
   * @param model how the mock model writes: `tokens`, `delayMs` before the first, `tokensPerSecond` (0: all at once)
   */
  static async set(harness, options, { users = options.users, tokens = 20, delayMs = 0, tokensPerSecond = 0 } = {}) {
    const stage = new Stage();
    stage.harness = harness;
    stage.options = options;
    stage.answer = Array(tokens).fill('word').join(' ');
    stage.dataset = makeDataset({ seed: options.seed, users });
    const args = ['--tokens', tokens, '--delay-ms', delayMs, '--tokens-per-second', tokensPerSecond].map(String);
    stage.model = await harness.startServer('mock model', fileOf('mock-model.mjs'), { args });
    stage.secrets = {
      jwtSecret: randomBytes(36).toString('base64'),
      passwordPepper: randomBytes(36).toString('base64'),
      masterKeys: `1:${randomBytes(32).toString('base64')}`,
    };
    // Parley makes its key from the secret; the other peers get the key.
    const { SigningKeys } = await importDist('src/platform/crypto/signing-keys.js');
    const keys = { ...stage.secrets, jwtPreviousSecrets: [], jwtKeyFiles: [] };
    const { id, sign } = new SigningKeys(keys).signer;
    stage.accessKey = { id, bytes: sign.export() };
    stage.plan = loadPlan(stage.dataset, stage.accessKey, stage.answer);
    return stage;
  }

  /** Starts a peer of `peers.mjs` on its own database. */
  async start(peer, { env, nodeArgs = [] } = {}) {
    const databaseUrl = await this.harness.createDatabase(`bench_${this.servers++}`);
    const context = {
      ...this.options,
      ...this.secrets,
      nodeArgs: [...this.options.nodeArgs, ...nodeArgs],
      env,
      accessKey: this.accessKey,
      databaseUrl,
      modelUrl: this.model.url,
      dataset: this.dataset,
    };
    return { ...(await peer.start(this.harness, context)), databaseUrl };
  }

  /** The requests of many clients, each in its own session, to a server with Parley's `POST /chat`. */
  chats(url, { stream = false, sessions = this.plan.sessions } = {}) {
    return {
      url,
      path: '/chat',
      marker: stream ? 'event: message.delta' : null,
      requests: sessions.map(({ token, projectId, sessionId, messages }) => ({
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ project_id: projectId, session_id: sessionId, message: messages[0], stream }),
      })),
    };
  }

  /** One user's turns, in the first of the user's sessions. */
  turnOf(url, user) {
    const { sessions } = this.plan;
    return this.chats(url, { sessions: [sessions.find(({ sessionId }) => sessionId === user.sessions[0].id)] });
  }

  /** One user who reads a path repeatedly. */
  reads(url, user, path) {
    const { token } = this.plan.sessions.find(({ projectId }) => projectId === user.projectId);
    const requests = [{ headers: { authorization: `Bearer ${token}` }, body: null }];
    return { url, path, method: 'GET', marker: null, requests };
  }

  /** The same request to the model itself, or to a gateway in front of it. */
  completions(url, { stream = false, path = '/v1/chat/completions', headers = {} } = {}) {
    const [{ questions, prompts, sessions }] = this.dataset;
    const messages = [
      ...prompts.map(({ content }) => ({ role: 'system', content })),
      ...sessions[0].messages.map(({ content }, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
      { role: 'user', content: questions[0] },
    ];
    return {
      url,
      path,
      marker: stream ? '"content":"word' : null,
      alternateMarker: stream ? '"content":" word' : null,
      requests: [
        {
          headers: { authorization: 'Bearer bench', ...headers },
          body: JSON.stringify({ model: 'mock-1', messages, stream }),
        },
      ],
    };
  }

  /** A process that sends requests and measures, so that its work is not counted for another process. */
  client() {
    const child = this.harness.fork(fileOf('client.mjs'));
    return (work) =>
      new Promise((resolve, reject) => {
        const onExit = () => reject(new Error('the client ended'));
        child.once('exit', onExit);
        child.once('message', (result) => {
          child.removeListener('exit', onExit);
          if (result.errors > 0) reject(new Error(`${result.errors} wrong answers, the first: ${result.firstError}`));
          else resolve(result);
        });
        child.send(work);
      });
  }
}
